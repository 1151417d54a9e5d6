"""Objects that raise, recurse, lie, hang or have no end do not disturb an audit, and an audit does not disturb them."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

import pytest

from grilse.audit import Budget, Cause, audit

from .corpus import Box


class HostileMeta(type):
    """A metaclass whose classes cannot be hashed or compared."""

    def __hash__(cls) -> int:
        raise RuntimeError("not to be hashed")

    def __eq__(cls, other: object) -> bool:
        raise RuntimeError("not to be compared")


class Unhashable(metaclass=HostileMeta):
    """Its class cannot be hashed."""


class Hostile:
    """Everything that can be asked of it raises."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("no attribute for you")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not to be compared")

    def __hash__(self) -> int:
        raise RuntimeError("not to be hashed")

    def __repr__(self) -> str:
        raise RuntimeError("not to be shown")

    def __bool__(self) -> bool:
        raise RuntimeError("not to be judged")

    def __len__(self) -> int:
        raise RuntimeError("not to be counted")

    def __iter__(self) -> Any:
        raise RuntimeError("not to be gone through")


class HostileAttributes:
    """No attribute of it can be had."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")


class Unprintable(Exception):
    """An exception whose text cannot be made."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


class RaisesUnprintable:
    """Its hook raises that."""

    def __reduce__(self) -> Any:
        raise Unprintable


class Exits:
    """Its hook ends the program."""

    def __reduce__(self) -> Any:
        sys.exit(3)


class WithoutEnd:
    """Gives a new instance of itself each time it is asked."""

    def __getstate__(self) -> Any:
        return {"next": WithoutEnd()}


class ItemsWithoutEnd:
    """Gives items without end."""

    def __reduce__(self) -> Any:
        def count() -> Any:
            number = 0
            while True:
                number += 1
                yield number

        return list, (), None, count()


class Hangs:
    """Its hook never returns."""

    def __getstate__(self) -> Any:
        while True:
            pass


class SwallowsAndHangs:
    """Its hook never returns, and catches what is thrown at it."""

    tries = 0

    def __getstate__(self) -> Any:
        while True:
            try:
                while True:
                    pass
            except BaseException:
                SwallowsAndHangs.tries += 1
                if SwallowsAndHangs.tries > 2:
                    raise


class Counts:
    """Counts how often it is asked."""

    asked = 0

    def __getattr__(self, name: str) -> Any:
        Counts.asked += 1
        raise AttributeError(name)


def test_objects_that_raise_whatever_is_asked_do_not_end_the_audit() -> None:
    report = audit(
        [Hostile(), Box(x=Hostile()), Unhashable(), HostileAttributes(), threading.Lock()], name="r", spawn=False
    )
    assert report.complete
    found = {blocker.path: blocker.cause for blocker in report.blockers}
    assert found["r[4]"] is Cause.LOCK
    assert found["r[2]"] is Cause.HOOK_FAILS
    assert found["r[3]"] is Cause.HOOK_FAILS
    assert "r[1].x" not in found


def test_many_objects_of_a_hostile_class_do_not_end_the_audit() -> None:
    report = audit([Unhashable() for _ in range(200)], spawn=False)
    assert report.complete
    assert len(report.blockers) == 200


def test_a_hostile_key_is_not_asked_to_show_itself() -> None:
    class Key(Hostile):
        def __hash__(self) -> int:
            return 1

    report = audit({Key(): threading.Lock()}, name="r", spawn=False)
    assert any(blocker.cause is Cause.LOCK for blocker in report.blockers)


def test_an_exception_without_a_text_is_still_described() -> None:
    (blocker,) = audit([RaisesUnprintable()], spawn=False).blockers
    assert "Unprintable" in blocker.reason


def test_a_hook_that_exits_is_a_blocker_and_ends_nothing() -> None:
    (blocker,) = audit([Exits()], spawn=False).blockers
    assert blocker.cause is Cause.HOOK_FAILS


def test_an_interrupt_by_the_user_is_not_swallowed() -> None:
    class Interrupted:
        def __reduce__(self) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        audit([Interrupted()], spawn=False)


