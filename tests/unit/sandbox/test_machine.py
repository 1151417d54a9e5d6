"""Commands are only run for what this machine is, or for its 32-bit kin."""

from __future__ import annotations

import platform

import pytest

from grilse.sandbox import machine
from grilse.sandbox.architecture import host_architecture
from grilse.sandbox.means import Means

MEANS = Means("/usr/bin/bwrap", True)


def test_what_the_machine_is_can_be_run() -> None:
    config = {"build-os": platform.system().lower(), "build-arch": host_architecture()}
    assert machine.for_machine(MEANS, config) is MEANS
    assert machine.for_machine(MEANS, {}) is MEANS


@pytest.mark.parametrize(("key", "value"), [("build-os", "aix"), ("build-arch", "sparc-v9"), ("build-arch", "rv32g")])
def test_nothing_else_is_run_in_its_place(key: str, value: str) -> None:
    found = machine.for_machine(MEANS, {key: value})
    assert found.bwrap is None and value in found.problem


@pytest.mark.parametrize("program", ["/usr/bin/linux32", None])
def test_32_bit_kin_needs_a_personality(monkeypatch: pytest.MonkeyPatch, program: str | None) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr("shutil.which", lambda name: program)
    found = machine.for_machine(MEANS, {"build-arch": "x86-32"})
    assert found.personality == ((program,) if program else ())
    assert (found.bwrap is None) == (program is None)


def test_why_nothing_can_be_run_at_all_is_said_first() -> None:
    none = Means(None, False, "no bubblewrap")
    assert machine.for_machine(none, {"build-os": "aix"}) is none
