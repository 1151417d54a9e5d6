"""What the last session found out counts only as long as nothing that it was made from has changed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from grilse.project import snapshot
from grilse.project.api import open_session
from grilse.project.planning import Planner
from grilse.project.snapshot import Said
from grilse.protocol.requests import Invocation

CONF = """\
name: small
min-version: 2.0
element-path: elements
(@):
- include/base.yml
options:
  debug:
    type: bool
    description: More words
    default: false
    variable: debugging
plugins:
- origin: local
  path: plugins
  elements: [plain, curious]
"""
FILES = {
    "project.conf": CONF,
    "include/base.yml": "variables:\n  greeting: hello\n",
    "include/more.yml": "variables:\n  more: a\n",
    "plugins/plain.py": (
        '"""A plugin."""\nfrom buildstream import BuildElement\n\n\nclass Plain(BuildElement):\n'
        '    BST_MIN_VERSION = "2.0"\n\n\ndef setup():\n    return Plain\n'
    ),
    "plugins/plain.yaml": "config:\n  build-commands: [make]\n",
    "plugins/curious.py": (
        "import os\nfrom buildstream import Element\n\n\nclass Curious(Element):\n"
        '    BST_MIN_VERSION = "2.0"\n'
        "    def configure(self, node): pass\n"
        "    def preflight(self): pass\n"
        '    def get_unique_key(self): return os.environ.get("CURIOUS", "")\n\n\n'
        "def setup():\n    return Curious\n"
    ),
    "elements/base.bst": "kind: import\nsources:\n- kind: local\n  path: files\n",
    "elements/lib.bst": (
        "kind: plain\n(@): include/more.yml\nbuild-depends:\n- base.bst\nvariables:\n  own: '%{greeting} %{more}'\n"
        "config:\n  install-commands: ['put %{own} ']\n"
    ),
    "elements/odd.bst": "kind: curious\ndepends:\n- base.bst\n",
    "elements/app.bst": "kind: stack\ndepends:\n- lib.bst\n- odd.bst\npublic:\n  mine:\n    word: '%{greeting}'\n",
    "files/a.txt": "text\n",
}


class Small:
    """The project, and sessions on it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.directory = root / "project"
        self.config = root / "user.conf"
        self.config.write_text(f"cachedir: {root}/cache\nlogdir: {root}/logs\nsourcedir: {root}/sources\n")
        for path, text in FILES.items():
            self.write(path, text)
        # Files as young as the clock's grain are judged by their content: see the test about that.
        self.age()

    def write(self, path: str, text: str) -> None:
        target = self.directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def age(self) -> None:
        time.sleep(0.15)

    def planner(self, options: Sequence[tuple[str, str]] = (), said: list[Said] | None = None) -> Planner:
        invocation = Invocation(argv=(), directory=str(self.directory), config=str(self.config), options=tuple(options))
        session = open_session(invocation, dict(os.environ), warn=lambda message, detail: None)

        def say(kind: str, text: str, detail: str | None, element: str | None) -> None:
            if said is not None:
                said.append(Said(2, kind, text, detail, element))

        return Planner(session, say=say)

    def learn(self, options: Sequence[tuple[str, str]] = (), *, remember: bool = True) -> dict[str, Any]:
        """Load in full; what is known of each element."""
        said: list[Said] = []
        planner = self.planner(options, said)
        planner.open()
        targets = planner.load(["app.bst"])
        if remember:
            planner.remember(["app.bst"], [], targets, said, whole=True)
        planner.close()
        return facts(planner.resolver.all())

    def recall(self, options: Sequence[tuple[str, str]] = ()) -> dict[str, Any] | None:
        """What the snapshot says of each element, None if it is of no use."""
        planner = self.planner(options)
        recalled = planner.recall(["app.bst"], [], whole=True)
        planner.close()
        return None if recalled is None else facts(recalled.elements)

    def show(self, *, whole: bool) -> tuple[bool, dict[str, Any]]:
        """As `show` does, recall or else load and remember: whether it was recalled, and what every command needs."""
        planner = self.planner()
        elements: Sequence[Any] | None = getattr(planner.recall(["app.bst"], [], whole=whole), "elements", None)
        recalled = elements is not None
        if elements is None:
            planner.open()
            targets = planner.load(["app.bst"])
            planner.remember(["app.bst"], [], targets, [], whole=whole)
            elements = planner.resolver.all()
        known = {
            element.full_name: (element.kind, element.description, element.strict_key, element.sources_key())
            for element in elements
        }
        planner.close()
        return recalled, known

    def snapshots(self) -> list[Path]:
        return list((self.root / "cache" / "grilse" / "loaded").glob("*"))


