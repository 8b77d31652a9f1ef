"""What all results are, and their form in stored records (wire-compat section 6.2)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .exceptions import DecodeError, IncompleteStream

if TYPE_CHECKING:
    from .ports import App


class ResultBase(ABC):
    """A task, or several, whose outcome can be asked for. ``parent`` is the step before it in a chain."""

    __slots__ = ()

    id: str
    parent: ResultBase | None

    @property
    @abstractmethod
    def children(self) -> Sequence[ResultBase] | None:
        """Results of what this one has sent; None when that is not known (yet)."""

    @abstractmethod
    def as_tuple(self) -> tuple[Any, Any]:
        """The form in stored records."""

    @abstractmethod
    def get(self, timeout: float | None = None, propagate: bool = True) -> Any:
        """Wait for the value."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether nothing more will happen."""

    @abstractmethod
    def forget(self) -> None:
        """Remove what is stored."""

    @abstractmethod
    def tasks(self) -> Iterable[ResultBase]:
        """The results of single tasks that this one stands for: itself, or its members."""

    def ancestors(self) -> Generator[ResultBase]:
        """The parent, its parent, and so on."""
        node = self.parent
        while node is not None:
            yield node
            node = node.parent

    def iterdeps(self, intermediate: bool = False) -> Generator[tuple[ResultBase | None, ResultBase]]:
        """Yield the result and all that came of it, breadth first, as pairs (parent, result).

        Raises IncompleteStream at a result that is not ready, unless ``intermediate`` is set.
        """
        waiting: deque[tuple[ResultBase | None, ResultBase]] = deque([(None, self)])
        # A retried task names itself as its child.
        seen = {self.id}
        while waiting:
            parent, node = waiting.popleft()
            yield parent, node
            if not node.ready():
                if not intermediate:
                    raise IncompleteStream(f"result {node.id} is not ready: its children are not all known")
                continue
            for child in node.children or ():
                if child.id not in seen:
                    seen.add(child.id)
                    waiting.append((node, child))

    def collect(self, intermediate: bool = False, **options: Any) -> Generator[tuple[ResultBase, Any]]:
        """Yield the result and all that came of it with their values, as the values arrive.

        ``options`` are those of :meth:`get`. Raises what :meth:`get` and :meth:`iterdeps` raise.
        """
        for _, node in self.iterdeps(intermediate=intermediate):
            yield node, node.get(**options)

    def get_leaf(self) -> Any:
        """The value of the last result of :meth:`iterdeps`."""
        value = None
        for _, node in self.iterdeps():
            value = node.get()
        return value

    @property
    def graph(self) -> dict[ResultBase, list[ResultBase]]:
        """What came of what: each result with its children, as far as they are known now."""
        found: dict[ResultBase, list[ResultBase]] = {}
        for parent, node in self.iterdeps(intermediate=True):
            found.setdefault(node, [])
            if parent is not None:
                found[parent].append(node)
        return found


class Kinds:
    """Makes results of either kind; each is put in by the module that defines it."""

    def __init__(self) -> None:
        self.task: Callable[..., ResultBase]
        self.group: Callable[..., ResultBase]


KINDS = Kinds()


def result_from_tuple(data: Any, app: App | None = None) -> ResultBase:
    """The result that a tuple or list of wire-compat section 6.2 stands for; a result stands for itself.

    Raises DecodeError for anything else.
    """
    if isinstance(data, ResultBase):
        return data
    try:
        head, members = data
        task_id, parent = head if isinstance(head, (list, tuple)) else (head, None)
    except (TypeError, ValueError):
        task_id = None
    if not isinstance(task_id, str):
        raise DecodeError(f"not the form of a result, [[id, parent], members]: {str(data)[:200]}")
    before = None if parent is None else result_from_tuple(parent, app)
    if members is None:
        return KINDS.task(task_id, app=app, parent=before)
    return KINDS.group(
        task_id, [result_from_tuple(member, app) for member in members], app=app, parent=before
    )