def test_objects_without_end_are_bounded_by_the_budget_of_objects() -> None:
    report = audit(WithoutEnd(), name="r", budget=Budget(nodes=1000), spawn=False)
    assert report.complete is False
    assert report.picklable is None
    assert report.crosses is None
    assert report.nodes <= 1001
    assert report.left_out
    assert "1,000 objects" in report.left_out[0].why


def test_items_without_end_are_bounded_by_the_budget_of_objects() -> None:
    report = audit([ItemsWithoutEnd()], name="r", budget=Budget(nodes=5000), spawn=False)
    assert report.complete is False
    assert report.nodes <= 6001


@pytest.mark.parametrize("hostile", [Hangs, SwallowsAndHangs])
def test_a_hook_that_never_returns_is_ended_when_the_time_is_over(hostile: type) -> None:
    start = time.monotonic()
    report = audit([threading.Lock(), hostile()], name="r", budget=Budget(seconds=0.5), spawn=False)
    assert time.monotonic() - start < 10
    assert report.complete is False
    assert any("hook still ran" in part.why for part in report.left_out)
    assert {blocker.path for blocker in report.blockers} == {"r[0]"}


def test_ten_million_objects_are_bounded_and_what_was_left_out_is_told() -> None:
    row = [1.5] * 1000
    root = {"first": [1], "rest": [row] + [[2.5] * 1000 for _ in range(10_000)], "lock": threading.Lock()}
    report = audit(root, name="r", budget=Budget(nodes=100_000), spawn=False)
    assert report.complete is False
    assert report.nodes <= 120_000
    assert sum(part.objects for part in report.left_out) >= 9_000
    assert any(part.path.startswith("r['rest']") for part in report.left_out)
    # What was found is found, and enough to say no.
    assert report.picklable is False


def test_one_huge_list_is_looked_at_in_part() -> None:
    report = audit([[n] for n in range(50_000)], name="r", budget=Budget(nodes=10_000), spawn=False)
    assert report.complete is False
    assert report.nodes <= 11_000
    assert sum(part.objects for part in report.left_out) >= 30_000


def test_the_budget_of_bytes_holds() -> None:
    report = audit([b"x" * 1000 + bytes([n]) for n in range(200)], name="r", budget=Budget(bytes=10_000), spawn=False)
    assert report.complete is False or report.bytes <= 300_000
    report = audit([[b"x" * 5000 + bytes([n])] for n in range(200)], name="r", budget=Budget(bytes=10_000), spawn=False)
    assert report.complete is False
    assert any("bytes" in part.why for part in report.left_out)


def test_the_budget_of_seconds_holds() -> None:
    start = time.monotonic()
    report = audit([[[n] for n in range(1000)] for _ in range(300)], budget=Budget(seconds=0.01), spawn=False)
    assert time.monotonic() - start < 10
    assert report.complete is False


def test_an_audit_changes_nothing_that_the_program_can_see() -> None:
    box = Box(counts=Counts(), lock=threading.Lock())
    Counts.asked = 0
    modules, limit, hooks = set(sys.modules), sys.getrecursionlimit(), (sys.getprofile(), sys.gettrace())
    attributes = dict(box.__dict__)
    threads = threading.active_count()
    audit(box, spawn=False)
    assert Counts.asked == 0
    assert box.__dict__ == attributes
    assert list(box.__dict__) == list(attributes)
    assert sys.getrecursionlimit() == limit
    assert (sys.getprofile(), sys.gettrace()) == hooks
    assert threading.active_count() == threads
    assert {name for name in set(sys.modules) - modules if not name.startswith("grilse.")} <= {
        "ctypes",
        "_ctypes",
        "ctypes._endian",
    }


def test_a_graph_that_changes_while_it_is_walked_does_not_end_the_audit() -> None:
    table: dict[int, Any] = {number: [number] for number in range(2000)}
    stop = threading.Event()

    def change() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            table[number % 4000] = [number]
            table.pop((number * 7) % 4000, None)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(5):
            report = audit(Box(table=table), spawn=False)
            assert report.nodes > 100
    finally:
        stop.set()
        thread.join()
