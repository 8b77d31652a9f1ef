from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from cicely import Cicely
from cicely.embedded import embedded_path, embedded_url
from cicely.exceptions import ImproperlyConfigured
from cicely.settings import TABLE


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for row in TABLE.values():
        for variable in row.environment:
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def make(main: str | None = "proj", **options: Any) -> Cicely:
    return Cicely(main, set_as_current=False, **options)


def test_without_urls_both_are_the_embedded_file(tmp_path: Path) -> None:
    app = make()
    expected = f"sqlite:///{tmp_path}/state/cicely/proj.db"
    assert app.broker_url == app.backend_url == expected
    assert make(None).broker_url == f"sqlite:///{tmp_path}/state/cicely/cicely.db"


def test_embedded_broker_works_and_is_private(tmp_path: Path) -> None:
    with make() as app:
        app.send_task("t")
        assert app.transport.sizes(["celery"])["celery"].ready == 1
        assert app.backend.enabled
    folder = tmp_path / "state" / "cicely"
    assert (folder / "proj.db").exists()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_two_apps_meet_whatever_their_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with make() as producer:
        producer.send_task("t")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with make() as consumer:
        assert consumer.transport.sizes(["celery"])["celery"].ready == 1


def test_embedded_path() -> None:
    assert embedded_path("a", {"HOME": "/home/me"}) == Path("/home/me/.local/state/cicely/a.db")
    assert embedded_path("a", {"XDG_STATE_HOME": "relative", "HOME": "/h"}) == Path(
        "/h/.local/state/cicely/a.db"
    )
    assert embedded_path("../x y", {"XDG_STATE_HOME": "/s"}) == Path("/s/cicely/.._x_y.db")
    assert embedded_url("a", {"XDG_STATE_HOME": "/s t"}) == "sqlite:////s%20t/cicely/a.db"


def test_state_directory_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(ImproperlyConfigured, match="Set broker_url"):
        make().open_transport()


def test_a_broker_without_backend_has_no_results() -> None:
    app = make(broker="memory://x")
    assert app.backend_url == "disabled://"
    assert not app.backend.enabled


def test_read_and_write_urls() -> None:
    app = make(broker_read_url="memory://read", broker_write_url="memory://write")
    app.send_task("t")
    with make(broker="memory://write") as other:
        assert other.transport.sizes(["celery"])["celery"].ready == 1
    assert app.transport.sizes(["celery"])["celery"].ready == 0
    app.close()


def test_url_of_the_settings_of_celery_3() -> None:
    app = make(
        BROKER_HOST="h",
        BROKER_PORT=5,
        BROKER_USER="u",
        BROKER_PASSWORD="p/w",
        BROKER_VHOST="v",
        BROKER_TRANSPORT="redis",
    )
    assert app.broker_url == "redis://u:p%2Fw@h:5/v"
    assert "p%2Fw" not in app.safe_broker_url
    assert app.backend_url == "disabled://"


def test_secrets_are_masked() -> None:
    app = make(broker=["redis://u:sesame@a", "redis://u:sesame@b"], backend="redis://:sesame@h")
    assert "sesame" not in app.safe_broker_url
    assert app.safe_broker_url.count("redis://") == 2
    assert "sesame" not in app.safe_backend_url


def test_connections_for_messaging_without_tasks() -> None:
    with make(broker="memory://plain") as app:
        with app.connection_for_write() as writing:
            writing.SimpleQueue("plain").put("hello")
        with app.connection_for_read() as reading:
            assert reading.SimpleQueue("plain").get(timeout=1).payload == "hello"
        with app.connection("memory://other") as other:
            assert other.transport.queues() == []


def test_settings_become_options_of_the_transport(tmp_path: Path) -> None:
    app = make(broker=f"sqlite:///{tmp_path}/q.db", broker_transport_options={"no_such_option": 1})
    with pytest.raises(Exception, match="no_such_option"):
        app.open_transport()


def test_close_and_use_again(tmp_path: Path) -> None:
    app = make()
    app.send_task("t")
    app.close()
    app.send_task("t")
    assert app.transport.sizes(["celery"])["celery"].ready == 2
    app.close()
    app.close()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_connections_of_its_own() -> None:
    app = make()
    seen: list[Any] = []

    @app.on_after_fork.connect
    def note(sender: Cicely, **_: Any) -> None:
        seen.append(sender)

    app.send_task("before")
    oid, transport = app.oid, app.transport
    child = os.fork()
    if child == 0:
        code = 1
        try:
            app.send_task("in-child")
            code = 0 if app.oid != oid and app.transport is not transport and seen == [app] else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    app.send_task("after")
    assert app.oid == oid
    assert app.transport.sizes(["celery"])["celery"].ready == 3
    assert seen == []
    app.close()
