"""A remote that does not answer is left alone for a while, by all processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from grilse.remote.breaker import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Breaker
from grilse.remote.errors import RemoteSilent


class Clock:
    def __init__(self) -> None:
        self.now = 1e9

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=[False, True], ids=["alone", "shared"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "state") if request.param else ""


def test_it_opens_closes_and_says_so_once(directory: str) -> None:
    clock, said = Clock(), list[str]()
    breaker = Breaker("http://x", directory=directory, notify=said.append, clock=clock)
    breaker.check()
    breaker.answered()
    breaker.failed("no answer")
    breaker.failed("no answer either")
    with pytest.raises(RemoteSilent) as caught:
        breaker.check()
    assert caught.value.detail == "no answer"
    assert caught.value.temporary
    clock.now += FIRST_PAUSE_SECONDS
    breaker.check()
    breaker.answered()
    breaker.answered()
    assert said == [
        "Remote http://x does not answer: no answer. It is left alone for 60 seconds.",
        "Remote http://x answers again.",
    ]


def test_pauses_grow_to_a_limit(directory: str) -> None:
    clock = Clock()
    breaker = Breaker("http://x", directory=directory, clock=clock)
    pauses = []
    for _ in range(6):
        began = clock.now
        breaker.failed("no answer")
        while True:
            try:
                breaker.check()
                break
            except RemoteSilent:
                clock.now += 60
        pauses.append(clock.now - began)
    assert pauses == [60, 120, 240, 480, LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS]


def test_remotes_do_not_share_their_state(tmp_path: Path) -> None:
    one = Breaker("http://x", directory=str(tmp_path), name="one")
    other = Breaker("http://x", directory=str(tmp_path), name="other")
    one.failed("no answer")
    other.check()
    same = Breaker("http://x", directory=str(tmp_path), name="one")
    with pytest.raises(RemoteSilent):
        same.check()
    same.answered()
    one.check()


def test_a_damaged_state_is_no_state(tmp_path: Path) -> None:
    breaker = Breaker("http://x", directory=str(tmp_path), name="one")
    breaker.failed("no answer")
    [name] = os.listdir(tmp_path)
    (tmp_path / name).write_bytes(b"\0garbage")
    Breaker("http://x", directory=str(tmp_path), name="one").check()


def test_a_directory_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    breaker = Breaker("http://x", directory=str(tmp_path / "file" / "below"))
    breaker.failed("no answer")
    with pytest.raises(RemoteSilent):
        breaker.check()
