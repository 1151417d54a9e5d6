"""`grilse doctor` lists everything that it looked at, the dead included, and what to do about each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ..fixtures.reapi_server import FakeRemote
from .projects import run, write_project

pytestmark = pytest.mark.timeout(60)


def configure(root: Path, text: str) -> None:
    config = root / "home" / "config"
    config.mkdir(parents=True, exist_ok=True)
    (config / "grilse.conf").write_text(text)


def findings(root: Path) -> tuple[int, dict[str, Any]]:
    status, out, err = run(root, "--output", "json", "doctor")
    assert out, err
    return status, {finding["subject"]: finding for finding in json.loads(out)["result"]}


@pytest.mark.parametrize("in_project", [True, False])
def test_every_remote_is_listed_whatever_it_is_for(tmp_path: Path, in_project: bool) -> None:
    if in_project:
        write_project(tmp_path, {})
    with FakeRemote() as alive, FakeRemote() as silent, FakeRemote() as closed, FakeRemote() as full:
        with FakeRemote() as gone:
            pass
        silent.hanging.add("GetCapabilities")
        closed.token = "secret"
        full.refuse = 8
        alive.batch_limit = 2 << 20
        servers = "".join(
            f"  - url: {remote.url}\n    push: true\n    connection-config: {{request-timeout: 1, retry-limit: 0}}\n"
            for remote in (alive, silent, closed, gone)
        )
        configure(
            tmp_path,
            f"artifacts:\n  servers:\n{servers}"
            f"source-caches:\n  servers:\n  - url: {alive.url}\n    push: true\n"
            "    connection-config: {request-timeout: 1, retry-limit: 0}\n"
            f"cache:\n  storage-service:\n    url: {full.url}\n",
        )
        status, found = findings(tmp_path)
    assert status == 1
    good = found[f"remote {alive.url}"]
    assert good["state"] == "ok", good
    for word in ("artifacts", "sources", " ms", "read", "write", "push", "batches of 2.0 MiB"):
        assert word in good["text"], word
    for remote, problem, remedy in (
        (silent, "DEADLINE_EXCEEDED", "does not answer"),
        (closed, "UNAUTHENTICATED", "access-token"),
        (gone, "UNAVAILABLE", "Is the service running"),
        (full, "RESOURCE_EXHAUSTED", "no room"),
    ):
        bad = found[f"remote {remote.url}"]
        assert bad["state"] == "problem"
        assert problem in bad["text"]
        assert remedy in bad["remedy"]
    assert "storage service of the cache" in found[f"remote {full.url}"]["text"]


def test_this_machine_is_looked_at_too(tmp_path: Path) -> None:
    write_project(tmp_path, {})
    _, found = findings(tmp_path)
    assert {"cache", "disk", "sandbox", "clock", "terminal", "git", "remotes"} <= set(found)
    assert found["cache"]["state"] == "ok"
    assert all(finding["remedy"] for finding in found.values() if finding["state"] != "ok")


def test_remote_execution_needs_a_service_that_runs_actions(tmp_path: Path) -> None:
    write_project(tmp_path, {})
    with FakeRemote() as content, FakeRemote() as other:
        configure(
            tmp_path,
            "remote-execution:\n"
            f"  execution-service: {{url: '{other.url}'}}\n  storage-service: {{url: '{content.url}'}}\n",
        )
        status, found = findings(tmp_path)
    assert status == 1
    assert "does not run actions" in found[f"remote {other.url}"]["text"]
    assert found[f"remote {content.url}"]["state"] == "ok"
    assert "write" in found[f"remote {content.url}"]["text"]
