"""A broker that is a folder: queues are folders, messages are files, claims are renames.

``q-jobs/5-1761…-0-0-`` is a message of queue ``jobs``: 9 - priority, order of arrival, expiry, delivery
count and token of the claim. It is available from its modification time on: delaying, claiming and
renewing are one ``utime``. A tag is a path, which exists as long as the claim does.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, unquote

from cicely_transports.errors import OperationalError
from cicely_transports.row_blob import decode_row, encode_row
from cicely_transports.spi import Capabilities, DeadLetter, Delivery, QueueSize, Settlement, Tag, Verdict
from cicely_transports.store import Bindings, BoundQueue, Row, Store
from cicely_transports.store_transport import StoreTransport
from cicely_transports.topology import BindingSpec, ExchangeSpec
from cicely_transports.topology_document import bind_in, read_topology, unbind_in
from cicely_transports.url import BrokerURL
from cicely_transports.url_options import check_options

Names = Sequence[str]
STATES = ("ready", "leased", "delayed", "dead")


class DirectoryStore(Store):
    capabilities = Capabilities(durable=True, cross_process=True)

    def __init__(self, root: Path) -> None:
        self._root, self._topology = root, root / "topology"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            self._topology.touch()
            with (self._root / "lock").open("w") as lock:  # a descriptor each time keeps threads out, too
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise OperationalError(f"the folder {self._root} cannot be used: {error}") from error

    def _folder(self, queue: str) -> Path:
        return self._root / f"q-{quote(queue, safe='')}"

    def _files(self, queue: str, now: float, *states: str, ids: Names | None = None) -> list[Path]:
        files = [path for path in self._folder(queue).glob("*") if state(path, now) in states]
        files.sort(key=lambda path: (path.name[0], path.stat().st_mtime, path.name))
        return files if ids is None else [path for path in files if path.name in ids]

    def insert(self, rows: Sequence[Row]) -> None:
        with self._locked():
            new = [self._root / f"new-{number:06}" for number in range(len(rows))]
            for path, row in zip(new, rows, strict=True):
                path.write_bytes(encode_row(row))
            for path, row in zip(new, rows, strict=True):
                name = f"{9 - row.message.properties.priority}-{time.time_ns()}{path.name[4:]}"
                self._folder(row.queue).mkdir(exist_ok=True)
                place = self._folder(row.queue) / f"{name}-{row.expires_at or 0}-0-"
                move(path, place, row.visible_at)

    def claim(
        self, queues: Names, limit: int, *, now: float, until: float, suspects: int | None
    ) -> list[Delivery]:
        found: list[Delivery] = []
        with self._locked():
            for path, queue in [(path, name) for name in queues for path in self._files(name, now, "ready")]:
                urgency, order, expiry, count, _ = path.name.split("-")
                if 0 < float(expiry) <= now:
                    path.unlink()
                if not path.exists() or len(found) == limit or (count != "0" and suspects == 0):
                    continue
                suspects = suspects and suspects - (count != "0")
                row, attempt = decode_row(path.read_bytes(), queue, until), int(count) + 1
                name = f"{urgency}-{order}-{expiry}-{attempt}-{uuid.uuid4().hex}"
                tag = str(move(path, path.with_name(name), until))
                found.append(Delivery(tag, queue, row.message, attempt, until, row.exchange, row.routing_key))
        return found

    def settle(self, items: Sequence[Settlement], *, now: float) -> list[Tag]:
        with self._locked():
            return [item.tag for item in items if not settled(item, Path(str(item.tag)), now)]

    def renew(self, tags: Sequence[Tag], *, until: float) -> list[Tag]:
        with self._locked():
            held = [str(tag) for tag in tags if os.path.exists(str(tag))]
            for path in held:
                os.utime(path, (0, until))
            return [tag for tag in tags if tag not in held]

    def bind(self, exchanges: Sequence[ExchangeSpec], bound: Sequence[BoundQueue]) -> None:
        with self._locked():
            self._save(bind_in(self._topology.read_text(), exchanges, bound))
            for item in bound:
                self._folder(item.binding.queue).mkdir(exist_ok=True)

    def unbind(
        self, *, bindings: Sequence[BindingSpec] = (), queues: Names = (), exchanges: Names = ()
    ) -> None:
        with self._locked():
            self._save(unbind_in(self._topology.read_text(), bindings, queues, exchanges))
            for queue in queues:
                shutil.rmtree(self._folder(queue), ignore_errors=True)

    def _save(self, topology: str) -> None:
        (self._root / "new").write_text(topology)
        (self._root / "new").rename(self._topology)

    def bindings(self) -> Bindings:
        with self._locked():
            return read_topology(self._topology.read_text())

    def sizes(self, *, now: float) -> dict[str, QueueSize]:
        with self._locked():
            queues = [unquote(folder.name[2:]) for folder in self._root.glob("q-*")]
            return {q: QueueSize(*[len(self._files(q, now, each)) for each in STATES]) for q in queues}

    def purge(self, queue: str, *, now: float) -> int:
        with self._locked():
            return len([*map(os.unlink, self._files(queue, now, "ready", "delayed"))])

    def dead(self, queue: str, *, limit: int | None, ids: Names | None) -> list[DeadLetter]:
        with self._locked():
            return [letter(path, queue) for path in self._files(queue, 0, "dead", ids=ids)[:limit]]

    def exhume(self, queue: str, ids: Names | None, *, revive: bool, now: float) -> int:
        with self._locked():
            letters = self._files(queue, 0, "dead", ids=ids)
            if not revive:
                return len([*map(os.unlink, letters)])
            for path in letters:
                _, urgency, order, _ = path.name.split("-", 3)
                move(path, path.with_name(f"{urgency}-{order}-0-0-"), now)
            return len(letters)

    def wait(self, queues: Names, timeout: float) -> None:
        time.sleep(min(timeout, 0.02))  # a folder tells nobody: look again soon

    def wake(self) -> None: ...
    def close(self) -> None: ...


def state(path: Path, now: float) -> str:
    if path.name.startswith("dead"):
        return "dead"
    hidden = "delayed" if path.name.endswith("-") else "leased"
    return "ready" if path.stat().st_mtime <= now else hidden


def move(path: Path, place: Path, moment: float) -> Path:
    os.utime(path, (0, moment))
    return path.rename(place)


def settled(item: Settlement, path: Path, now: float) -> bool:
    if not path.exists():
        return False
    urgency, order, expiry, count, _ = path.name.split("-")
    if item.verdict is Verdict.DONE:
        path.unlink()
    elif item.verdict is Verdict.RETURN:
        name = f"{urgency}-{order}-{expiry}-{int(count) - (not item.counted)}-"
        move(path, path.with_name(name), item.not_before or 0)
    else:
        reason = quote(item.reason or "", safe="")[:150]
        move(path, path.with_name(f"dead-{urgency}-{order}-{count}-{reason}"), now)
    return True


def letter(path: Path, queue: str) -> DeadLetter:
    row = decode_row(path.read_bytes(), queue, path.stat().st_mtime)
    *_, count, reason = path.name.split("-", 4)
    return DeadLetter(path.name, queue, row.message, int(count), unquote(reason), row.visible_at)


class DirectoryTransport(StoreTransport):
    @classmethod
    def from_url(cls, url: BrokerURL, options: Mapping[str, Any]) -> Self:
        check_options(options, cls.options, url.scheme)
        return cls(DirectoryStore(Path(url.path).absolute()))
