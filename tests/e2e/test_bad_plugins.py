"""Whatever a plugin does, its job fails or succeeds with clear words, its worker is clean or replaced, and the build
goes on as the policy says; what it does while the project loads is a clear error too.
"""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .bad_project import Bench, sleepers
from .projects import alive, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

# After these the job has failed, with words about the exception
RAISING = {
    "raise": "raised KeyError: 'no such key'",
    "raise-nonsense": "raised Unexpected: unexpected",
    "raise-unprintable": "raised Unprintable, which cannot be put into words",
    "keyboard-interrupt": "raised KeyboardInterrupt",
    "sys-exit": "raised SystemExit: 3",
    "sys-exit-0": "raised SystemExit",
    "recursion": "raised RecursionError",
}
# After these the worker is dead, with words about how
DEADLY = {
    "os-exit": "exited with status 3",
    "os-exit-0": "exited with status 0",
    "kill": "signal 9 (SIGKILL)",
    "segfault": "signal 11 (SIGSEGV)",
    "abort": "signal 6 (SIGABRT)",
    "close-all": "exited with status",
}
# These change the process, which can be put right
MESSY = ["shout", "cwd", "cwd-gone", "umask", "environment", "signals", "interpreter"]
# After these the worker is replaced
STAINING = ["thread", "raw-thread", "children", "close-streams"]
NONSENSE = ["object", "number", "set", "bytes", "list", "class"]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "p")
    yield made
    made.close()


def test_a_build_goes_on_whatever_its_plugins_do(bench: Bench) -> None:
    before = {one.pid for one in sleepers()}
    names = {}
    for do in (*RAISING, *DEADLY, *MESSY, *STAINING, "use-up-descriptors"):
        names[do] = bench.element(do, at="assemble", do=do)
    nonsense = {give: bench.element(f"gives-{give}", at="assemble", give=give) for give in NONSENSE}
    good = [bench.element(f"good{index}") for index in range(4)]
    status, out, err = bench.run("build", *names.values(), *nonsense.values(), *good)
    assert (status, out) == (255, "")
    failures = bench.failures()
    place = str(bench.root / "plugins")
    for do, words in (RAISING | DEADLY).items():
        failure = failures.pop(names[do])
        message = failure["message"]
        assert words in message and "the plugin 'wicked'" in message and place in message, message
        assert failure["domain"] == "PLUGIN"
        assert failure["where"].startswith(names[do])
        if do in RAISING:
            assert "in assemble" in failure["detail"]
    for give, name in nonsense.items():
        message = failures.pop(name)["message"]
        assert "assemble() of the plugin 'wicked' should return" in message, (give, message)
    assert "Too many open files" in failures.pop(names["use-up-descriptors"])["message"]
    assert failures == {}
    assert bench.succeeded() == {*good, *(names[do] for do in (*MESSY, *STAINING))}
    for report in bench.reports():
        found = {key: value for key, value in report.items() if key not in ("pid", "name")}
        assert found == {
            "umask": "18",
            "cwd": str(bench.root),
            "stain": "None",
            "path": "True",
            "signals": "True",
            "null": "True",
        }, report
    order = bench.reports()
    for index, report in enumerate(order):
        if report["name"].removesuffix(".bst") in (*STAINING, "use-up-descriptors"):
            assert report["pid"] not in {later["pid"] for later in order[index + 1 :]}, report["name"]
    assert {one.pid for one in sleepers()} <= before
    assert "not a message" not in err


def test_workers_are_kept_where_they_can_be_cleaned(bench: Bench) -> None:
    (bench.root / "home").mkdir()
    names = [bench.element(do, at="assemble", do=do) for do in (*MESSY, "raise", "sys-exit")]
    settings = bench.root / "user.conf"
    settings.write_text("scheduler:\n  builders: 1\n")
    bench.run("--config", str(settings), "build", *names)
    assert len({report["pid"] for report in bench.reports()}) == 1


def test_the_mask_of_a_plugin_is_not_that_of_the_cache(bench: Bench) -> None:
    assert (
        bench.run(
            "build", bench.element("umask", at="assemble", do="umask"), bench.source("s", at="stage", do="umask")
        )[0]
        == 0
    )
    directories = [path for path in (bench.root / "home").rglob("*") if path.is_dir() and not path.is_symlink()]
    assert directories and all(path.stat().st_mode & 0o700 == 0o700 for path in directories)


