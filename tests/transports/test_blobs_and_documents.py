"""Helpers for authors of stores: rows as blobs, the topology as one document."""

from __future__ import annotations

import pytest

from cicely_transports.errors import EncodeError, TopologyConflict
from cicely_transports.message import Message, Properties
from cicely_transports.row_blob import decode_row, encode_row
from cicely_transports.store import Bindings, BoundQueue, Row
from cicely_transports.topology import BindingSpec, ExchangeSpec
from cicely_transports.topology_document import bind_in, read_topology, unbind_in

LOGS = ExchangeSpec("logs", "topic")
JOBS = BoundQueue(BindingSpec("", "jobs", "jobs", {"expires": 60.0}), lapses_at=100.0)
ERRORS = BoundQueue(BindingSpec("logs", "jobs", "error.#"))
OTHERS = BoundQueue(BindingSpec("logs", "others", "#", {"a": [1]}))


def test_row_survives_as_a_blob() -> None:
    properties = Properties("text/plain", correlation_id="ü", priority=7, timestamp=1.5)
    message = Message(bytes(range(256)) + b"\n\n", {"nested": {"a": [1, None]}}, properties)
    row = Row("jobs", message, 12.5, 99.25, "logs", "error.disk")
    assert decode_row(encode_row(row), "jobs", 12.5) == row


def test_row_of_an_empty_message_survives_as_a_blob() -> None:
    row = Row("jobs", Message(b""), 0.0)
    assert decode_row(encode_row(row), "jobs", 0.0) == row


@pytest.mark.parametrize(
    "damaged", [b"", b"\n", b"not json\nbody", b"[1]\nbody", b"[null,{}]\nbody", b"\xff\n"]
)
def test_damaged_blob_is_all_body(damaged: bytes) -> None:
    assert decode_row(damaged, "jobs", 5.0) == Row("jobs", Message(damaged), 5.0)


def test_unwritable_header_is_an_encode_error() -> None:
    with pytest.raises(EncodeError, match="secret"):
        encode_row(Row("jobs", Message(b"", {"secret": object()}), 0.0))


def test_empty_document_has_no_bindings() -> None:
    assert read_topology("") == Bindings(0)


def test_document_keeps_what_is_bound() -> None:
    document = bind_in(bind_in("", [LOGS], [JOBS, ERRORS]), [], [OTHERS])
    assert read_topology(document) == Bindings(2, [LOGS], [JOBS, ERRORS, OTHERS])


def test_binding_again_renews() -> None:
    document = bind_in("", [], [JOBS])
    renewed = BoundQueue(JOBS.binding, lapses_at=200.0)
    assert read_topology(bind_in(document, [], [renewed])).bound == [renewed]


def test_other_arguments_conflict() -> None:
    document = bind_in("", [LOGS], [])
    with pytest.raises(TopologyConflict, match="logs"):
        bind_in(document, [ExchangeSpec("logs", "direct")], [])


def test_document_forgets_bindings_queues_and_exchanges() -> None:
    document = bind_in("", [LOGS], [JOBS, ERRORS, OTHERS])
    assert read_topology(unbind_in(document, [ERRORS.binding], [], [])).bound == [JOBS, OTHERS]
    assert read_topology(unbind_in(document, [], ["jobs"], [])).bound == [OTHERS]
    assert read_topology(unbind_in(document, [], [], ["logs"])) == Bindings(2, [], [JOBS])