def facts(elements: Sequence[Any]) -> dict[str, Any]:
    """What can be asked of elements."""
    return {
        element.full_name: {
            "keys": (element.weak_key, element.strict_key, element.cache_key),
            "sources": element.sources_key(),
            "config": element.plain_config(),
            "variables": list(element.variables().items()),
            "environment": element.environment(),
            "public": element.plain_public(),
            "unique": element.element().get_unique_key(),
            "source keys": [source.get_unique_key() for source in element.sources],
            "build": [each.full_name for each in element.build_dependencies],
            "run": [each.full_name for each in element.runtime_dependencies],
            "description": element.description,
            "kind": element.kind,
        }
        for element in elements
    }


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Small:
    monkeypatch.setenv("CURIOUS", "no")
    return Small(tmp_path)


def test_an_unchanged_project_is_recalled_as_it_was_loaded(small: Small) -> None:
    assert small.recall() is None
    learned = small.learn()
    assert small.recall() == learned


CHANGES: dict[str, Callable[[Small], object]] = {
    "element": lambda small: small.write("elements/lib.bst", FILES["elements/lib.bst"].replace("put", "set")),
    "project.conf": lambda small: small.write("project.conf", CONF + "environment:\n  A: b\n"),
    "include of the project": lambda small: small.write("include/base.yml", "variables:\n  greeting: hallo\n"),
    "include of an element": lambda small: small.write("include/more.yml", "variables:\n  more: b\n"),
    "defaults of a plugin": lambda small: small.write("plugins/plain.yaml", "config:\n  build-commands: [true]\n"),
    "new defaults of a plugin": lambda small: small.write("plugins/curious.yaml", "variables:\n  x: y\n"),
    "code of a plugin": lambda small: small.write("plugins/plain.py", FILES["plugins/plain.py"] + "# more\n"),
    "content of a source": lambda small: small.write("files/a.txt", "other\n"),
    "file of a source": lambda small: small.write("files/b.txt", "more\n"),
    "mode of a source": lambda small: (small.directory / "files/a.txt").chmod(0o755),
    "path of a source": lambda small: (
        (small.directory / "files").rename(small.directory / "moved"),
        (small.directory / "files").symlink_to("moved"),
    ),
    "user configuration": lambda small: small.config.write_text(small.config.read_text() + "build:\n  max-jobs: 3\n"),
    "missing element": lambda small: (small.directory / "elements/odd.bst").unlink(),
    "workspaces": lambda small: small.write(
        ".bst2/workspaces.yml",
        "format-version: 4\nworkspaces:\n  base.bst:\n    path: files\n    prepared: false\n",
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_makes_the_snapshot_useless(small: Small, what: str) -> None:
    small.learn()
    CHANGES[what](small)
    assert small.recall() is None


def test_what_was_loaded_after_a_change_is_recalled(small: Small) -> None:
    before = small.learn()
    CHANGES["element"](small)
    small.age()
    after = small.learn()
    assert after["app.bst"]["keys"] != before["app.bst"]["keys"]
    assert small.recall() == after


def test_each_set_of_options_has_a_snapshot_of_its_own(small: Small) -> None:
    plain = small.learn()
    debugging = small.learn([("debug", "true")])
    assert debugging != plain
    assert small.recall() == plain
    assert small.recall([("debug", "true")]) == debugging


def test_a_plugin_that_reads_the_host_is_asked_again(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    small.learn()
    assert small.recall() is not None
    monkeypatch.setenv("CURIOUS", "yes")
    assert small.recall() is None


def test_what_needs_no_configuration_keeps_none_and_is_served_by_what_does(small: Small) -> None:
    _, known = small.show(whole=False)
    [brief] = small.snapshots()
    size = brief.stat().st_size
    assert small.show(whole=False) == (True, known)
    assert small.show(whole=True) == (False, known)
    assert small.snapshots() == [brief]
    assert brief.stat().st_size > size
    assert small.show(whole=True) == (True, known)
    assert small.show(whole=False) == (True, known)


def test_all_is_kept_for_plugins_that_ask_other_elements(small: Small) -> None:
    small.write(
        "plugins/curious.py",
        FILES["plugins/curious.py"].replace(
            'return os.environ.get("CURIOUS", "")',
            'return [each.get_variable("greeting") for each in self.dependencies()]',
        ),
    )
    small.age()
    _, known = small.show(whole=False)
    assert small.show(whole=False) == (False, known)
    assert small.show(whole=False) == (True, known)


def test_a_change_that_shows_in_nothing_but_the_change_time_is_noticed(small: Small) -> None:
    small.learn()
    path = small.directory / "include/base.yml"
    status = path.stat()
    path.write_text("variables:\n  greeting: hallo\n"[: status.st_size].ljust(status.st_size, "\n"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    assert small.recall() is None


def test_a_directory_that_became_a_link_is_noticed(small: Small) -> None:
    learned = small.learn()
    assert small.recall() == learned
    # What it holds is the same, its files are the same files.
    os.rename(small.directory / "files", small.root / "moved")
    os.symlink(small.root / "moved", small.directory / "files")
    assert small.recall() is None


def test_a_project_whose_parent_became_a_link_is_noticed(small: Small) -> None:
    small.learn()
    os.rename(small.directory, small.root / "elsewhere")
    os.symlink("elsewhere", small.directory)
    assert small.recall() is None


def test_a_file_written_just_before_it_was_read_counts_by_its_content(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on a file system whose clock has stood still since.
    status = (small.directory / "include/base.yml").stat()
    monkeypatch.setattr("grilse.project.inputs.settled", lambda found, now: found.st_ino != status.st_ino)
    learned = small.learn()
    assert small.recall() == learned
    small.write("include/base.yml", "variables:\n  greeting: hallo\n")
    monkeypatch.setattr("grilse.project.inputs._same_times", lambda file, found: True)
    assert small.recall() is None


def test_a_file_that_changes_while_a_project_is_loaded_is_not_remembered(small: Small) -> None:
    planner = small.planner()
    files = planner.session.files
    files.load(str(small.directory / "include/more.yml"))
    small.write("include/more.yml", "variables:\n  more: b\n")
    planner.open()
    planner.remember(["app.bst"], [], planner.load(["app.bst"]), [], whole=True)
    assert small.snapshots() == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content[:40],
        lambda content: content[:100] + b"\x00" + content[101:],
        lambda content: content[:-3] + b"\xff\xff\xff",
        lambda content: content.replace(b"loaded %d" % snapshot.VERSION, b"loaded 0", 1),
    ],
)
def test_a_damaged_snapshot_is_none(small: Small, damage: Callable[[bytes], bytes]) -> None:
    learned = small.learn()
    (path,) = small.snapshots()
    path.write_bytes(damage(path.read_bytes()))
    assert small.recall() is None
    assert small.learn() == learned
    assert small.recall() == learned


def test_snapshots_do_not_grow_without_limit(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "MAX_FILES", 2)
    small.learn()
    for name in ("one", "two", "three"):
        small.config.write_text(small.config.read_text().split("build:")[0] + f"build:\n  max-jobs: {len(name)}\n")
        small.age()
        small.learn([("debug", "true")] if name == "two" else [])
    assert len(small.snapshots()) <= 2
    assert small.recall() is not None


def test_an_option_over_element_names_is_not_remembered(small: Small) -> None:
    small.write(
        "project.conf", CONF.replace("plugins:", "  mask:\n    type: element-mask\n    description: Some\nplugins:")
    )
    small.learn()
    assert small.recall() is None
