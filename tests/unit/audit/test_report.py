"""What a report says of sizes, shares, holders, paths and remedies."""

from __future__ import annotations

import pickle
import threading
from contextlib import ExitStack
from typing import Any

import pytest

from grilse.audit import Cause, Remedy, audit

from . import corpus
from .corpus import Box, MyList, Record, Slotted


def _rows(report: Any) -> dict[str, Any]:
    return {row.path: row for row in report.rows}


def test_the_bytes_of_all_paths_add_up_to_what_pickle_writes() -> None:
    root = Box(
        numbers=list(range(1000)),
        texts=[f"text {number}" for number in range(500)],
        records=[Record(f"name {number}", {"a": number}) for number in range(300)],
        blob=b"x" * 100_000,
        others=[Slotted(), MyList([1, 2]), {1: (2, 3)}, {4, 5}, frozenset([6]), bytearray(b"7")],
    )
    report = audit(root, spawn=False)
    rows = _rows(report)
    assert report.bytes == len(pickle.dumps(root))
    assert report.name == "box"
    reckoned = rows["box"].total_bytes
    assert abs(reckoned - report.bytes) <= max(64, report.bytes * 0.01)
    for attribute in ("numbers", "texts", "blob"):
        alone = len(pickle.dumps(getattr(root, attribute)))
        assert abs(rows[f"box.{attribute}"].total_bytes - alone) <= max(64, alone * 0.05)


def test_a_shared_part_counts_once_and_where_the_shortest_path_leads() -> None:
    shared = ["x" * 50 for _ in range(100)]
    shared = [text + str(number) for number, text in enumerate(shared)]
    report = audit({"deep": {"er": [shared]}, "near": shared}, name="r", spawn=False)
    rows = _rows(report)
    assert rows["r['near']"].total_bytes > 5000
    assert rows["r['deep']"].total_bytes < 100
    # Cutting the near path saves next to nothing, since the deep one still leads there.
    assert rows["r['near']"].exclusive_bytes == rows["r['near']"].total_bytes
    assert rows["r"].exclusive_bytes == rows["r"].total_bytes


def test_what_one_path_alone_leads_to_is_told_from_what_others_lead_to_as_well() -> None:
    shared = [str(number) * 10 for number in range(200)]
    one, other = Box(inner=Box(shared=shared)), Box(inner=Box(shared=shared))
    report = audit([one, other], name="r", spawn=False)
    rows = _rows(report)
    assert rows["r[0]"].total_bytes > 2000
    assert rows["r[0]"].exclusive_bytes < 200
    assert rows["r[1]"].total_bytes < 200


def test_times_are_shares_of_the_measured_whole() -> None:
    report = audit([[number] for number in range(5000)], name="r", spawn=False)
    root = report.rows[0]
    assert report.dump_us is not None
    assert report.load_us is not None
    assert root.total_dump_us == pytest.approx(report.dump_us)
    assert root.total_load_us == pytest.approx(report.load_us)
    assert 0 < root.own_dump_us < root.total_dump_us


def test_a_path_is_not_picklable_if_any_reference_from_it_leads_to_a_blocker() -> None:
    lock = threading.Lock()
    holder = Box(lock=lock)
    report = audit({"a": holder, "b": {"c": [holder]}, "d": [1]}, name="r", spawn=False)
    rows = _rows(report)
    assert rows["r['b']"].picklable is False
    assert rows["r['a']"].picklable is False
    assert rows["r['d']"].picklable is True


def test_other_holders_of_a_blocker_are_named_within_the_graph_and_beyond() -> None:
    with ExitStack() as stack:
        root = corpus._two_in_one(stack)
        lock = root["b"][0]  # type: ignore[index]
        keeper = Box(kept=lock)
        report = audit(root, name="r", spawn=False)
        (blocker,) = report.blockers
        assert blocker.path == "r['a'].lock"
        assert blocker.holders == ("r['b'][0]",)
        assert any("kept" in words for words in blocker.outside)
        assert keeper.kept is lock


