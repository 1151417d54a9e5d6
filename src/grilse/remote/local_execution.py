"""Runs REAPI actions in the local sandbox, as a worker of a remote execution service would.

Knows messages and the sandbox; does not know who asked.  Serves REAPI clients inside sandboxes, and the bots of tests.

Source: ``Command`` and ``ActionResult`` in ``remote_execution.proto``.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable
from typing import Any

from grilse.protocol.errors import SandboxError
from grilse.remote.cas import from_message, to_message
from grilse.sandbox.runner import Runner
from grilse.sandbox.spec import Command
from grilse.sandbox.workshop import Workshop
from grilse.storage.digest import Digest
from grilse.storage.messages import DirectoryNode, FileNode, Node, SymlinkNode
from grilse.storage.proto import remote_execution_pb2 as messages
from grilse.storage.store import Store
from grilse.storage.wire import field_bytes

# Up to this size the output of a command is part of the result.
_INLINE_BYTES = 64 << 10


def run_action(
    workshop: Workshop, action: Any, *, started: Callable[[int], None] | None = None
) -> tuple[Any, list[Digest]]:
    """Run an action whose command and inputs are in the store.

    Args:
        workshop: where sandboxes are made.
        action: the ``Action`` message.
        started: called with the process id of the sandbox.

    Returns:
        Its ``ActionResult``, and the blobs and trees that this names, all in the store.

    Raises:
        CasError: something of it is not in the store (reason ``missing-blob``), or outputs cannot be written.
        SandboxError: the sandbox cannot be made.
    """
    store = workshop.store
    wanted = messages.Command.FromString(store.read(from_message(action.command_digest)))
    root = from_message(action.input_root_digest)
    # BuildStream marks roots that may be written to only where outputs are.
    command, paths = _command(wanted, read_only=bool(store.listing(root).read_only))
    with store.scratch_file() as log:
        descriptor = os.open(log, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            session = Runner(workshop, descriptor, started=started).open([])
            try:
                session.stage(_with_parents(store, root, command, paths))
                result = messages.ActionResult(exit_code=_run(session, command, descriptor))
                after = session.capture("/", mtimes="mtime" in wanted.output_node_properties)
            finally:
                session.close()
        finally:
            os.close(descriptor)
        named: list[Digest] = []
        if after is not None:
            for path, place in paths.items():
                named += _add_output(store, result, after, path, place, wanted.output_directory_format)
        named.append(_add_log(store, result, log))
    return result, named


def _run(session: Any, command: Command, log: int) -> int:
    try:
        return int(session.run(command))
    except SandboxError as error:
        if error.reason != "missing-command":
            raise
        # What a shell would say and return.
        os.write(log, f"{error.message}\n".encode())
        return 127


def _command(wanted: Any, *, read_only: bool) -> tuple[Command, dict[str, str]]:
    """The command for our sandbox, and its output paths as they were given, with the absolute paths they mean."""
    cwd = posixpath.normpath("/" + wanted.working_directory)
    given = list(wanted.output_paths) or [*wanted.output_files, *wanted.output_directories]
    paths = {path: posixpath.normpath(posixpath.join(cwd, path)) for path in given}
    properties = {one.name: one.value for one in wanted.platform.properties}
    command = Command(
        argv=tuple(wanted.arguments),
        cwd=cwd,
        environment={one.name: one.value for one in wanted.environment_variables},
        writable=tuple(paths.values()) if read_only and "/" not in paths.values() else None,
        network=properties.get("network") == "on",
        uid=int(properties["unixUID"]) if "unixUID" in properties else None,
        gid=int(properties["unixGID"]) if "unixGID" in properties else None,
    )
    return command, paths


def _with_parents(store: Store, root: Digest, command: Command, paths: dict[str, str]) -> Digest:
    """The input root with the directories above its outputs, which REAPI promises to commands."""
    from grilse.storage.directory import CasDirectory

    tree = CasDirectory(store, root)
    for path in (command.cwd, *(posixpath.dirname(place) for place in paths.values())):
        tree.open_directory(path.lstrip("/"), create=True)
    return tree.digest()


def _add_output(store: Store, result: Any, root: Digest, path: str, place: str, form: int) -> list[Digest]:
    """Add one output to a result, if it is there; gives what must be kept with it."""
    node: Node | None = DirectoryNode(root)
    for name in [part for part in place.split("/") if part]:
        node = store.listing(node.digest).nodes.get(name) if type(node) is DirectoryNode else None
    if type(node) is FileNode:
        result.output_files.add(path=path, digest=to_message(node.digest), is_executable=node.executable)
        return [node.digest]
    if type(node) is SymlinkNode:
        result.output_symlinks.add(path=path, target=node.target)
        return []
    if type(node) is not DirectoryNode:
        return []
    output = result.output_directories.add(path=path)
    kept: list[Digest] = []
    if form != messages.Command.TREE_ONLY:
        output.root_directory_digest.CopyFrom(to_message(node.digest))
        kept.append(node.digest)
    if form != messages.Command.DIRECTORY_ONLY:
        tree = _tree(store, node.digest)
        output.tree_digest.CopyFrom(to_message(tree))
        kept += [tree, node.digest]
    return kept


def _tree(store: Store, root: Digest) -> Digest:
    """Put the ``Tree`` message of a directory into the store: each directory in it once, as it is."""
    parts = [field_bytes(1, store.read(root))]
    seen = {root}
    todo = [root]
    while todo:
        for node in store.listing(todo.pop(0)).nodes.values():
            if type(node) is DirectoryNode and node.digest not in seen:
                seen.add(node.digest)
                todo.append(node.digest)
                parts.append(field_bytes(2, store.read(node.digest)))
    return store.add_bytes(b"".join(parts))


def _add_log(store: Store, result: Any, log: str) -> Digest:
    """Add what the command wrote to a result; both streams are one, in the order they were written."""
    digest = store.add_file(log)
    result.stdout_digest.CopyFrom(to_message(digest))
    if digest.size <= _INLINE_BYTES:
        result.stdout_raw = store.read(digest)
    return digest
