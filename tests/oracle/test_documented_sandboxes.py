"""What BuildStream's documentation says of building, shells, splitting and workspaces, asked of both tools."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from grilse.sandbox.means import find_means

from .base_system import make_base_system
from .scenarios import Scenario, check, names_of, project
from .tools import Oracle, grilse

pytestmark = [pytest.mark.oracle, pytest.mark.timeout(300)]

PROGRAMS = ("sh", "cat", "cp", "env", "id", "ls", "ln", "mkdir", "rm", "test", "touch", "true", "uname")
CHECKOUT = "artifact checkout --directory"
STATES = "--format '%{name} %{state}'"


def manual(commands: list[str], more: str = "", needs: str = "[base.bst]") -> str:
    lines = "".join(f"  - {command!r}\n" for command in commands)
    return f"kind: manual\nbuild-depends: {needs}\n{more}config:\n  install-commands:\n{lines}"


def scenario(name: str, files: dict[str, str], *steps: str, conf: str = "") -> Scenario:
    """A scenario with the base system as an element; it is no part of what is compared."""
    conf = f"variables: {{strip-binaries: ''}}\n{conf}"
    base = {"base__bst": "kind: import\nsources: [{kind: local, path: base}]\n"}
    return Scenario(name, project(conf, **base, **files), ('$ cp -a "$BASE" base', *steps, "$ rm -rf base"))


def machines() -> Iterator[Scenario]:
    for config in ("build-arch: aarch64", "build-os: AIX", "build-arch: x86-32", "build-uid: 7, build-gid: 8"):
        files = {
            "a__bst": manual(["(uname -m; id -u; id -g) > %{install-root}/x"], f"sandbox: {{{config}}}\n"),
            "b__bst": f"kind: import\nsandbox: {{{config}}}\nsources: [{{kind: local, path: f}}]\n",
            "c__bst": f"kind: manual\nsandbox: {{{config}}}\nconfig: {{install-commands: ['true']}}\n",
            "f_S_x": "x",
        }
        yield scenario(config, files, "build b.bst", "build c.bst", "build a.bst", f"{CHECKOUT} o a.bst")


def splitting() -> Iterator[Scenario]:
    made = [
        "mkdir -p %{install-root}%{bindir} %{install-root}%{includedir} %{install-root}/odd",
        "touch %{install-root}%{bindir}/tool %{install-root}%{includedir}/h.h %{install-root}/odd/file",
    ]
    public = "public: {bst: {integration-commands: ['echo ran > /ran'], split-rules: {odd: [/odd, /odd/**]}}}\n"
    whole = manual(made, public)
    for config in ("{include: [odd]}", "{exclude: [devel]}", "{include: [runtime], include-orphans: True}"):
        for passing in ("", ", pass-integration: True"):
            files = {
                "l__bst": whole,
                "a__bst": f"kind: filter\nbuild-depends: [l.bst]\nconfig: {config[:-1]}{passing}}}\n",
                "s__bst": "kind: stack\ndepends: [base.bst, a.bst]\n",
                "m__bst": manual(["ls / > %{install-root}/listed"], needs="[base.bst, a.bst]"),
            }
            steps = ["build s.bst m.bst", "artifact list-contents a.bst", f"{CHECKOUT} o m.bst"]
            # What is integrated is what the artifact says, whoever stages it
            steps += [f"{CHECKOUT} o1 a.bst", f"{CHECKOUT} o2 --deps none a.bst", f"{CHECKOUT} o3 --no-integrate a.bst"]
            yield scenario(f"filter {config}{passing}", files, *steps)
        files = {"l__bst": whole, "a__bst": f"kind: compose\nbuild-depends: [base.bst, l.bst]\nconfig: {config}\n"}
        yield scenario(f"compose {config}", files, "build a.bst", "artifact list-contents a.bst")


def shells() -> Iterator[Scenario]:
    files = {
        "a__bst": manual(["true"], "runtime-depends: [base.bst]\nenvironment: {FOO: bar}\n"),
        "bad__bst": manual(["exit 5"], "runtime-depends: [base.bst]\n"),
        "lonely__bst": manual(["exit 5"]),
    }
    show = "shell a.bst -- sh -c 'echo $FOO $PS1 $SHENV; exit 3'"
    steps = [show, "build a.bst", "build bad.bst", "build lonely.bst", show, show.replace("a.bst", "--isolate a.bst")]
    steps += [f"shell {name} -- echo {name}" for name in ("bad.bst", "lonely.bst", "--build bad.bst", "base.bst")]
    yield scenario("shell", files, *steps, conf="shell: {environment: {SHENV: 'x${NOPE}y'}}\n")


def workspaces() -> Iterator[Scenario]:
    files = {
        "a__bst": "kind: import\nsources: [{kind: local, path: f}]\n",
        "u__bst": "kind: import\nsources: [{kind: remote, url: 'file://{place}/none'}]\n",
        "n__bst": "kind: stack\n",
        "f_S_x": "x",
    }
    opened = [f"workspace open --directory w{number} {name}.bst" for number, name in enumerate("unaa")]
    steps = [
        *opened,
        "workspace open --no-checkout --directory w9 u.bst",
        "workspace list",
        f"show {STATES} a.bst u.bst",
    ]
    steps += ["build a.bst", "$ echo y > w2/x", "build a.bst", f"{CHECKOUT} o a.bst", "workspace close --all"]
    yield scenario("workspaces", files, *steps)
    # A build goes on in what the last one left, also where that failed, unless the workspace was reset
    log = ["echo configured >> log", "echo built >> log; test ! -e fail", "cp log %{install-root}"]
    commands = "".join(f"  {step}-commands: [{text!r}]\n" for step, text in zip(("configure", "build", "install"), log))
    local = "sources: [{kind: local, path: f}]\n"
    files = {"m__bst": f"kind: manual\nbuild-depends: [base.bst]\n{local}config:\n{commands}", "f_S_x": "x"}
    steps = ["workspace open --directory w m.bst"]
    changes = ("true", "echo 1 > w/x", "touch w/fail", "rm w/fail", "echo 2 > w/x")
    for number, change in enumerate(changes):
        steps += [f"$ {change}", "build m.bst", f"{CHECKOUT} o{number} --deps none m.bst"]
    steps += ["workspace reset --soft m.bst", "build m.bst", "$ echo 3 > w/x", "build m.bst"]
    steps += [f"{CHECKOUT} o9 --deps none m.bst", "workspace close --remove-dir m.bst"]
    yield scenario("workspaces built again", files, *steps)


def overlaps() -> Iterator[Scenario]:
    """Whitelists of what is staged elsewhere than at the root."""
    for whitelisted in ("/d/x", "/in/d/x"):
        public = f"public: {{bst: {{overlap-whitelist: ['{whitelisted}']}}}}\n"
        needs = ", ".join(f"{{filename: {name}.bst, config: {{location: /in}}}}" for name in "bc")
        files = {
            "a__bst": manual(["cat /in/d/x > %{install-root}/x"], needs=f"[base.bst, {needs}]"),
            "b__bst": "kind: import\nsources: [{kind: local, path: b}]\n" + public,
            "c__bst": "kind: import\nsources: [{kind: local, path: c}]\n" + public,
            "b_S_d_S_x": "b",
            "c_S_d_S_x": "c",
        }
        yield scenario(f"whitelist {whitelisted}", files, "build a.bst", conf="fatal-warnings: [overlaps]\n")


def places() -> Iterator[Scenario]:
    """Where commands run and what they may write to."""
    see = "(pwd; echo $PWD; ls -a /tmp .; touch made /tmp/other; ls -a /tmp .) > %{install-root}/seen"
    source = "sources: [{kind: local, path: f}]\n"
    for variables in ("build-root: /b//c/", "command-subdir: ../x", "build-root: /tmp/b", "install-root: /tmp/i"):
        files = {"a__bst": manual([see], f"variables: {{{variables}}}\n{source}"), "f_S_x": "x"}
        yield scenario(variables, files, "build a.bst", f"{CHECKOUT} o a.bst")
    files = {"a__bst": manual(["echo x > /x"], "variables: {install-root: /}\n")}
    yield scenario("read-only root", files, "build a.bst")
    # What artifacts have in /tmp is seen, changed and kept like anything else; otherwise it is empty and forgotten
    integration = (
        "public: {bst: {integration-commands: ['ls -aR /tmp > /seen; echo left > /tmp/left; rm /tmp/gone']}}\n"
    )
    listing = "ls -aR /tmp > %{install-root}/seen; cat /seen >> %{install-root}/seen; rm -f /tmp/d/x; touch /tmp/x"
    files = {
        "t__bst": f"kind: import\nsources: [{{kind: local, path: t}}]\n{integration}",
        "a__bst": manual([listing], needs="[base.bst, t.bst]"),
        "b__bst": f"kind: script\nbuild-depends: [base.bst, t.bst]\nvariables: {{install-root: /tmp}}\n"
        f"config: {{commands: ['{listing}']}}\n",
        "c__bst": "kind: compose\nbuild-depends: [base.bst, t.bst]\nconfig: {exclude: [devel]}\n",
        **{f"t_S_tmp_S_{name}": name for name in ("gone", "kept", "d_S_x")},
    }
    steps = ["build a.bst b.bst c.bst", *(f"{CHECKOUT} {name} --no-integrate {name}.bst" for name in "abc")]
    yield scenario("what artifacts have in /tmp", files, *steps)


SCENARIOS = [*machines(), *splitting(), *shells(), *workspaces(), *overlaps(), *places()]


@pytest.fixture(scope="module")
def base_system(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base system that scenarios copy."""
    place = tmp_path_factory.mktemp("base")
    means = find_means(str(place / "means"))
    if means.bwrap is None:
        pytest.skip(f"no sandbox: {means.problem}")
    make_base_system(place / "base", PROGRAMS)
    return place / "base"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=names_of(SCENARIOS))
def test_both_tools_do_the_same(
    oracle: Oracle, scenario: Scenario, base_system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASE", str(base_system))
    _, found = check(oracle, grilse(), scenario)
    # BuildStream has no job where a shell or a checkout fails, or where a failure is only told again
    found = [difference for difference in found if "job's error: bst None" not in difference]
    assert not found, "\n".join(found)
