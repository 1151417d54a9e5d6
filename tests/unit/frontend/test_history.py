"""Estimates and what they are made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from grilse.frontend.display.estimate import Estimate
from grilse.frontend.display.model import Running
from grilse.frontend.history import Historian, durations_of, history_file
from grilse.protocol import events as e

from .streams import build_session


def plan(*names: str, cached: tuple[str, ...] = ()) -> e.Pipeline:
    elements = tuple(e.PipelineElement(name, "", "cached" if name in cached else "waiting", "") for name in names)
    return e.Pipeline(time=0, project="p", targets=(), elements=elements)


def running(element: str, started: float) -> Running:
    return Running(1, element, "", "build", started)


def test_what_took_long_before_is_expected_to_take_long_again() -> None:
    estimate = Estimate("build")
    estimate.plan(plan("a", "b", "c", cached=("c",)), {"a": 10.0, "b": 30.0, "c": 500.0})
    assert estimate.seconds([], 0) == 40.0
    assert estimate.seconds([running("a", 0), running("b", 0)], 0) == 30.0
    assert estimate.seconds([running("a", 0), running("b", 0)], 5) == 25.0
    estimate.finished("a", "build", "ok", 9.0)
    assert estimate.seconds([running("b", 0)], 20) == 10.0
    estimate.finished("b", "build", "ok", 31.0)
    assert estimate.seconds([], 31) is None


def test_nothing_is_said_before_something_is_known() -> None:
    estimate = Estimate("build")
    estimate.plan(plan("a", "b", "c", "d", "e"), {})
    assert estimate.seconds([], 0) is None
    for name in ("a", "b", "c"):
        estimate.finished(name, "build", "ok", 2.0)
    estimate.finished("d", "fetch", "ok", 100.0)
    assert estimate.seconds([], 0) == 4.0


def test_a_job_that_takes_longer_than_ever_leaves_nothing_negative() -> None:
    estimate = Estimate("build")
    estimate.plan(plan("a"), {"a": 10.0})
    assert estimate.seconds([running("a", 0)], 60) == 0.0


def test_what_builds_took_is_kept_for_the_next_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert durations_of("demo") == {}
    historian = Historian()
    historian.show(list(build_session()))
    historian.finish(255)
    assert durations_of("demo")["lib/openssl.bst"] == 47.0
    assert "app/server.bst" not in durations_of("demo")
    assert durations_of("other") == {}


@pytest.mark.parametrize("content", [b"", b"not json", b'{"demo": 3}', b"\xff"])
def test_a_broken_file_is_passed_over_and_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = Path(history_file())
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert durations_of("demo") == {}
    historian = Historian()
    historian.show(list(build_session()))
    historian.finish(0)
    assert durations_of("demo")


def test_a_cache_that_cannot_be_written_fails_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    historian = Historian()
    historian.show(list(build_session()))
    historian.finish(0)
    assert durations_of("demo") == {}
