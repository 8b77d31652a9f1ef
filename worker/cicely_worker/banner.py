"""The banner: what a worker is, before its log begins. Pure text; no secrets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Facts:
    """What the banner tells. URLs come masked; ``why`` is where the concurrency comes from."""

    hostname: str
    version: str
    app: str
    broker: str
    backend: str
    pool: str
    concurrency: int
    why: str
    queues: Sequence[str]
    tasks: Sequence[str]
    hints: Sequence[str] = ()


def banner(facts: Facts) -> str:
    """The text, with a newline at its end. Tasks are grouped by module; the built-in ones are left out."""
    rows = (
        ("app", facts.app),
        ("broker", facts.broker),
        ("results", facts.backend),
        ("pool", f"{facts.pool} x {facts.concurrency} ({facts.why})"),
        ("queues", ", ".join(facts.queues) or "none"),
    )
    lines = ["", f" cicely {facts.version}  {facts.hostname}", ""]
    lines += [f"   {name:<9}{value}" for name, value in rows]
    lines += ["", " tasks", *_tasks(facts.tasks)]
    for hint in facts.hints:
        lines += ["", f" hint: {hint}"]
    return "\n".join([*lines, "", ""])


def _tasks(names: Sequence[str]) -> list[str]:
    modules: dict[str, list[str]] = {}
    for name in sorted(names):
        if not name.startswith("celery."):
            module, _, short = name.rpartition(".")
            modules.setdefault(module, []).append(short)
    if not modules:
        return ["   none"]
    return [f"   {module or '(no module)'}: {', '.join(short)}" for module, short in modules.items()]
