"""Commands in real sandboxes, on overlays and on copies."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from grilse.protocol.errors import SandboxError
from grilse.sandbox.means import Means
from grilse.sandbox.scratch import Scratch, sweep
from grilse.sandbox.session import Session
from grilse.sandbox.spec import STAGED_MTIME, Command, HostMount, SandboxRun
from grilse.sandbox.workshop import Workshop
from grilse.storage.digest import Digest
from grilse.storage.store import Store

from .conftest import Tree, get, put

pytestmark = [pytest.mark.sandbox, pytest.mark.skipif(os.name != "posix", reason="no sandbox: not a POSIX system")]

_ENVIRONMENT = {"PATH": "/usr/bin:/bin"}
_WRITABLE = ("/build", "/install")


def shell(script: str, **options: object) -> Command:
    """A command that runs a script in ``/build``, the rest of the root read-only unless told otherwise."""
    given = {"cwd": "/build", "environment": _ENVIRONMENT, "writable": _WRITABLE, **options}
    return Command(("sh", "-ec", script), **given)  # type: ignore[arg-type]


@pytest.fixture
def session(workshop: Workshop, root: Digest) -> Iterator[Session]:
    with workshop.session([root]) as session:
        session.stage(root)
        yield session


class Log:
    """A file that commands write to."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b")
        self.fileno = self._file.fileno()

    def text(self) -> str:
        self._file.seek(0)
        text = self._file.read().decode()
        self._file.seek(0)
        self._file.truncate()
        return text

    def close(self) -> None:
        self._file.close()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    log = Log(tmp_path / "log")
    yield log
    log.close()


def test_the_status_of_a_command_is_its_own(session: Session, log: Log) -> None:
    assert session.run(shell("exit 0"), stdout=log.fileno) == 0
    assert session.run(shell("exit 42"), stdout=log.fileno) == 42
    assert session.run(shell("kill -TERM $$"), stdout=log.fileno) == 128 + signal.SIGTERM


