"""What BuildStream's documentation says of small projects, asked of both tools: statuses, results, errors, files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.remote.servers import find_casd

from .scenarios import Scenario, check, names_of, project
from .tools import Oracle, grilse

pytestmark = [pytest.mark.oracle, pytest.mark.timeout(240)]

STACK = "kind: stack\n"
STATES = "--format '%{name} %{state}'"
KEYS = "--format '%{name} %{full-key} %{state}'"


def imports(path: str = "f", more: str = "") -> str:
    return f"kind: import\nsources: [{{kind: local, path: {path}}}]\n{more}"


def behind_junctions(conf: str = "", **more: str) -> dict[str, str]:
    """A project with two junctions, to projects of the same name unless `k` is another."""
    files = project(
        conf,
        a__bst="kind: stack\ndepends: ['j.bst:x.bst', 'k.bst:x.bst']\n",
        j__bst="kind: junction\nsources: [{kind: local, path: sub}]\n",
        k__bst="kind: junction\nsources: [{kind: local, path: other}]\n",
    )
    for folder, name in (("sub", "sub"), ("other", more.pop("k", "sub"))):
        files[f"p/{folder}/project.conf"] = f"name: {name}\nmin-version: 2.0\n"
        files[f"p/{folder}/x.bst"] = imports()
        files[f"p/{folder}/f/x"] = folder
        files[f"p/{folder}/i.yaml"] = "variables: {v: from below}\n"
    return files | more


def user_configuration() -> Iterator[Scenario]:
    files = project(a__bst=STACK)
    url = "url: 'http://localhost:1'"
    for text in (
        "{}",
        f"{{execution-service: {{{url}}}}}",
        f"{{storage-service: {{{url}}}}}",
        f"{{storage-service: {{{url}}}, execution-service: {{{url}}}}}",
        f"{{storage-service: {{{url}}}, action-cache-service: {{{url}, push: x}}}}",
        f"{{{url}}}",
    ):
        for name in ("test", "other"):
            conf = f"projects: {{{name}: {{remote-execution: {text}}}}}\n"
            yield Scenario(f"{name} {text}", files, ("show a.bst",), conf)
    for text in ("{low-watermark: '101%'}", "{quota: '10 G'}", "{reserved-disk-space: infinity}", "{nope: 1}", "[]"):
        yield Scenario(f"cache {text}", files, ("show a.bst",), f"cache: {text}\n")
    for text in ("{retry-limit: 0}", "{nope: 1}"):
        conf = f"artifacts: {{servers: [{{{url}, connection-config: {text}}}]}}\n"
        yield Scenario(f"connection {text}", files, ("show a.bst",), conf)


def project_configuration() -> Iterator[Scenario]:
    for key, value in {
        "ref-storage": "nope",
        "element-path": "elements",
        "min-version": "2.9",
        "name": "other",
        "junctions": "{nope: 1}",
        "defaults": "{targets: [b.bst]}",
    }.items():
        files = project("(@): i.yaml\n", a__bst=STACK, b__bst=STACK, i__yaml=f"{key}: {value}\n")
        yield Scenario(f"included {key}", files, (f"show {KEYS}",))
    # Where a file of refs holds something else, nothing of it is lost
    remote = "kind: import\nsources: [{kind: remote, url: 'file://{place}/file'}]\n"
    for text in ("{test: {r.bst: [{}, {ref: x}]}}", "{other: {r.bst: [{ref: a}]}}", "[]"):
        files = project("ref-storage: project.refs\n", r__bst=remote, project__refs=f"projects: {text}\n")
        track = (f"show {STATES} r.bst", "source track r.bst", f"show {STATES} r.bst")
        yield Scenario(f"refs {text}", files | {"file": "x"}, track)


def junctions() -> Iterator[Scenario]:
    show = f"show --deps all {KEYS} a.bst"
    for conf in (
        "",
        "junctions: {duplicates: {sub: [j.bst, k.bst]}}\n",
        "junctions: {duplicates: {sub: [j.bst]}}\n",
        "junctions: {internal: [k.bst]}\n",
        "junctions: {internal: [j.bst, k.bst]}\n",
        "(@): 'j.bst:i.yaml'\njunctions: {internal: [k.bst]}\n",
    ):
        yield Scenario(f"two of a name {conf.strip()}", behind_junctions(conf), (show,))
    # What is listed is looked for even where nothing is in conflict
    for conf in (
        "junctions: {internal: [nope.bst]}\n",
        "junctions: {internal: [a.bst]}\n",
        "junctions: {internal: [nope]}\n",
        "junctions: {duplicates: {nope: [j.bst], sub: [nope.bst]}}\n",
    ):
        yield Scenario(f"one of a name {conf.strip()}", behind_junctions(conf, k="other"), (show,))
    for included in ("a.bst:i.yaml", "j.bst:nope.yaml", "nope.bst:i.yaml", ":i.yaml"):
        files = behind_junctions(f"(@): '{included}'\n", k="other")
        yield Scenario(f"included by the project {included}", files, (show,))
        element = {"p/a.bst": f"kind: stack\nvariables:\n  (@): '{included}'\n"}
        yield Scenario(f"included by an element {included}", behind_junctions(k="other", **element), (show,))
    names = ("j.bst", "j.bst:x.bst", "j.bst:nope.bst", "nope.bst:x.bst", "a.bst:x.bst", ":x.bst", "j.bst:", "j.bst:*")
    yield Scenario("names", behind_junctions(k="other"), [f"show {STATES} '{name}'" for name in names])
    gone = {"p/j.bst": "kind: junction\nsources: [{kind: tar, url: 'file://{place}/none.tar', ref: aa}]\n"}
    steps = ("--network-retries 0 show a.bst", "--network-retries 0 source fetch j.bst")
    yield Scenario("not to be had", behind_junctions(k="other", **gone), steps)


def commands() -> Iterator[Scenario]:
    files = project(
        a__bst=imports("f"),
        b__bst=imports("g", "depends: [a.bst]\n"),
        c__bst="kind: compose\nbuild-depends: [b.bst]\n",
        e__bst=imports("f", "runtime-depends: [a.bst]\nbuild-depends: [b.bst]\n"),
        f_S_x="x",
        g_S_y="y",
    )
    show = f"show --deps all {STATES} e.bst"
    again = ("build e.bst", show, "artifact delete a.bst", "build e.bst", show)
    for deps in ("none", "run", "all"):
        yield Scenario(f"build.dependencies {deps}", files, again, f"build: {{dependencies: {deps}}}\n")
    for deps in ("none", "build", "run", "all"):
        steps = (f"build --deps {deps} e.bst", show, f"build --deps {deps} c.bst e.bst", show)
        yield Scenario(f"build --deps {deps}", files, steps)
    # Without names these are about nothing, whatever the default targets are
    lonely = ("artifact show", "artifact list-contents", "artifact log", "artifact delete")
    yield Scenario("artifact commands without names", files, ("build c.bst", *lonely, f"show {STATES}"))
    wrong = (
        "a",
        "test/a",
        "test/a/1",
        "test/a/nope",
        f"test/a/{'A' * 64}",
        f"x/test/a/{'a' * 64}",
        f"test/a/{'a' * 64}",
    )
    for command in ("show", "list-contents", "log", "delete", "pull", "checkout --directory o"):
        yield Scenario(f"artifact {command} names", files, [f"artifact {command} {name}" for name in wrong])
    without = (
        "artifact show '*.bst'",
        "artifact show a.bst",
        "artifact show '*'",
        "show",
        "source checkout --directory o",
    )
    yield Scenario("no project", {"p/x": ""}, without)
    checkouts = ["artifact checkout --directory '' a.bst", "artifact checkout --directory o a.bst"]
    checkouts += ["artifact checkout --directory o a.bst", "source checkout", "source checkout --directory o a.bst"]
    checkouts += ["source checkout --directory '' a.bst"]
    yield Scenario("checkouts", files, ["build a.bst", *checkouts])


def targets() -> Iterator[Scenario]:
    """What commands work on, named or not."""
    show = f"show {STATES} a.bst"
    for name, conf in {"all": "", "a junction": "defaults: {targets: [j.bst, a.bst]}\n"}.items():
        conf = f"element-path: elements\n{conf}"
        files = behind_junctions(k="other")
        # What the junctions lead to is not below the elements
        elements = {f"p/elements/{each}.bst": files.pop(f"p/{each}.bst") for each in "ajk"}
        unnamed = ("build", show, "artifact show", "artifact pull", "artifact push", "source fetch")
        yield Scenario(f"default targets {name}", files | elements | project(conf), unnamed)
    untracked = "sources: [{kind: remote, url: 'file:///none'}]\n"
    files = project(
        a__bst=imports("f"),
        b__bst=imports("f", "depends: [a.bst]\n"),
        u__bst=f"kind: import\nbuild-depends: [a.bst]\n{untracked}",
        f_S_x="x",
    )
    steps = ["build --deps build u.bst", f"show {STATES} u.bst", "build u.bst", "shell --build u.bst"]
    yield Scenario("what has no ref", files, steps)
    steps = [f"show --except {name} {STATES} b.bst" for name in ("a", "a.bst", "b.bst", "nope.bst")]
    yield Scenario("left out", files, steps, compare_places=False)
    reset = [
        f"workspace reset {names}" for names in ("a.bst", "'[ab].bst'", "nope.bst", "a", "'nope*.bst'", "b.bst a.bst")
    ]
    yield Scenario(
        "reset",
        files,
        ("workspace open a.bst b.bst", "$ echo y > a/x", *reset, "$ cat a/x", "workspace close --all"),
        compare_places=False,
    )
    yield Scenario("a pattern", files, ("build a.bst", "artifact checkout --deps none --directory o 'test/a/*'"))
    key = f"test/a/{'a' * 64}"
    steps = ["show '*.bst'", "build a", "shell", "shell a.bst", f"shell {key}", f"shell --use-buildtree {key}"]
    yield Scenario("without a project", {"p/x": ""}, [*steps, "workspace open '*.bst'", "workspace reset '*.bst'"])


def source_caches() -> Iterator[Scenario]:
    """What is in a source cache is not downloaded, by any command."""
    ref = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    remote = f"kind: import\nsources: [{{kind: remote, url: 'file://{{place}}/file', ref: {ref}}}]\n"
    caches = "{place}/home/cache/buildstream"
    lose = f"$ cd {caches}; rm -rf sources source_protos elementsources cas {{place}}/file"
    for command in ("source fetch r.bst", "build r.bst", "source checkout --directory o r.bst", "source push r.bst"):
        steps = (
            "source fetch r.bst",
            "source push r.bst",
            lose,
            f"show {STATES} r.bst",
            command,
            f"show {STATES} r.bst",
        )
        conf = "source-caches: {servers: [{url: '{server0}', push: true}]}\n"
        yield Scenario(command, project(r__bst=remote) | {"file": "hello"}, steps, conf, servers=1)
    both = project(r__bst=remote, w__bst=imports("f", "depends: [r.bst]\n"), f_S_x="x") | {"file": "hello"}
    locally = (
        "source fetch r.bst",
        "$ rm {place}/file",
        "source fetch r.bst w.bst",
        "build w.bst",
        "workspace open r.bst",
    )
    yield Scenario("fetched before", both, locally)


SCENARIOS = [*user_configuration(), *project_configuration(), *junctions(), *commands(), *targets(), *source_caches()]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=names_of(SCENARIOS))
def test_both_tools_do_the_same(oracle: Oracle, scenario: Scenario) -> None:
    if scenario.servers and find_casd() is None:
        pytest.skip("buildbox-casd is not installed")
    _, found = check(oracle, grilse(), scenario)
    assert not found, "\n".join(found)
