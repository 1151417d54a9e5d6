"""A cache whose content is kept by a storage service (`cache: storage-service`), through real processes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..fixtures.reapi_server import FakeRemote
from .projects import run, write_project

pytestmark = pytest.mark.timeout(120)

ELEMENTS = {
    "one.bst": "kind: import\nsources:\n- kind: local\n  path: files/one\n",
    "two.bst": "kind: import\nsources:\n- kind: local\n  path: files/two\n",
    "all.bst": "kind: compose\nbuild-depends: [one.bst, two.bst]\nconfig:\n  integrate: false\n",
}


@pytest.fixture
def service() -> Iterator[FakeRemote]:
    with FakeRemote() as made:
        yield made


def write(root: Path, service: FakeRemote, more: str = "") -> Path:
    for name in ("one", "two"):
        folder = root / "files" / name / "share"
        folder.mkdir(parents=True)
        (folder / name).write_text(f"content of {name}\n" * 100)
    write_project(root, ELEMENTS)
    config = root / "home" / "config"
    config.mkdir(parents=True)
    (config / "grilse.conf").write_text(
        f"cache:\n  storage-service:\n    url: {service.url}\n    connection-config: {{request-timeout: 1, "
        f"retry-limit: 0}}\n{more}"
    )
    return root


def states(root: Path) -> dict[str, str]:
    status, out, err = run(root, "show", "--deps", "all", "--format", "%{name} %{state}", "all.bst")
    assert status == 0, err
    return dict(line.split(" ", 1) for line in out.splitlines())  # type: ignore[misc]


def lose_content(root: Path) -> None:
    shutil.rmtree(root / "home" / "cache" / "buildstream" / "cas")


def test_what_is_only_there_counts_as_cached_and_comes_when_it_is_read(tmp_path: Path, service: FakeRemote) -> None:
    root = write(tmp_path, service)
    assert run(root, "build", "all.bst")[0] == 0
    lose_content(root)
    assert set(states(root).values()) == {"cached"}
    # To know that takes directories, not content.
    objects = root / "home" / "cache" / "buildstream" / "cas" / "objects"
    assert not [path for path in objects.rglob("*") if path.is_file() and path.read_bytes().startswith(b"content of")]
    status, _, err = run(root, "build", "all.bst")
    assert status == 0
    assert "Caching artifact" not in err
    status, _, err = run(root, "artifact", "checkout", "all.bst", "--directory", str(root / "out"))
    assert status == 0, err
    assert (root / "out" / "share" / "one").read_text() == "content of one\n" * 100
    lose_content(root)
    status, out, err = run(root, "artifact", "log", "one.bst")
    assert status == 0, err
    assert "Caching artifact" in out
    status, out, err = run(root, "artifact", "list-contents", "all.bst")
    assert status == 0, err
    assert "share/two" in out


def test_what_is_there_goes_on_to_another_cache(tmp_path: Path, service: FakeRemote) -> None:
    root = write(tmp_path, service)
    assert run(root, "build", "all.bst")[0] == 0
    lose_content(root)
    with FakeRemote() as other:
        status, _, err = run(root, "artifact", "push", "--artifact-remote", other.url, "all.bst")
        assert status == 0, err
        assert b"content of one\n" * 100 in other.blobs.values()


def test_what_the_service_has_lost_is_built_again(tmp_path: Path, service: FakeRemote) -> None:
    root = write(tmp_path, service)
    assert run(root, "build", "all.bst")[0] == 0
    lose_content(root)
    for digest in [digest for digest, data in service.blobs.items() if data.startswith(b"content of two")]:
        del service.blobs[digest]
    assert states(root) == {"one.bst": "cached", "two.bst": "buildable", "all.bst": "waiting"}
    status, _, err = run(root, "build", "all.bst")
    assert status == 0, err
    assert set(states(root).values()) == {"cached"}


def test_a_cache_with_little_room_keeps_its_records(tmp_path: Path, service: FakeRemote) -> None:
    root = write(tmp_path, service)
    assert run(root, "build", "all.bst")[0] == 0
    (root / "home" / "config" / "grilse.conf").write_text(
        f"cache:\n  quota: 1K\n  storage-service:\n    url: {service.url}\n"
    )
    assert run(root, "cache", "prune")[0] == 0
    status, out, _ = run(root, "cache", "check")
    assert status == 0, out
    assert set(states(root).values()) == {"cached"}


@pytest.mark.parametrize("fault", ["silent", "gone", "full"])
def test_a_service_that_fails_costs_a_warning_and_no_build(tmp_path: Path, service: FakeRemote, fault: str) -> None:
    root = write(tmp_path, service)
    if fault == "silent":
        service.hanging |= {"GetCapabilities", "FindMissingBlobs", "BatchUpdateBlobs", "BatchReadBlobs", "GetTree"}
    elif fault == "gone":
        service.close()
    else:
        service.refuse = 8
    status, _, err = run(root, "build", "all.bst")
    assert status == 0, err
    assert "WARNING" in err
    # All of it is here, then.
    status, _, err = run(root, "artifact", "checkout", "all.bst", "--directory", str(root / "out"))
    assert status == 0, err
    assert (root / "out" / "share" / "one").exists()
    if fault == "silent":
        # One word of it each session, and not one for each element.
        assert err.count("does not answer") <= 1