def test_a_command_sees_its_environment_and_nothing_of_the_hosts(
    session: Session, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_HOST", "1")
    environment = {**_ENVIRONMENT, "LD_LIBRARY_PATH": "/nowhere", "EMPTY": "", "TEXT": "a b\nc"}
    assert session.run(Command(("env",), "/etc", environment), stdout=log.fileno) == 0
    assert sorted(log.text().splitlines()) == sorted(
        ["PATH=/usr/bin:/bin", "LD_LIBRARY_PATH=/nowhere", "EMPTY=", "TEXT=a b", "c", "PWD=/etc"]
    )


def test_a_command_is_root_on_a_machine_of_its_own(session: Session, log: Log) -> None:
    script = "id -u; id -g; hostname; cat /proc/net/dev | grep -c :; grep -E 'CapBnd|CapEff' /proc/self/status; umask"
    assert session.run(shell(script), stdout=log.fileno) == 0
    umask = os.umask(0)
    os.umask(umask)
    assert log.text().split() == (["0", "0", "buildbox", "1", "CapEff:", "0" * 16, "CapBnd:", "0" * 16, f"{umask:04o}"])


def test_a_command_gets_the_user_that_was_asked_for(session: Session, log: Log) -> None:
    assert session.run(shell("id -u; id -g; stat -c %u .", uid=1234, gid=2345), stdout=log.fileno) == 0
    assert log.text().split() == ["1234", "2345", "1234"]


def test_a_command_gets_no_descriptors_but_the_three(session: Session, log: Log) -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    try:
        assert session.run(shell("ls /proc/self/fd; readlink /proc/self/fd/0"), stdout=log.fileno) == 0
    finally:
        os.close(reading)
        os.close(writing)
    # The fourth is the directory being listed.
    assert log.text().split() == ["0", "1", "2", "3", "/dev/null"]


def test_dev_proc_and_tmp_are_there_and_not_captured(session: Session, log: Log) -> None:
    script = "echo a > /tmp/a; echo b > /dev/null; echo c > /dev/shm/c; ls /dev; test -c /dev/zero; cat /proc/1/comm"
    assert session.run(shell(script, writable=None), stdout=log.fileno) == 0
    shown = log.text().split()
    assert {"null", "zero", "full", "random", "urandom", "tty", "pts", "ptmx", "shm", "fd", "stdin"} <= set(shown)
    assert shown[-1] == "bwrap"
    captured = get(session._stacks.store, session.capture("/tmp"))
    assert captured == {}


@pytest.mark.parametrize("writable", [None, _WRITABLE])
def test_a_tmp_with_something_in_it_is_the_roots_own_and_writable(
    workshop: Workshop, store: Store, tools: Tree, log: Log, writable: tuple[str, ...] | None
) -> None:
    root = put(store, {**tools, "tmp": {"old": "old", "gone": "gone"}})
    with workshop.session([root]) as session:
        session.stage(root)
        script = "cat /tmp/old; echo new > /tmp/new; rm /tmp/gone; touch /etc/x 2> /dev/null || echo no"
        assert session.run(shell(script, writable=writable), stdout=log.fileno) == 0
        assert log.text().split() == (["old"] if writable is None else ["oldno"])
        assert get(store, session.capture("/tmp")) == {"old": "old", "new": "new\n"}


def test_naming_the_root_does_not_make_it_writable(session: Session, log: Log) -> None:
    assert session.run(shell("touch /x", writable=("/",), cwd="/"), stdout=log.fileno) != 0
    assert "x" not in session._stacks.store.listing(session.capture("/")).nodes


def test_what_is_staged_shows_the_times_and_modes_of_bst(session: Session, log: Log) -> None:
    script = "stat -c '%Y %a %F' / /etc /etc/motd /usr/bin/env"
    assert session.run(shell(script, writable=None), stdout=log.fileno) == 0
    assert log.text().splitlines() == [
        f"{STAGED_MTIME} 755 directory",
        f"{STAGED_MTIME} 755 directory",
        f"{STAGED_MTIME} 644 regular file",
        f"{STAGED_MTIME} 755 regular file",
    ]


def test_only_writable_directories_can_be_written_to_and_files_can_be_linked_between_them(
    session: Session, log: Log
) -> None:
    script = """
        echo x > f; ln f /install/linked; mkdir d; mv d /install/moved
        for path in /new /etc/new /usr/bin/new; do ! touch $path || exit 9; done
        ! rm /etc/motd && ! chmod 777 /etc/motd && ! mkdir /directory && ! mv /etc /other && ! mv /build /other
        stat -c %h /install/linked
    """
    assert session.run(shell(script), stdout=log.fileno) == 0
    assert log.text().splitlines()[-1] == "2"
    assert get(session._stacks.store, session.capture("/install")) == {"linked": "x\n", "moved": {}}
    assert session.run(shell("touch /new /etc/new; stat -c %a /", writable=None), stdout=log.fileno) == 0
    assert log.text().splitlines()[-1] == "755"


def test_many_neighbours_of_a_writable_directory_are_protected_too(
    workshop: Workshop, store: Store, tools: Tree, log: Log
) -> None:
    full: Tree = {f"f{number}": "" for number in range(300)}
    root = put(store, {**tools, "opt": {**full, "w": {}}})
    with workshop.session([root]) as session:
        session.stage(root)
        script = "touch /opt/w/new; ! touch /opt/new && ! touch /opt/f1 && ! touch /new"
        assert session.run(shell(script, cwd="/", writable=("/opt/w",)), stdout=log.fileno) == 0
        assert get(store, session.capture("/opt/w")) == {"new": ""}


def test_changes_to_the_root_are_captured_whatever_kind_they_are(
    workshop: Workshop, store: Store, tools: Tree, log: Log
) -> None:
    tree: Tree = {
        "gone": {"a": "1"},
        "emptied": {"a": "1", "b": {"c": "2"}},
        "replaced": {"a": "1"},
        "file": "1",
        "mode": "1",
        "link": ("->", "file"),
        "renamed": {"a": {"b": "1"}},
        "touched": "1",
        "kept": {"deep": {"er": "1"}},
        "appended": "1",
    }
    layers = [put(store, tools), put(store, {"t": tree})]
    root = put(store, {**tools, "t": {**tree, "patched": {"p": "1", "q": "2"}}})
    script = """
        cd /t; rm -r gone; rm -r emptied/*; rm -r replaced; echo 2 > replaced; rm file; mkdir file; echo 3 > file/f
        chmod 755 mode; rm link; ln -s kept link; mv renamed new; touch touched; echo 4 > kept/n; echo 5 >> appended
        rm patched/p; rm -r /etc; mkdir /etc; mkfifo /etc/fifo
    """
    with workshop.session(layers) as session:
        session.stage(root)
        assert session.run(shell(script, writable=None), stdout=log.fileno) == 0, log.text()
        captured = get_text(store, session.capture("/"))
    expected: Tree = {
        "emptied": {},
        "replaced": "2\n",
        "file": {"f": "3\n"},
        "mode": ("x", "1"),
        "link": ("->", "kept"),
        "new": {"a": {"b": "1"}},
        "touched": "1",
        "kept": {"deep": {"er": "1"}, "n": "4\n"},
        "appended": "15\n",
        "patched": {"q": "2"},
    }
    assert captured["t"] == expected
    assert captured["etc"] == {}


def get_text(store: Store, digest: Digest) -> Tree:
    """As `get`, leaving out what holds programs."""
    from grilse.storage.messages import DirectoryNode

    return {
        name: get(store, node.digest)
        for name, node in store.listing(digest).nodes.items()
        if isinstance(node, DirectoryNode) and name not in ("usr", "lib", "lib64", "bin")
    }


def test_commands_of_a_session_see_what_earlier_ones_did_and_files_can_be_read_between(
    session: Session, log: Log
) -> None:
    assert session.run(shell("echo one > f"), stdout=log.fileno) == 0
    assert session.read("/build/f") == b"one\n"
    assert session.read("/etc/motd") == b"hello\n"
    with pytest.raises(SandboxError, match="no file '/build/g'"):
        session.read("/build/g")
    assert session.run(shell("cat f; echo two > f"), stdout=log.fileno) == 0
    assert session.read("/build/f") == b"two\n"


def test_a_root_can_be_staged_anew_over_what_commands_did(
    workshop: Workshop, store: Store, tools: Tree, log: Log
) -> None:
    base = put(store, tools)
    with workshop.session([base]) as session:
        session.stage(base)
        assert session.run(shell("rm /etc/motd; echo a > /made; mkdir /d", writable=None), stdout=log.fileno) == 0
        session.stage(put(store, {**tools, "etc": {"other": "2"}, "src": {"f": "3"}}))
        script = "cat /etc/* /src/f; ! ls /made || exit 9; ! ls -d /d || exit 9; rename() { mv /src /src2; }; rename"
        assert session.run(shell(script, writable=None), stdout=log.fileno) == 0, log.text()
        assert log.text().startswith("23")


def test_a_session_that_captured_its_root_runs_on_it_as_if_it_had_been_staged(session: Session, log: Log) -> None:
    assert session.run(shell("echo a > f; chmod 600 f; mkfifo p"), stdout=log.fileno) == 0
    session.capture("/build")
    assert session.run(shell("ls; stat -c '%Y %a' f"), stdout=log.fileno) == 0
    assert log.text().split() == ["f", str(STAGED_MTIME), "644"]


def test_times_are_captured_when_asked_for(session: Session, log: Log) -> None:
    assert session.run(shell("touch -d '2001-02-03 04:05:06.123456789 UTC' f"), stdout=log.fileno) == 0
    node = session._stacks.store.listing(session.capture("/build", mtimes=True)).nodes["f"]
    assert node.mtime == 981173106_123456000  # type: ignore[union-attr]


def test_a_missing_command_is_named_and_nothing_runs(session: Session, log: Log) -> None:
    for argv in (("nothing",), ("/usr/bin/nothing",), ("./relative",)):
        with pytest.raises(SandboxError, match=argv[0]) as caught:
            session.run(Command(argv, "/", _ENVIRONMENT), stdout=log.fileno)
        assert caught.value.reason == "missing-command"
    assert log.text() == ""


def test_a_program_that_the_kernel_refuses_is_an_orderly_error(workshop: Workshop, store: Store, log: Log) -> None:
    root = put(store, {"bin": {"sh": ("x", "not a program")}})
    with workshop.session([root]) as session:
        session.stage(root)
        with pytest.raises(SandboxError) as caught:
            session.run(Command(("sh",), "/", {"PATH": "/bin"}), stdout=log.fileno)
    assert caught.value.reason == "sandbox-setup-failed"
    assert "sh" in log.text()


def test_a_directory_that_is_a_file_in_the_root_is_an_orderly_error(session: Session, log: Log) -> None:
    with pytest.raises(SandboxError, match="/etc/motd"):
        session.run(shell("true", cwd="/etc/motd"), stdout=log.fileno)
    with pytest.raises(SandboxError, match="/etc/motd"):
        session.run(shell("true", cwd="/etc/motd/below"), stdout=log.fileno)


def test_files_and_directories_of_the_host_are_shown(session: Session, log: Log, tmp_path: Path) -> None:
    (tmp_path / "host").mkdir()
    (tmp_path / "host/f").write_text("of the host")
    mounts = (
        HostMount("/mnt/d", str(tmp_path / "host")),
        HostMount("/mnt/deep/f", str(tmp_path / "host/f"), read_only=True),
    )
    script = "cat /mnt/d/f /mnt/deep/f; echo new > /mnt/d/g; ! echo new > /mnt/deep/f"
    assert session.run(shell(script, mounts=mounts), stdout=log.fileno) == 0
    assert log.text().startswith("of the hostof the host")
    assert (tmp_path / "host/g").read_text() == "new\n"


def test_stdout_and_stderr_can_go_apart(session: Session, tmp_path: Path) -> None:
    out, err = Log(tmp_path / "out"), Log(tmp_path / "err")
    assert session.run(shell("echo out; echo err >&2"), stdout=out.fileno, stderr=err.fileno) == 0
    assert (out.text(), err.text()) == ("out\n", "err\n")
    out.close()
    err.close()


_LEAVE_CHILDREN = "(trap '' TERM HUP; sleep 1000) & (sleep 1000 &) ; echo ready > /build/ready; wait"


def test_killing_a_session_kills_everything_in_it_at_once(session: Session, log: Log) -> None:
    killed = threading.Event()
    pids: list[int] = []

    def kill(pid: int) -> None:
        pids.append(pid)

        def soon() -> None:
            while not session.view.find("/build/ready") and not killed.wait(0.01):
                pass
            pids.extend(_inside(pid))
            session.kill()

        threading.Thread(target=soon).start()

    with pytest.raises(SandboxError) as caught:
        session.run(shell(_LEAVE_CHILDREN), stdout=log.fileno, started=kill)
    killed.set()
    assert caught.value.reason == "sandbox-killed"
    assert len(pids) >= 4
    _await_death(pids)


def test_a_command_whose_start_cannot_be_told_does_not_run_on(session: Session, log: Log) -> None:
    pids: list[int] = []

    def fail(pid: int) -> None:
        pids.append(pid)
        while not session.view.find("/build/ready"):
            pass
        pids.extend(_inside(pid))
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        session.run(shell(_LEAVE_CHILDREN), stdout=log.fileno, started=fail)
    assert len(pids) >= 4
    _await_death(pids)


def _inside(pid: int) -> list[int]:
    """All descendants of a process."""
    found: list[int] = []
    todo = [pid]
    while todo:
        parent = todo.pop()
        children = [int(word) for word in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
        found += children
        todo += children
    return found


def _await_death(pids: list[int]) -> None:
    """Wait until none of the processes exists; the test's time-out is the limit."""
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        import select

        select.select([descriptor], [], [])
        os.close(descriptor)


_OWNER = """
import os, sys
sys.path.insert(0, sys.argv[1])
from grilse.sandbox.means import Means
from grilse.sandbox.spec import Command
from grilse.sandbox.workshop import Workshop
from grilse.storage.digest import parse_digest
from grilse.storage.store import Store
cachedir, root, overlay, script = sys.argv[2:]
workshop = Workshop(Store(cachedir), cachedir + "/grilse", Means("/usr/bin/bwrap", overlay == "1"))
session = workshop.session([parse_digest(root)])
session.stage(parse_digest(root))
session.run(Command(("sh", "-c", script), "/build", {"PATH": "/usr/bin"}), stdout=1)
"""


def test_a_sandbox_dies_with_its_owner_and_the_next_one_sweeps_what_it_left(
    workshop: Workshop, store: Store, root: Digest
) -> None:
    import sys

    import grilse

    bwrap = workshop.means().bwrap
    assert bwrap is not None
    script = _OWNER.replace("/usr/bin/bwrap", bwrap)
    source = os.path.dirname(os.path.dirname(grilse.__file__))
    arguments = [source, store.cachedir, str(root), str(int(workshop.means().overlay)), "echo up; " + _LEAVE_CHILDREN]
    with subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"up\n"
        left = list(Path(workshop.trees.scratch_parent).iterdir())
        assert left
        pids = _inside(owner.pid)
        assert len(pids) >= 3
        owner.kill()
        # The pipe ends when the last process that could write to it is dead.
        assert owner.stdout.read() == b""
        _await_death(pids)
    with workshop.session([root]):
        assert not any(path.exists() for path in left)


def test_a_swept_directory_is_never_one_in_use(tmp_path: Path) -> None:
    parent = str(tmp_path / "sandbox")
    mine = Scratch(parent)
    os.mkdir(os.path.join(mine.path, "closed"), 0)
    assert sweep(parent) == 0
    assert os.path.isdir(mine.path)
    mine.close()
    assert os.listdir(parent) == []


def test_nothing_is_left_of_a_session_that_was_closed(workshop: Workshop, root: Digest, log: Log) -> None:
    with workshop.session([root]) as session:
        session.stage(root)
        script = "mkdir d e; touch d/f; chmod 0 d; chmod 500 e"
        assert session.run(shell(script), stdout=log.fileno) == 0
    assert os.listdir(workshop.trees.scratch_parent) == []


def test_a_whole_job_gives_its_outputs(workshop: Workshop, store: Store, root: Digest, log: Log) -> None:
    commands = (shell("echo 1 > f; ln f /install/g"), shell("exit 3"), shell("echo never"))
    run = SandboxRun(root, commands, ("/build", "/install", "/nowhere"), (root,))
    outcome = workshop.execute(run, stdout=log.fileno)
    assert (outcome.status, outcome.ran) == (3, 2)
    assert {path: get(store, digest) for path, digest in outcome.outputs.items()} == {
        "/build": {"f": "1\n"},
        "/install": {"g": "1\n"},
    }
    assert log.text() == ""


def test_another_process_can_run_a_command_on_its_own_terminal(session: Session) -> None:
    import pty

    with session.launch(shell("test -t 0; echo from a terminal", interactive=True)) as launch:
        parent, child = pty.openpty()
        process = subprocess.Popen(launch.argv, env=launch.environment, stdin=child, stdout=child, stderr=child)
        os.close(child)
        assert process.wait() == 0
        assert os.read(parent, 100) == b"from a terminal\r\n"
        os.close(parent)


def test_without_bubblewrap_staging_and_capturing_work_and_running_says_what_to_do(
    store: Store, root: Digest, log: Log
) -> None:
    workshop = Workshop(store, store.cachedir + "/grilse", Means(None, False, "bubblewrap is not installed"))
    with workshop.session([root]) as session:
        session.stage(root)
        with pytest.raises(SandboxError, match="bubblewrap is not installed") as caught:
            session.run(shell("true"), stdout=log.fileno)
        assert caught.value.reason == "unavailable-local-sandbox"
        assert session.capture("/") == root


def test_hundreds_of_artifacts_are_staged_on_one_another(
    workshop: Workshop, store: Store, tools: Tree, log: Log
) -> None:
    layers: list[Tree] = [tools, *({"many": {f"f{number}": "1", "last": str(number)}} for number in range(420))]
    root = put(store, {**tools, "many": {**{f"f{number}": "1" for number in range(420)}, "last": "419"}})
    with workshop.session([put(store, tree) for tree in layers]) as session:
        session.stage(root)
        script = "cat /many/last; echo; ls /many | grep -c .; cat /many/f0 /many/f419; echo new > /many/f7"
        assert session.run(shell(script, writable=None), stdout=log.fileno) == 0, log.text()
        assert log.text().split() == ["419", "421", "11"]
        assert session.read("/many/f7") == b"new\n"


def test_two_sessions_on_the_same_artifacts_do_not_see_each_other(
    workshop: Workshop, store: Store, root: Digest, log: Log
) -> None:
    with workshop.session([root]) as first, workshop.session([root]) as second:
        for session in (first, second):
            session.stage(root)
        assert first.run(shell("echo 1 > /etc/motd; rm /usr/bin/env", writable=None), stdout=log.fileno) == 0
        assert second.run(shell("cat /etc/motd; env | grep -c PWD", writable=None), stdout=log.fileno) == 0
        assert log.text().split() == ["hello", "1"]
        assert second.capture("/etc") == first._stacks.store.listing(root).nodes["etc"].digest  # type: ignore[union-attr]


def test_what_works_is_tried_out_once(tmp_path: Path, means: Means, monkeypatch: pytest.MonkeyPatch) -> None:
    from grilse.sandbox import means as module

    if means.bwrap is None:
        pytest.skip(f"no sandbox: {means.problem}")
    assert module.find_means(str(tmp_path)) == means
    monkeypatch.setattr(module, "_try_out", lambda *_: Means("another", False))
    assert module.find_means(str(tmp_path)) == means
    module.forget_means(str(tmp_path))
    assert module.find_means(str(tmp_path)) == Means("another", False)


def test_where_an_upper_layer_cannot_be_marked_roots_are_copies(
    tmp_path: Path, means: Means, monkeypatch: pytest.MonkeyPatch
) -> None:
    from grilse.sandbox.means import find_means

    if means.bwrap is None:
        pytest.skip(f"no sandbox: {means.problem}")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "setxattr", refuse)
    assert find_means(str(tmp_path)) == Means(means.bwrap, False)


def test_a_missing_bubblewrap_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from grilse.sandbox.means import find_means

    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_means(str(tmp_path / "d")) == Means(None, False, "bubblewrap is not installed (program 'bwrap')")


def test_a_bubblewrap_that_fails_is_told_with_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from grilse.sandbox.means import find_means

    (tmp_path / "bwrap").write_text("#!/bin/sh\necho 'No permissions to create new namespace' >&2\nexit 1\n")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    means = find_means(str(tmp_path / "d"))
    assert means.bwrap is None
    assert "No permissions" in means.problem
