"""What a session's processes load and say when it has remotes, and when it has none."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ..fixtures.reapi_server import FakeRemote
from .projects import Program, until, write_project, write_waiting

pytestmark = pytest.mark.timeout(120)

LARGE = 6 << 20


@pytest.fixture
def remote() -> Iterator[FakeRemote]:
    with FakeRemote() as made:
        yield made


def configure(root: Path, text: str) -> None:
    config = root / "home" / "config"
    config.mkdir(parents=True, exist_ok=True)
    (config / "grilse.conf").write_text(text)


def with_grpc(family: list[psutil.Process]) -> dict[str, bool]:
    """Of each process, by its role and number, whether it has loaded gRPC, which is a binary of its own."""
    found = {}
    for process in family:
        words = " ".join(process.cmdline())
        role = next((role for role in ("backend", "worker") if f"/{role}/__main__.py" in words), "")
        if not role and "grilse" not in words:
            continue
        maps = Path(f"/proc/{process.pid}/maps").read_text()
        found[f"{role or 'frontend'} {process.pid}"] = "cygrpc" in maps
    return found


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="no /proc that tells what a process has loaded")
@pytest.mark.parametrize("talks", [False, True], ids=["without remotes", "with a remote"])
def test_only_processes_that_talk_load_grpc(tmp_path: Path, remote: FakeRemote, talks: bool) -> None:
    root = write_waiting(tmp_path / "p", 2)
    if talks:
        configure(root, f"artifacts:\n  servers:\n  - url: {remote.url}\n")
    program = Program(root, "build", "w0.bst", "w1.bst")
    try:
        until(lambda: (root / "0.begun").exists() and (root / "1.begun").exists())
        found = with_grpc(program.family())
        for number in range(2):
            (root / f"{number}.go").touch()
        status, _, err = program.finish()
        assert status == 0, err
    finally:
        program.close()
    roles = [name.split()[0] for name in found]
    assert "frontend" in roles and "backend" in roles and "worker" in roles
    loaded = {name.split()[0] for name, has in found.items() if has}
    assert loaded == ({"worker"} if talks else set()), found


def test_a_transfer_shows_how_far_it_is(tmp_path: Path, remote: FakeRemote) -> None:
    root = write_project(tmp_path / "p", {"e.bst": "kind: import\nsources:\n- kind: local\n  path: files\n"})
    (root / "files").mkdir()
    (root / "files" / "large").write_bytes(os.urandom(LARGE))
    configure(root, f"artifacts:\n  servers:\n  - url: {remote.url}\n    push: true\n")
    # For a second and a half, either way.
    remote.slow = LARGE / 1.5
    shown = {}
    for words in (("build", "e.bst"), ("artifact", "delete", "e.bst"), ("artifact", "pull", "e.bst")):
        program = Program(root, *words)
        try:
            status, _, err = program.finish(60)
            assert status == 0, err
            texts = [event["activity"] for event in program.events() if event["event"] == "job-progress"]
        finally:
            program.close()
        if words[0] == "artifact" and words[1] == "delete":
            for path in (root / "home" / "cache" / "buildstream" / "cas" / "objects").glob("*/*"):
                if path.stat().st_size == LARGE:
                    path.unlink()
            continue
        amounts = [re.fullmatch(r"transferring (\d+) of 6 MiB,", text) for text in texts]
        shown[words[0]] = [int(amount[1]) for amount in amounts if amount]
    pushed, pulled = shown["build"], shown["artifact"]
    assert pushed == sorted(pushed) and pulled == sorted(pulled)
    # Of what is sent the library takes some MiB ahead.
    assert pushed and pushed[-1] == 6
    assert len(set(pulled)) >= 3, shown