def test_what_plugins_print_is_in_the_log_of_the_job(bench: Bench) -> None:
    name = bench.element("loud", at="assemble", do="shout")
    status, _, _ = bench.run("build", name)
    assert status == 0
    status, out, _ = bench.run("artifact", "log", name)
    lines = out.splitlines()
    for text in ("printed to stdout", "printed to stderr", "written to 1", "written to 2", "by a child"):
        assert text in lines
    assert lines.count("{not a message}") == 2000


def test_a_build_ends_at_the_first_bad_plugin_where_that_is_wanted(bench: Bench) -> None:
    names = [bench.element(do, at="assemble", do=do) for do in ("raise", "os-exit")]
    settings = bench.root / "user.conf"
    settings.write_text("scheduler:\n  builders: 1\n")
    bench.run("--config", str(settings), "--on-error", "quit", "build", *names)
    assert len(bench.failures()) == 1


@pytest.mark.parametrize("at", ["configure_sandbox", "stage", "assemble"])
def test_each_method_of_an_element_may_fail(bench: Bench, at: str) -> None:
    names = [bench.element(f"{at}-{do}", at=at, do=do) for do in ("raise", "sys-exit", "os-exit")]
    good = bench.element("good")
    assert bench.run("build", *names, good)[0] == 255
    failures = bench.failures()
    assert set(failures) == set(names)
    assert all("the plugin 'wicked'" in failure["message"] for failure in failures.values())
    assert f"in {at}" in failures[names[0]]["detail"]
    assert bench.succeeded() == {good}


@pytest.mark.parametrize("at", ["fetch", "stage", "track"])
def test_each_method_of_a_source_may_fail(bench: Bench, at: str) -> None:
    names = [bench.source(f"{at}-{do}", at=at, do=do) for do in ("raise", "sys-exit", "os-exit", "segfault")]
    good = [bench.source(f"good-{do}", at=at, do=do) for do in ("nothing", "shout", "cwd", "children")]
    words = ("source", "track") if at == "track" else ("build",)
    status, out, _ = bench.run(*words, *names, *good)
    assert (status, out) == (255, "")
    failures = bench.failures()
    assert set(failures) == set(names)
    for name, failure in failures.items():
        assert "the plugin 'wicked_source'" in failure["message"], failure["message"]
        assert failure["where"].startswith(name)
    assert bench.succeeded() == set(good)


def test_what_track_gives_must_be_a_ref(bench: Bench) -> None:
    names = [bench.source(f"gives-{give}", at="track", give=give) for give in NONSENSE if give != "number"]
    assert bench.run("source", "track", *names)[0] == 255
    failures = bench.failures()
    assert set(failures) == set(names)
    assert all("track() of the plugin 'wicked_source'" in failure["message"] for failure in failures.values())


@pytest.mark.parametrize("do", ["hang", "spin", "deaf", "hang-in-c"])
@pytest.mark.parametrize("at", ["configure", "assemble"])
def test_whatever_hangs_can_be_stopped(bench: Bench, do: str, at: str) -> None:
    mark = bench.root / "hangs"
    program = bench.start("build", bench.element(do, at=at, do=do, hangs=str(mark)))
    until(mark.exists)
    family = program.family()
    started = time.monotonic()
    program.process.send_signal(signal.SIGINT)
    status, _, err = program.finish(timeout=20)
    assert status == 255
    # The grace of a job is two seconds, that of the backend three
    assert time.monotonic() - started < 6.0
    until(lambda: not alive(family), timeout=5.0)
    assert "Traceback" not in err
    if (do, at) == ("hang-in-c", "configure"):
        assert f"the plugin 'wicked' of {do}.bst [line 1 column 0]" in err


@pytest.mark.parametrize("do", list(RAISING))
def test_exceptions_while_the_project_loads_are_told_with_plugin_and_place(bench: Bench, do: str) -> None:
    status, out, err = bench.run("show", bench.element(do, at="configure", do=do))
    assert (status, out) == (255, "")
    assert f"{do}.bst [line 1 column 0]: The plugin 'wicked' ({bench.root}/plugins/_misdeeds.py, line " in err
    assert RAISING[do] in err
    assert "grilse/" not in re.sub(r"^\[.*$", "", err, flags=re.MULTILINE), "our own calls are of no use to a user"


