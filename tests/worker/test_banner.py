from __future__ import annotations

from dataclasses import replace

from cicely_worker.banner import Facts, banner

FACTS = Facts(
    hostname="celery@here",
    version="1.2.3",
    app="proj",
    broker="redis://user:***@host/0",
    backend="disabled",
    pool="prefork",
    concurrency=4,
    why="one for each CPU",
    queues=("celery", "mail"),
    tasks=("proj.tasks.mul", "proj.tasks.add", "celery.chord", "bare"),
)


def test_tells_what_the_worker_is() -> None:
    text = banner(FACTS)
    for said in (
        "cicely 1.2.3  celery@here",
        "app      proj",
        "broker   redis://user:***@host/0",
        "results  disabled",
        "pool     prefork x 4 (one for each CPU)",
        "queues   celery, mail",
        "proj.tasks: add, mul",
        "(no module): bare",
    ):
        assert said in text, said
    assert "chord" not in text
    assert text.endswith("\n")


def test_hints_and_no_tasks() -> None:
    text = banner(replace(FACTS, tasks=("celery.group",), hints=("results are not kept",)))
    assert "hint: results are not kept" in text
    assert "   none\n" in text