def test_all_instances_of_a_class_that_cannot_be_found_are_its_holders() -> None:
    with ExitStack() as stack:
        report = audit(corpus._generated_module(stack), name="r", spawn=False)
    (blocker,) = report.blockers
    assert (blocker.path, blocker.holders) == ("r[0]", ("r[1]",))


def test_keys_in_paths_are_shown_without_asking_the_programs_objects() -> None:
    class Secret:
        def __repr__(self) -> str:
            raise AssertionError("must not be asked")

        __str__ = __repr__

    key = (1, Secret())
    report = audit({key: threading.Lock()}, name="r", spawn=False)
    paths = {blocker.path for blocker in report.blockers}
    assert any(path.startswith("r[(1, <") for path in paths)


@pytest.mark.parametrize(
    ("obj", "remedy"),
    [
        (threading.Lock(), Remedy.RECOMPUTE),
        (pickle, Remedy.SEND_KEY),
        (corpus.a_lambda, Remedy.MODULE_LEVEL),
        (threading.current_thread(), Remedy.MESSAGE),
        (memoryview(b"x"), Remedy.REDUCER),
    ],
)
def test_each_blocker_has_a_remedy(obj: object, remedy: Remedy) -> None:
    report = audit([obj], name="r", spawn=False)
    assert report.blockers[0].advice is not None
    assert report.blockers[0].advice.remedy is remedy


def test_an_open_file_is_to_be_opened_after_the_spawn() -> None:
    with ExitStack() as stack:
        report = audit([corpus._file(stack)], spawn=False)
    assert report.blockers[0].advice is not None
    assert report.blockers[0].advice.remedy is Remedy.OPEN_LATER


def test_costly_parts_have_a_remedy_too() -> None:
    report = audit(Box(cache={number: str(number) for number in range(20_000)}, blob=b"x" * 200_000), spawn=False)
    rows = _rows(report)
    assert rows["box.cache"].advice.remedy is Remedy.RECOMPUTE
    assert rows["box.blob"].advice.remedy is Remedy.SEND_KEY


def test_what_is_in_the_way_within_a_thing_of_one_name_is_told() -> None:
    with ExitStack() as stack:
        report = audit(Box(child=corpus._process(stack)), spawn=False)
    (blocker,) = report.blockers
    assert blocker.cause is Cause.PROCESS
    assert any(path.startswith("box.child.") for path in blocker.contains)


def test_reducers_that_a_transport_registers_are_taken_into_account() -> None:
    lock = threading.Lock()
    assert audit([lock], spawn=False).picklable is False
    report = audit([lock], reducers={type(lock): lambda _: (threading.Lock, ())}, spawn=False)
    assert report.picklable is True
    assert report.blockers == ()


def test_the_audited_classes_are_left_as_they_were() -> None:
    class Fresh:
        __slots__ = ("a",)

    before = set(vars(Fresh))
    instance = Fresh()
    instance.a = 1
    audit([instance], spawn=False)
    assert set(vars(Fresh)) == before


def test_what_if_an_attribute_were_left_out_can_be_asked() -> None:
    root = Box(lock=threading.Lock(), rest=[Slotted(), Record("x", 1)])
    root.rest[0].left = threading.Lock()
    root.rest[0].right = 5
    names = {f"{Box.__module__}.Box": ["lock"], f"{Slotted.__module__}.Slotted": ["left"]}
    report = audit(root, without=names)
    assert report.crosses is True
    assert report.bytes_measured
    assert audit(root, without={f"{Box.__module__}.Box": ["lock"]}, spawn=False).blockers[0].path == "box.rest[0].left"
    assert root.rest[0].right == 5


def test_leaving_out_an_attribute_of_many_instances_leaves_the_rest_of_each() -> None:
    root = [Box(gone=number, kept=[str(number)]) for number in range(500)]
    report = audit(root, without={f"{Box.__module__}.Box": ["gone"]}, spawn=False)
    assert report.objects == 1001