@pytest.mark.parametrize("at", ["configure_dependencies", "preflight", "get_unique_key"])
def test_each_method_that_loading_calls_may_fail(bench: Bench, at: str) -> None:
    for do in ("raise", "sys-exit"):
        status, _, err = bench.run("show", bench.element(at, at=at, do=do))
        assert status == 255
        assert f"{at}.bst [line 1 column 0]: The plugin 'wicked'" in err
        assert RAISING[do] in err
        assert f"in {at}" in err


@pytest.mark.parametrize("at", ["configure", "preflight", "get_unique_key", "is_resolved", "is_cached"])
def test_each_method_of_a_source_that_loading_calls_may_fail(bench: Bench, at: str) -> None:
    status, _, err = bench.run("show", bench.source(at, at=at, do="raise"))
    assert status == 255
    assert "wicked_source" in err
    assert "raised KeyError: 'no such key'" in err


@pytest.mark.parametrize("give", ["object", "list", "class"])
def test_a_unique_key_must_be_plain_data(bench: Bench, give: str) -> None:
    for name in (bench.element("e", at="get_unique_key", give=give), bench.source("s", at="get_unique_key", give=give)):
        status, _, err = bench.run("show", name)
        assert status == 255
        assert re.search(rf"{name} \[.*\]: get_unique_key\(\) of the plugin 'wicked\w*' should give plain data", err)


@pytest.mark.parametrize(
    ("do", "how"),
    [
        ("os-exit", "ended with exit status 3"),
        ("os-exit-0", "ended with exit status 0"),
        ("kill", "was killed by SIGKILL"),
        ("segfault", "was killed by SIGSEGV"),
        ("abort", "was killed by SIGABRT"),
    ],
)
def test_a_plugin_that_ends_the_backend_is_named(bench: Bench, do: str, how: str) -> None:
    status, out, err = bench.run("show", bench.element(do, at="configure", do=do))
    assert (status, out) == (255, "")
    assert f"The backend {how} when it had called the plugin 'wicked' of {do}.bst [line 1 column 0]" in err
    status, _, err = bench.run("show", bench.source(do, at="configure", do=do))
    assert status == 255
    assert f"The backend {how} when it had called the plugin 'wicked_source' of {do}.bst [line 3 column 2]" in err


def test_a_mess_made_while_the_project_loads_reaches_neither_results_nor_jobs(bench: Bench) -> None:
    before = {one.pid for one in sleepers()}
    # These leave those that are configured after them no PATH, no print(), no time and no output
    alone = ("environment", "interpreter", "signals", "close-streams")
    together = [do for do in (*MESSY, "thread", "children", "close-streams") if do not in alone]
    for group in (together, *([do] for do in alone)):
        names = [bench.element(do, at="configure", do=do, only="backend") for do in group]
        status, out, err = bench.run("show", "--deps", "none", "--format", "%{name}", *names)
        assert (status, sorted(out.split())) == (0, sorted(names)), err
        status, out, err = bench.run("build", *names)
        assert (status, out) == (0, ""), err
    for report in bench.reports():
        assert (report["umask"], report["cwd"], report["stain"], report["path"], report["signals"]) == (
            "18",
            str(bench.root),
            "None",
            "True",
            "True",
        )
    assert {one.pid for one in sleepers()} <= before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("raise SystemExit('no')\n", "Failed to load element plugin 'broken': SystemExit: no"),
        ("import nothing_of_that_name\n", "No module named 'nothing_of_that_name'"),
        ("def setup(:\n", "invalid syntax"),
        ("def setup():\n    raise KeyError('gone')\n", "KeyError: 'gone'"),
        ("def setup():\n    raise SystemExit\n", "SystemExit"),
        ("def setup(argument):\n    return None\n", "without arguments"),
        ("def setup():\n    return 42\n", "should return a class, not 42"),
        ("setup = None\n", "setup"),
    ],
)
def test_a_module_that_is_no_plugin_is_refused(bench: Bench, text: str, words: str) -> None:
    (bench.root / "plugins" / "broken.py").write_text(text)
    conf = bench.root / "project.conf"
    conf.write_text(conf.read_text().replace("[wicked]", "[wicked, broken]"))
    (bench.root / "elements" / "e.bst").write_text("kind: broken\n")
    status, out, err = bench.run("show", "e.bst")
    assert (status, out) == (255, "")
    assert words in err
    assert "e.bst [line 1 column 0]" in err and str(bench.root / "plugins" / "broken.py") in err
