"""Completion: what is offered for a half-typed command line."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grilse.frontend.completion import candidates, complete, split_words
from grilse.frontend.places import artifact_names, cache_directory, element_directory, top_level_scalar


def offered(line: str, *, ours: bool = True, extra: tuple[str, ...] = ()) -> list[str]:
    words = split_words(line)
    incomplete = "" if line.endswith(" ") else words.pop()
    found = candidates(words[1:], incomplete, ours=ours, extra=extra)
    return [candidate.word + (" " if candidate.final else "") for candidate in found]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "project.conf").write_text('name: p\n"element-path": "elements" # here\n')
    (tmp_path / "elements" / "base").mkdir(parents=True)
    for name in ("app.bst", "lib.bst", "notes.txt", "base/gcc.bst"):
        (tmp_path / "elements" / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_commands_are_offered_and_those_below_them() -> None:
    assert offered("grilse artifact list") == ["list-contents "]
    assert "build " in offered("grilse ")
    assert offered("grilse --colors --on-error quit work") == ["workspace "]
    assert offered("grilse help source f") == ["fetch "]


def test_to_the_script_of_bst_only_what_bst_has_is_offered() -> None:
    assert "log " in offered("grilse ")
    assert "log " not in offered("bst ", ours=False)
    assert offered("bst --ou", ours=False) == []


def test_options_are_offered_once_unless_they_may_be_repeated() -> None:
    assert offered("grilse build --retry-failed --r") == []
    assert offered("grilse build --artifact-remote x --artifact-r") == ["--artifact-remote "]
    assert offered("grilse --no-st") == ["--no-strict "]


@pytest.mark.parametrize("line", ["grilse show --deps r", "grilse show --deps=r", "grilse show -d r"])
def test_choices_are_offered_for_an_option(line: str) -> None:
    assert offered(line) == ["run "]


def test_nothing_is_offered_where_anything_may_be_typed() -> None:
    assert offered("grilse --fetchers ") == []
    assert offered("grilse nonsense ") == []


def test_elements_are_offered_from_anywhere_in_the_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = ["app.bst ", "base/", "lib.bst "]
    assert offered("grilse build ") == expected
    assert offered("grilse build base") == ["base/gcc.bst "]
    assert offered("grilse shell --mount / /mnt a") == ["app.bst "]
    assert offered("grilse build --except l") == ["lib.bst "]
    monkeypatch.chdir(project / "elements")
    assert offered("grilse build ") == expected
    monkeypatch.chdir("/")
    assert offered(f"grilse -C {project} build ") == expected


def test_a_directory_that_is_no_project_offers_no_elements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.bst").touch()
    assert offered("grilse build ") == []


def test_directories_are_offered_where_only_directories_will_do(project: Path) -> None:
    assert offered("grilse artifact checkout --directory ") == ["elements/"]
    assert offered("grilse artifact checkout --tar ") == ["elements/", "project.conf "]


def test_cached_artifacts_are_offered_from_the_configured_cache(project: Path, tmp_path: Path) -> None:
    config = tmp_path / "user.conf"
    config.write_text(f"cachedir: {tmp_path}/cache\n")
    refs = tmp_path / "cache" / "artifacts" / "refs" / "p" / "app"
    refs.mkdir(parents=True)
    (refs / "abc").touch()
    (refs / "abd").touch()
    extra = ("--config", str(config))
    assert offered("grilse artifact log p/app/ab", extra=extra) == ["p/app/abc ", "p/app/abd "]
    # bst completes them without a space after.
    assert offered("bst artifact log p/app/ab", ours=False, extra=extra) == ["p/app/abc", "p/app/abd"]
    assert offered("grilse artifact log ap", extra=extra) == ["app.bst "]
    assert list(artifact_names(str(config), "p/app/abd")) == ["p/app/abd"]


def test_the_cache_is_found_where_the_configuration_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert cache_directory(None) == "/caches/buildstream"
    (tmp_path / "buildstream.conf").write_text("cachedir: ${XDG_CACHE_HOME}/bst\n")
    assert cache_directory(None) == "/caches/bst"
    (tmp_path / "grilse.conf").write_text("# nothing\n")
    assert cache_directory(None) == "/caches/buildstream"


def test_strange_configuration_offers_less_and_raises_nothing(tmp_path: Path) -> None:
    path = tmp_path / "project.conf"
    path.write_bytes(b"\xff\xfe\x00: [\nelement-path: 'open\n")
    assert top_level_scalar(str(path), "element-path") is None
    assert element_directory(str(tmp_path)) == str(tmp_path)
    assert element_directory(str(tmp_path / "nowhere")) is None


@given(st.lists(st.text(min_size=1, max_size=8).filter(str.isprintable), max_size=5))
def test_words_are_split_as_a_shell_does(words: list[str]) -> None:
    assert split_words(shlex.join(words)) == words


@given(st.text(max_size=30))
def test_any_line_can_be_completed(line: str) -> None:
    words = split_words(line)
    candidates(words, "", ours=True)
    candidates(words, line, ours=False)


def test_shells_get_the_form_they_read(capsys: pytest.CaptureFixture[str]) -> None:
    words = {"COMP_WORDS": "grilse artifact list", "COMP_CWORD": "2"}
    assert complete({**words, "_GRILSE_COMPLETE": "zsh_complete"}, []) == 0
    assert capsys.readouterr().out == "list-contents \nList the files of artifacts\n"
    fish = {"_GRILSE_COMPLETE": "fish_complete", "COMP_WORDS": "grilse artifact list", "COMP_CWORD": "list"}
    complete(fish, [])
    assert capsys.readouterr().out == "list-contents\tList the files of artifacts\n"
    complete({"_BST_COMPLETION": "complete", **words}, [])
    assert capsys.readouterr().out == "list-contents \n"


@pytest.mark.skipif(not os.path.exists("/bin/bash"), reason="there is no bash")
def test_bash_completes_with_the_printed_script(project: Path) -> None:
    source = str(Path(__file__).parents[3] / "src")
    script = f"""
grilse() {{ {shlex.quote(sys.executable)} -m grilse "$@"; }}
eval "$(grilse completion bash)"
COMP_WORDS=(grilse build l) COMP_CWORD=2
_grilse_complete grilse
printf '<%s>' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        text=True,
        timeout=15,
        check=True,
    )
    assert done.stdout == "<lib.bst >"


def test_sessions_are_offered_the_newest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("20260101-000000-a", "20260102-000000-b"):
        (tmp_path / "grilse" / "sessions" / name).mkdir(parents=True)
        (tmp_path / "grilse" / "sessions" / name / "events.jsonl").touch()
    assert offered("grilse log show 2026") == ["20260102-000000-b ", "20260101-000000-a "]
