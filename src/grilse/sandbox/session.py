"""A staged root on which commands run one after the other, and from which directories are captured.

Brings together layers, upper directory, processes and capture; knows nothing of elements.  One session is used by one
thread at a time; only `Session.kill` may be called from another.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType

from grilse.protocol.errors import SandboxError
from grilse.sandbox import bubblewrap, enter, process
from grilse.sandbox.capture import Capture
from grilse.sandbox.fill import Filler, Known
from grilse.sandbox.means import Means
from grilse.sandbox.places import make_places, protect
from grilse.sandbox.scratch import Scratch
from grilse.sandbox.spec import Command, Launch
from grilse.sandbox.stack import Stack, Stacks
from grilse.sandbox.trees import Trees
from grilse.sandbox.upper import Upper
from grilse.sandbox.view import Kind, View
from grilse.storage.digest import EMPTY, Digest
from grilse.storage.errors import cas_error

# The kernel stacks at most 500 layers; what further ones add is written to the upper directory like any difference.
MAX_LAYERS = 400


class Session:
    """See the module; made by `Workshop.session`.

    Args:
        trees: unpacks layers.
        means: how commands are run.
        layers: directories whose overlay comes close to what will be staged, bottom first.
        broken: called when a sandbox cannot be set up, although `means` say that it can.

    Attributes:
        view: looks at the root from outside.

    Raises:
        CasError: a layer is not in the store, or there is no space left.
    """

    __slots__ = (
        "_broken",
        "_known",
        "_layers",
        "_lower",
        "_means",
        "_running",
        "_scratch",
        "_seen",
        "_stacks",
        "_upper",
        "view",
    )

    def __init__(
        self, trees: Trees, means: Means, layers: Sequence[Digest], *, broken: Callable[[], None] | None = None
    ) -> None:
        self._means = means
        self._broken = broken
        self._known = Known()
        self._stacks = Stacks(trees.store)
        self._running: process.Running | None = None
        # Uppermost first; a layer makes all below it that are the same superfluous.
        chosen = dict.fromkeys(digest for digest in reversed(layers) if digest != EMPTY) if means.overlay else ()
        self._lower: Stack = tuple(chosen)[-MAX_LAYERS:]
        with _disk("make a sandbox"):
            self._scratch = Scratch(trees.scratch_parent)
            try:
                self._layers = trees.use(self._lower, self._scratch) if self._lower else []
                self._make_directories()
            except BaseException:
                self._scratch.close()
                raise
        # What is seen at the root if that is known, None after a command ran.
        self._seen: Stack | None = self._lower or (EMPTY,)
        upper = f"{self._scratch.path}/upper"
        filler = Filler(trees.store, self._known)
        filler.directory(upper)
        self._upper = Upper(self._stacks, filler, upper)
        self.view = View(self._stacks, self._lower, upper)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill what runs and remove everything but what was captured."""
        self.kill()
        with _disk("remove a sandbox"):
            self._scratch.close()

    def kill(self) -> None:
        """Kill the command that runs; may be called from another thread."""
        running = self._running
        if running is not None:
            running.kill()

    def stage(self, root: Digest) -> None:
        """Make the root show a directory, whatever it shows now.

        Raises:
            CasError: something is not in the store, or there is no space left.
        """
        with _disk("stage a sandbox"):
            if not self._lower:
                # Nothing is unpacked, so that all of it is going to be read; otherwise it is what differs from layers.
                self._stacks.store.complete([root])
            seen = self._seen if self._seen is not None else (self.capture("/"),)
            self._seen = None
            self._upper.bring(self._lower, seen, root)
            self._seen = (root,)

    def run(
        self,
        command: Command,
        *,
        stdout: int,
        stderr: int | None = None,
        stdin: int | None = None,
        started: Callable[[int], None] | None = None,
    ) -> int:
        """Run a command and wait for it.

        Args:
            command: the command.
            stdout: descriptor for its output.
            stderr: descriptor for its error output, None for the same.
            stdin: descriptor for its input, None for the null device.
            started: called with the process id of the sandbox once it runs.

        Returns:
            Its exit status, 128 + N if signal N ended it.

        Raises:
            SandboxError: it does not exist in the root (``missing-command``), cannot be run, or was killed.
        """
        with self._opened(command, os.getpid(), process.STATUS_FD) as launch:
            null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            try:
                running = process.start(
                    launch,
                    stdin=null if stdin is None else stdin,
                    stdout=stdout,
                    stderr=stdout if stderr is None else stderr,
                )
            finally:
                os.close(null)
            self._running = running
            try:
                with running:
                    if started is not None:
                        started(running.pid)
                    return running.wait()
            except SandboxError as error:
                if error.reason == "sandbox-setup-failed" and self._broken is not None:
                    self._broken()
                raise
            finally:
                self._running = None

    @contextmanager
    def launch(self, command: Command) -> Iterator[Launch]:
        """How another process runs a command on the root, while the block lasts.

        Raises:
            SandboxError: it does not exist in the root (``missing-command``), or there is no way to run it.
        """
        with self._opened(command, 0, -1) as launch:
            yield launch

    def capture(self, path: str = "/", *, mtimes: bool = False, last: bool = False) -> Digest:
        """Put a directory of the root into the store.

        What stays then has the modes and times of staged files, as if it had been staged anew.

        Args:
            path: absolute path of the directory.
            mtimes: whether modification times of regular files and directories are kept.
            last: whether the session ends after this: new files are moved into the store, so that the directory is
                not to be looked at, run on or captured again.

        Returns:
            Its digest.

        Raises:
            SandboxError: there is no such directory.
            CasError: something cannot be put into the store.
        """
        place = self.view.find(path)
        if place is None or place.kind is not Kind.DIRECTORY:
            raise SandboxError(f"There is no directory '{path}' in the sandbox", reason="missing-output")
        capture = Capture(self._stacks, self._known, mtimes=mtimes, move=last, settle=not last)
        with _disk(f"capture '{path}' of a sandbox"):
            digest = capture.directory(place.lower, place.upper)
        if not place.path:
            self._seen = None if last else (digest,)
        return digest

    def read(self, path: str) -> bytes:
        """The content of a file of the root.

        Raises:
            SandboxError: there is no such file.
            CasError: it cannot be read.
        """
        place = self.view.find(path)
        if place is None or place.kind is not Kind.FILE:
            raise SandboxError(f"There is no file '{path}' in the sandbox", reason="missing-file")
        with _disk(f"read '{path}' of a sandbox"), open(place.upper, "rb") as file:
            return file.read()

    def has_command(self, command: Command) -> bool:
        """Whether the program that a command names exists, by the rules of bst."""
        name = command.argv[0]
        if name.startswith("/"):
            return self.view.find(name) is not None
        if "/" in name:
            return False
        directories = command.environment.get("PATH", "").split(":")
        return any(self.view.find(f"/{directory}/{name}") is not None for directory in directories)

    def _make_directories(self) -> None:
        """Make the directories of the overlay in the scratch directory."""
        path = self._scratch.path
        os.mkdir(f"{path}/upper")
        # Short names keep the options of hundreds of layers within the page that mount() takes.
        for number, layer in enumerate(self._layers):
            os.symlink(os.path.abspath(layer), f"{path}/{number}")

    @contextmanager
    def _opened(self, command: Command, parent: int, status: int) -> Iterator[Launch]:
        """Prepare the root for a command; restore afterwards what was changed for that."""
        if not self.has_command(command):
            raise SandboxError(f"Staged artifacts do not provide command '{command.argv[0]}'", reason="missing-command")
        if self._means.bwrap is None:
            raise SandboxError(
                f"Commands cannot be run in a sandbox: {self._means.problem}", reason="unavailable-local-sandbox"
            )
        self._seen = None
        path = self._scratch.path
        # The overlay is mounted over its own upper directory, in a namespace of its own.
        root = f"{path}/upper"
        mount = ["", ""]
        with _disk("prepare a sandbox"):
            own_tmp = make_places(self.view, self._upper, command)
            protection = protect(self.view, self._upper, command, own_tmp=own_tmp)
            if self._layers:
                # A work directory that was used on a volatile mount cannot be used again.
                workdir = os.path.basename(tempfile.mkdtemp(dir=path, prefix="work-"))
                mount = ["upper", _options(len(self._layers), workdir)]
        inner = bubblewrap.arguments(self._means.bwrap, command, root, protection, status=status, lock=True)
        outer = [sys.executable, "-I", "-S", enter.__file__, str(parent), path, *mount]
        outer += [os.path.abspath(self._scratch.lock_path), str(status)]
        # The interpreter may need this one to find its own library; nothing of it reaches the sandbox.
        environment = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
        before = [(directory, os.stat(directory)) for directory in protection.closed]
        try:
            for directory, _ in before:
                os.chmod(directory, 0o555)
            yield Launch([*self._means.personality, *outer, *inner], environment)
        finally:
            for directory, kept in before:
                os.chmod(directory, kept.st_mode & 0o7777)
                os.utime(directory, ns=(kept.st_atime_ns, kept.st_mtime_ns))


def _options(layers: int, workdir: str) -> str:
    """Options of the overlay, relative to the scratch directory."""
    lower = ":".join(str(number) for number in range(layers))
    return f"lowerdir={lower},upperdir=upper,workdir={workdir},userxattr,index=off"


@contextmanager
def _disk(doing: str) -> Iterator[None]:
    """Turn an error of the file system into one for users."""
    try:
        yield
    except OSError as error:
        raise cas_error(error, doing) from error
