"""The tool that makes a base system, on packages made up here: no network, no package lists."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"
sys.path.insert(0, str(TOOLS))

import make_base_system  # noqa: E402

sys.path.remove(str(TOOLS))


def package_tar(entries: list[tuple[tarfile.TarInfo, bytes]]) -> tarfile.TarFile:
    """An open archive as dpkg-deb writes it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info, content in entries:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    buffer.seek(0)
    return tarfile.open(fileobj=buffer, mode="r|")


def entry(name: str, kind: bytes = tarfile.REGTYPE, *, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, mode
    return info


def unpacked(entries: list[tuple[tarfile.TarInfo, bytes]], root: Path) -> None:
    with package_tar(entries) as archive:
        for member in archive:
            make_base_system.unpack_member(archive, member, root)


def test_packages_are_unpacked_into_a_merged_usr_without_what_is_not_needed(tmp_path: Path) -> None:
    unpacked(
        [
            (entry("./bin", tarfile.DIRTYPE), b""),
            (entry("./bin/sed", mode=0o4755), b"program"),
            (entry("./usr/bin/other", tarfile.SYMTYPE, link="sed"), b""),
            (entry("./bin/hard", tarfile.LNKTYPE, link="./bin/sed"), b""),
            (entry("./usr/share/doc/sed/README"), b"text"),
            (entry("./dev/null", tarfile.CHRTYPE), b""),
            (entry("./lib64", tarfile.SYMTYPE, link="usr/lib64"), b""),
        ],
        tmp_path,
    )
    make_base_system.finish(tmp_path)
    assert (tmp_path / "usr/bin/sed").read_bytes() == (tmp_path / "usr/bin/hard").read_bytes() == b"program"
    assert (tmp_path / "usr/bin/sed").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "usr/bin/sed").stat().st_nlink == 1
    assert os.readlink(tmp_path / "usr/bin/other") == "sed"
    assert os.readlink(tmp_path / "bin") == "usr/bin"
    assert not (tmp_path / "usr/share/doc/sed").exists()
    assert not (tmp_path / "dev/null").exists()
    assert not (tmp_path / "lib64").is_symlink()


def test_a_package_cannot_put_anything_outside_of_the_tree(tmp_path: Path) -> None:
    with pytest.raises(make_base_system.MakeFailed, match="outside"):
        unpacked([(entry("./usr/../../outside"), b"x")], tmp_path / "root")
    assert not (tmp_path / "outside").exists()


def test_a_damaged_package_is_not_what_the_lists_name(tmp_path: Path) -> None:
    (tmp_path / "p.deb").write_bytes(b"content")
    good = "SHA256:ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
    assert make_base_system.matches(tmp_path / "p.deb", make_base_system.Package("p.deb", good))
    assert not make_base_system.matches(tmp_path / "p.deb", make_base_system.Package("p.deb", good[:-1] + "0"))
    assert not make_base_system.matches(tmp_path / "q.deb", make_base_system.Package("q.deb", good))


def test_without_apt_the_status_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(TOOLS / "make-base-system"), str(tmp_path / "base"), "--cache", str(tmp_path / "cache")],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == make_base_system.UNSUPPORTED
    assert "apt-get" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="stands in for apt-get with a shell script")
def test_the_same_packages_are_unpacked_once_and_a_failure_leaves_the_old_tree(tmp_path: Path) -> None:
    programs, cache, output = tmp_path / "bin", tmp_path / "cache", tmp_path / "base"
    programs.mkdir()
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        info = entry("./bin/tool", mode=0o755)
        info.size = 4
        archive.addfile(info, io.BytesIO(b"tool"))
    (tmp_path / "p.deb").write_bytes(content.getvalue())
    import hashlib

    hash = hashlib.sha256(content.getvalue()).hexdigest()
    shell = shutil.which("sh")
    apt = f"""#!{shell}
case "$*" in
  *print-uris*) echo "'http://nowhere/p.deb' p.deb 1 SHA256:{hash}" ;;
  *download-only*) echo fetched >> {tmp_path}/fetched; cp {tmp_path}/p.deb {cache}/archives/ ;;
esac
"""
    (programs / "apt-get").write_text(apt)
    (programs / "dpkg-deb").write_text(f'#!{shell}\ncat "$2"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{programs}:{before}"
    try:
        assert make_base_system.make(output, ["p"], cache)
        assert (output / "usr/bin/tool").read_text() == "tool"
        assert not make_base_system.make(output, ["p"], cache)
        # Another recipe, and a download that is not what the lists say
        stamp = output.with_name(".base.json")
        stamp.write_text(json.dumps({}))
        (cache / "archives/p.deb").write_text("damaged")
        (tmp_path / "p.deb").write_text("damaged, too")
        with pytest.raises(make_base_system.MakeFailed, match=r"p\.deb"):
            make_base_system.make(output, ["p"], cache)
        assert (output / "usr/bin/tool").read_text() == "tool"
        assert (tmp_path / "fetched").read_text().split() == ["fetched", "fetched"]
    finally:
        os.environ["PATH"] = before
