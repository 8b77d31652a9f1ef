"""Putting, getting, forgetting; which record wins; groups."""

from __future__ import annotations

from cicely.backends.record import Record, encode_record
from cicely.backends.spi import StoredRecord

from .rig import BackendRig, new_id, record

OTHER_STATES = ("STARTED", "RETRY", "FAILURE", "REVOKED", "PROGRESS")
ODD_IDS = (
    "ünïcode-✓",
    "a/b/../c",
    "../escape",
    "50%25",
    "with space",
    "tab\tquote'\"",
    "x" * 500,
    "ü" * 200,
    "*?[a]",
)


class StoringTests:
    """The store as a map from ids to bytes."""

    def test_an_unknown_id_is_absent(self, rig: BackendRig) -> None:
        assert rig.open().get_many([new_id(), new_id()]) == {}

    def test_what_was_put_is_got(self, rig: BackendRig) -> None:
        backend, item = rig.open(), record(new_id(), value=3)
        backend.put_many([item])
        assert backend.get_many([item.task_id]) == {item.task_id: item.payload}

    def test_a_batch_of_none(self, rig: BackendRig) -> None:
        backend = rig.open()
        backend.put_many([])
        backend.forget([])
        assert backend.get_many([]) == {}

    def test_a_batch_of_a_thousand(self, rig: BackendRig) -> None:
        backend = rig.open()
        items = [record(new_id(), value=number) for number in range(1000)]
        backend.put_many(items)
        assert backend.get_many([item.task_id for item in items]) == {
            item.task_id: item.payload for item in items
        }

    def test_only_what_was_asked_for_is_got(self, rig: BackendRig) -> None:
        backend, first, second = rig.open(), record(new_id()), record(new_id())
        backend.put_many([first, second])
        found = backend.get_many([second.task_id, new_id(), second.task_id])
        assert found == {second.task_id: second.payload}

    def test_another_object_sees_it(self, rig: BackendRig) -> None:
        item = record(new_id())
        writer, reader = rig.open(), rig.open()
        assert reader.get_many([item.task_id]) == {}
        writer.put_many([item])
        assert reader.get_many([item.task_id]) == {item.task_id: item.payload}

    def test_payloads_are_byte_exact(self, rig: BackendRig) -> None:
        backend = rig.open()
        value = {"text": "ä\0\r\n" * 50, "list": list(range(300))}
        payloads = [
            encode_record(Record("x", "SUCCESS", value), serializer=serializer, compression=compression)
            for serializer in ("json", "pickle")
            for compression in (None, "zlib", "bzip2")
        ]
        items = [StoredRecord(new_id(), "SUCCESS", payload) for payload in payloads]
        items.append(StoredRecord(new_id(), "PROGRESS", bytes(range(256))))
        items.append(StoredRecord(new_id(), "PROGRESS", b""))
        backend.put_many(items)
        found = backend.get_many([item.task_id for item in items])
        assert found == {item.task_id: item.payload for item in items}
        assert {type(payload) for payload in found.values()} == {bytes}

    def test_a_large_payload(self, rig: BackendRig) -> None:
        backend, item = rig.open(), record(new_id(), value="x" * 5_000_000)
        backend.put_many([item])
        assert backend.get_many([item.task_id]) == {item.task_id: item.payload}

    def test_odd_ids(self, rig: BackendRig) -> None:
        backend, mark = rig.open(), new_id()
        items = [record(mark + odd, value=odd) for odd in ODD_IDS]
        items += [record(mark + "Case", value=1), record(mark + "cASE", value=2)]
        backend.put_many(items)
        ids = [item.task_id for item in items]
        assert backend.get_many(ids) == {item.task_id: item.payload for item in items}
        backend.forget(ids)
        assert backend.get_many(ids) == {}

    # --- which record wins

    def test_success_is_never_overwritten(self, rig: BackendRig) -> None:
        backend = rig.open()
        for state in (*OTHER_STATES, "SUCCESS"):
            item = record(new_id(), value="first")
            backend.put_many([item])
            backend.put_many([record(item.task_id, state, "second")])
            assert backend.get_many([item.task_id]) == {item.task_id: item.payload}, state

    def test_success_of_other_serializers_is_never_overwritten(self, rig: BackendRig) -> None:
        backend = rig.open()
        for serializer, compression in (("json", "zlib"), ("pickle", None), ("pickle", "bzip2")):
            task_id = new_id()
            payload = encode_record(
                Record(task_id, "SUCCESS", 1), serializer=serializer, compression=compression
            )
            backend.put_many([StoredRecord(task_id, "SUCCESS", payload)])
            backend.put_many([record(task_id, "FAILURE")])
            assert backend.get_many([task_id]) == {task_id: payload}, serializer

    def test_other_states_are_overwritten(self, rig: BackendRig) -> None:
        backend = rig.open()
        for old in OTHER_STATES:
            for new in (*OTHER_STATES, "SUCCESS"):
                task_id = new_id()
                backend.put_many([record(task_id, old, "first")])
                item = record(task_id, new, "second")
                backend.put_many([item])
                assert backend.get_many([task_id]) == {task_id: item.payload}, f"{new} after {old}"

    def test_a_batch_counts_in_its_order(self, rig: BackendRig) -> None:
        backend, task_id, other = rig.open(), new_id(), new_id()
        success, last = record(task_id, value="stays"), record(other, "PROGRESS", 2)
        backend.put_many(
            [
                record(task_id, "STARTED"),
                record(other, "PROGRESS", 1),
                success,
                record(task_id, "FAILURE"),
                last,
            ]
        )
        assert backend.get_many([task_id, other]) == {task_id: success.payload, other: last.payload}

    def test_a_protected_record_does_not_stop_its_batch(self, rig: BackendRig) -> None:
        backend, protected, new = rig.open(), record(new_id(), value=1), record(new_id(), value=2)
        changed = record(new_id(), "STARTED")
        backend.put_many([protected, changed])
        changed = record(changed.task_id, "FAILURE")
        backend.put_many([record(protected.task_id, "FAILURE"), new, changed])
        ids = [protected.task_id, new.task_id, changed.task_id]
        assert backend.get_many(ids) == {item.task_id: item.payload for item in (protected, new, changed)}

    def test_a_put_can_be_repeated(self, rig: BackendRig) -> None:
        backend = rig.open()
        items = [record(new_id()), record(new_id(), "FAILURE")]
        for _ in range(3):
            backend.put_many(items)
        assert backend.get_many([item.task_id for item in items]) == {
            item.task_id: item.payload for item in items
        }

    # --- forgetting

    def test_forget(self, rig: BackendRig) -> None:
        backend, gone, kept = rig.open(), record(new_id()), record(new_id())
        backend.put_many([gone, kept])
        backend.forget([gone.task_id, new_id()])
        assert backend.get_many([gone.task_id, kept.task_id]) == {kept.task_id: kept.payload}

    def test_a_forgotten_success_can_be_stored_anew(self, rig: BackendRig) -> None:
        backend, old = rig.open(), record(new_id())
        backend.put_many([old])
        backend.forget([old.task_id])
        new = record(old.task_id, "FAILURE")
        backend.put_many([new])
        assert backend.get_many([old.task_id]) == {old.task_id: new.payload}

    # --- groups

    def test_groups(self, rig: BackendRig) -> None:
        backend, group_id = rig.open(), new_id()
        assert backend.load_group(group_id) is None
        backend.save_group(group_id, b'{"result": 1}', None)
        assert rig.open().load_group(group_id) == b'{"result": 1}'
        backend.save_group(group_id, b'{"result": 2}', None)
        assert backend.load_group(group_id) == b'{"result": 2}'
        backend.forget_group(group_id)
        backend.forget_group(group_id)
        assert backend.load_group(group_id) is None

    def test_a_group_and_a_task_of_one_id_are_two_things(self, rig: BackendRig) -> None:
        backend, item = rig.open(), record(new_id())
        backend.put_many([item])
        backend.save_group(item.task_id, b"group", None)
        assert backend.get_many([item.task_id]) == {item.task_id: item.payload}
        backend.forget([item.task_id])
        assert backend.load_group(item.task_id) == b"group"

    # --- closing

    def test_closing_twice_is_harmless_and_keeps_the_records(self, rig: BackendRig) -> None:
        item, other = record(new_id()), rig.open()
        backend = rig.open()
        backend.put_many([item])
        backend.close()
        backend.close()
        assert other.get_many([item.task_id]) == {item.task_id: item.payload}
