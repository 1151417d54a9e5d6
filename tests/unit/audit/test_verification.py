"""Proposed states are tried in a really spawned interpreter, and what resolves only here is found out there."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import textwrap
import threading
import types
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from grilse.audit import Cause, Stage, audit

from . import corpus
from .corpus import Box, Record, SlottedPrivately


class Messenger:
    """Holds a lock and a handler beside what it needs."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.local = threading.local()
        self.handler = lambda: 0
        self.module = types
        self.names = ["a", "b"]


class Context:
    """Holds messengers."""

    def __init__(self) -> None:
        self.messenger = Messenger()
        self.others = [Messenger(), {"one": Messenger()}]
        self.settings = {"depth": 3}


class Frozen:
    """Cannot be assigned to."""

    def __init__(self) -> None:
        self.__dict__.update(lock=threading.Lock(), value=1)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("frozen")


class NeedsNew:
    """Cannot be made without an argument, and only says so when it is made."""

    def __new__(cls, *values: int) -> NeedsNew:
        if not values:
            raise TypeError("made of nothing")
        return object.__new__(cls)

    def __init__(self, value: int) -> None:
        self.lock = threading.Lock()


def _proposals(report: Any) -> dict[str, Any]:
    return {proposal.cls.rpartition(".")[2]: proposal for proposal in report.proposals}


def test_proposed_states_load_in_a_spawned_interpreter_and_are_equal_there() -> None:
    report = audit(Context(), name="context")
    assert {blocker.cause for blocker in report.blockers} >= {Cause.LOCK, Cause.THREAD_LOCAL, Cause.MODULE}
    (proposal,) = report.proposals
    assert proposal.cls.endswith("Messenger")
    assert proposal.verified, proposal.detail
    assert {change.name for change in proposal.changes} == {"lock", "local", "handler", "module"}
    assert proposal.kept == ("names",)
    assert proposal.bytes is not None
    assert proposal.load_us is not None


def test_the_sketch_is_the_code_that_was_verified() -> None:
    (proposal,) = audit(Context()).proposals
    space: dict[str, Any] = {}
    exec(proposal.sketch, space)
    sketched = space["Messenger"]
    state = sketched.__getstate__(Messenger())
    assert state == {"names": ["a", "b"]}
    made = object.__new__(Messenger)
    sketched.__setstate__(made, state)
    assert made.names == ["a", "b"]
    assert type(made.lock) is type(threading.RLock())
    assert made.module is types
    pickle.dumps(state)


def test_slots_and_frozen_classes_get_a_state_that_works() -> None:
    report = audit([SlottedPrivately(threading.Lock()), Frozen()])
    proposals = _proposals(report)
    assert proposals["SlottedPrivately"].verified, proposals["SlottedPrivately"].detail
    assert proposals["Frozen"].verified, proposals["Frozen"].detail


def test_a_state_that_cannot_be_loaded_is_not_called_verified() -> None:
    report = audit([NeedsNew(1)])
    proposal = _proposals(report)["NeedsNew"]
    assert not proposal.verified
    assert "cannot be loaded" in proposal.detail


def test_a_class_that_says_itself_how_it_is_pickled_is_not_called_verified() -> None:
    report = audit([corpus.Chosen(threading.Lock(), 1)])
    assert all(not proposal.verified and proposal.detail for proposal in report.proposals)


def test_a_generated_module_is_found_missing_in_the_spawned_interpreter() -> None:
    module = types.ModuleType("made_up_at_run_time")
    exec("class Plugin:\n    pass\n", module.__dict__)
    sys.modules["made_up_at_run_time"] = module
    try:
        plugin = module.Plugin()
        report = audit({"plugin": plugin}, name="r")
    finally:
        del sys.modules["made_up_at_run_time"]
    assert report.picklable is True
    assert report.crosses is False
    (blocker,) = report.blockers
    assert (blocker.path, blocker.cause, blocker.stage) == ("r['plugin']", Cause.CLASS_NOT_IMPORTABLE, Stage.LOAD)
    (cost,) = [cost for cost in report.classes if cost.name.startswith("made_up")]
    assert cost.found_after_spawn is False


def test_a_holder_of_what_is_missing_there_gets_a_state_without_it() -> None:
    module = types.ModuleType("made_up_at_run_time")
    exec("class Plugin:\n    pass\n", module.__dict__)
    sys.modules["made_up_at_run_time"] = module
    try:
        report = audit(Record("holder", module.Plugin()))
    finally:
        del sys.modules["made_up_at_run_time"]
    (proposal,) = report.proposals
    assert proposal.verified, proposal.detail
    assert [change.name for change in proposal.changes] == ["value"]


def test_a_class_of_the_main_script_is_found_missing_in_the_spawned_interpreter(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            from grilse.audit import audit

            class Mine:
                pass

            report = audit([Mine()], name="r")
            assert report.picklable is True, report
            assert report.crosses is False, report
            print(report.blockers[0].path, report.blockers[0].reason)
            """
        )
    )
    home = Path(corpus.audit_home())
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("r[0] not found in a spawned interpreter")


def test_a_class_that_loads_here_but_not_there_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORPUS_REFUSES_TO_LOAD", "1")
    report = audit([corpus.LoadsWhereAllowed()], name="r")
    assert report.picklable is True
    assert report.crosses is False
    assert "cannot be loaded" in report.blockers[0].reason


def test_loading_is_timed_there() -> None:
    report = audit([Box(x=number) for number in range(1000)])
    assert report.crosses is True
    assert report.load_us is not None
    assert report.first_load_us is not None
    assert all(cost.found_after_spawn for cost in report.classes)


def test_a_corpus_of_everything_gives_verified_states_only_where_they_load() -> None:
    with ExitStack() as stack:
        report = audit(corpus._all_at_once(stack))
    assert report.proposals
    assert all(proposal.verified for proposal in report.proposals)
