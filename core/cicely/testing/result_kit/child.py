"""A process of the kit: ``python -m cicely.testing.result_kit.child '{"url": ..., "do": "put", ...}'``."""

from __future__ import annotations

import json
import os
import sys
from itertools import count
from typing import Any

from .rig import BackendRig, record


def main(order: dict[str, Any]) -> None:
    """Do one job: ``put`` records singly, ``hammer`` without end, or ``fork`` and use both sides."""
    with BackendRig(order["url"], order["options"]) as rig:
        if order["do"] == "put":
            backend = rig.open()
            for task_id in order["ids"]:
                backend.put_many([record(task_id, order["state"], order["value"])])
        elif order["do"] == "hammer":
            backend = rig.open()
            for number in count():
                backend.put_many([record(task_id, "PROGRESS", [number] * 1000) for task_id in order["ids"]])
        else:
            _fork(rig, order["ids"], shared=order["shared"])


def _fork(rig: BackendRig, ids: list[str], *, shared: bool) -> None:
    backend = rig.open()
    before, parents, childs = ids[:2], ids[2:4], ids[4:]
    backend.put_many([record(task_id) for task_id in before])
    watch = backend.watch(childs if shared else parents)
    watch.wait(0.0)
    pid = os.fork()
    if pid == 0:
        backend.put_many([record(task_id) for task_id in childs])
        complete = set(backend.get_many(before + childs)) == {*before, *childs}
        with backend.watch(childs) as own:
            complete = complete and set(own.wait(5.0)) == set(childs)
        backend.close()
        os._exit(0 if complete else 1)
    backend.put_many([record(task_id) for task_id in parents])
    found: dict[str, bytes] = {}
    while len(found) < 2:
        news = watch.wait(10.0)
        if not news:
            sys.exit("the watch from before the fork sees nothing")
        found.update(news)
    watch.close()
    _, status = os.waitpid(pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit("the child does not find what was put before the fork, or what it put itself")
    if set(backend.get_many(before + parents)) != {*before, *parents}:
        sys.exit("the parent does not find its own records after the fork")
    sys.stdout.write("ok\n")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
