"""A few runs of each campaign, in which nothing may be left and nothing lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..bases import base_or_skip
from ..remote.servers import find_casd
from .surroundings import REPOSITORY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

CANCELS, KILLS, STORES, FAULTS = 8, 4, 9, 5
# Seconds
CAMPAIGN_LIMIT = 380
ELEMENTS = 50


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base system; what cannot be made here is no test."""
    return base_or_skip(tmp_path_factory.mktemp("means"))


def run_campaign(name: str, directory: Path, *words: str) -> str:
    """What a campaign reports: it runs by itself, as it takes every process below it for one of the sessions'."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.faults.{name}", "--seed", "7", "--directory", str(directory), *words],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=CAMPAIGN_LIMIT,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.remote
def test_faults_between_a_session_and_its_cache_server_spoil_nothing(tmp_path: Path) -> None:
    if find_casd() is None:
        pytest.skip("buildbox-casd is not installed (GRILSE_ORACLE or GRILSE_CASD leads to it)")
    assert f"{FAULTS} runs" in run_campaign("remote", tmp_path, "--sample", str(FAULTS))


def test_sessions_that_are_interrupted_stop_and_leave_nothing(tmp_path: Path, base: Path) -> None:
    assert f"{CANCELS} runs" in run_campaign("cancel", tmp_path, "--runs", str(CANCELS))


def test_a_session_whose_processes_were_killed_loses_nothing(tmp_path: Path, base: Path) -> None:
    words = ("--runs", str(KILLS), "--elements", str(ELEMENTS))
    assert f"{KILLS} runs" in run_campaign("kill", tmp_path, *words)


def test_commands_that_were_killed_or_found_the_disk_full_lose_nothing_of_the_users(tmp_path: Path) -> None:
    assert f"{STORES} runs" in run_campaign("store", tmp_path, "--runs", str(STORES))
