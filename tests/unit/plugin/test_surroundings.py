"""What plugins change of their process is put back, or said."""

from __future__ import annotations

import _thread
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from grilse.platform.files import umask
from grilse.plugin.surroundings import Surroundings, keeping_umask, undisturbed
from grilse.protocol.trail import TRAIL, Trail, read_trail

CHANGES: dict[str, Callable[[], object]] = {
    "directory": lambda: os.chdir("/"),
    "umask": lambda: os.umask(0o700),
    "environment": lambda: os.environ.update(STAIN="1"),
    "path": lambda: sys.path.append("/nowhere"),
    "depth": lambda: sys.setrecursionlimit(sys.getrecursionlimit() + 7),
    "streams": lambda: setattr(sys, "excepthook", None),
    "names": lambda: setattr(sys.modules["builtins"], "stain", 1),
    "process": lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_can_be_put_back_is_put_back(what: str) -> None:
    before = Surroundings.take()
    CHANGES[what]()
    changed = Surroundings.take()
    assert getattr(changed, what) != getattr(before, what)
    assert before.restore() == []
    after = Surroundings.take()
    assert getattr(after, what) == getattr(before, what)


def test_a_mask_is_put_back_even_if_the_plugin_fails() -> None:
    before = umask()
    with pytest.raises(KeyError), keeping_umask():
        os.umask(0o777)
        raise KeyError
    assert umask() == before


def test_masks_and_timers_are_put_back() -> None:
    with undisturbed():
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        signal.setitimer(signal.ITIMER_REAL, 3600.0)
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0.0


def test_logging_is_as_at_first() -> None:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        with undisturbed():
            root.addHandler(logging.NullHandler())
            root.setLevel(1)
            logging.disable()
        assert (root.handlers, root.level, root.manager.disable) == ([], logging.WARNING, 0)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


@pytest.mark.parametrize("known", [True, False])
def test_threads_that_go_on_are_said(known: bool) -> None:
    begun, end, ended = threading.Event(), threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        end.wait()
        ended.set()

    before = Surroundings.take()
    if known:
        threading.Thread(target=wait, daemon=True).start()
    else:
        _thread.start_new_thread(wait, ())
    begun.wait()
    assert before.restore() == ["threads"]
    end.set()
    ended.wait()


def test_many_open_files_are_said(tmp_path: Path) -> None:
    before = Surroundings.take()
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(200)]
    assert before.restore() == ["open files"]
    for number in opened:
        os.close(number)
    assert before.restore() == []


def test_the_last_line_of_a_trail_is_kept(tmp_path: Path) -> None:
    assert read_trail(str(tmp_path)) == ""
    trail = Trail(str(tmp_path / TRAIL))
    assert read_trail(str(tmp_path)) == ""
    trail.note("x" * 5000)
    assert read_trail(str(tmp_path)) == "x" * 1023
    trail.note("the plugin 'ä'")
    assert read_trail(str(tmp_path)) == "the plugin 'ä'"
    trail.note("")
    assert read_trail(str(tmp_path)) == ""


def test_a_trail_that_cannot_be_written_is_none(tmp_path: Path) -> None:
    Trail(str(tmp_path / "nowhere" / TRAIL)).note("x")
