"""Topic patterns as a trie of words, so that matching costs the key's length, not the pattern count."""

from __future__ import annotations

ONE_WORD = "*"
ANY_WORDS = "#"


class _Node:
    __slots__ = ("children", "queues")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.queues: list[str] = []


class TopicTrie:
    """Patterns with ``*`` for exactly one word and ``#`` for zero or more (AMQP 0-9-1 section 3.1.3.3)."""

    def __init__(self) -> None:
        self._root = _Node()

    def add(self, pattern: str, queue: str) -> None:
        """Messages whose key fits ``pattern`` go to ``queue``."""
        node = self._root
        previous = ""
        for word in split(pattern):
            # "#.#" says the same as "#": one node fewer to branch at.
            if word == previous == ANY_WORDS:
                continue
            node = node.children.setdefault(word, _Node())
            previous = word
        node.queues.append(queue)

    def match(self, key: str) -> list[str]:
        """Queues of all patterns that fit ``key``; one that fits several times is repeated."""
        words = split(key)
        found: list[str] = []
        # Patterns with several "#" can reach a node at the same word by many ways: visit it once.
        seen: set[tuple[int, int]] = set()
        waiting = [(self._root, 0)]
        while waiting:
            node, at = waiting.pop()
            if (id(node), at) in seen:
                continue
            seen.add((id(node), at))
            if at == len(words):
                found += node.queues
            else:
                names = {words[at], ONE_WORD} - {ANY_WORDS}
                waiting += [(node.children[name], at + 1) for name in names & node.children.keys()]
            if (rest := node.children.get(ANY_WORDS)) is not None:
                waiting += [(rest, skipped) for skipped in range(at, len(words) + 1)]
        return found


def split(key: str) -> list[str]:
    """The words of a key; the empty key has none."""
    return key.split(".") if key else []
