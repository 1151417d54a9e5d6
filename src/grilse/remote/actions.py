"""Turns a command on an input tree into REAPI's ``Action``, and its ``ActionResult`` into trees.

Knows messages; does not talk to anybody.  Names of platform properties, output paths and the format of outputs are
those that BuildStream uses, so that the same workers serve both.

Source: ``remote_execution.proto`` in ``storage/proto``; names of platform properties: remote-apis, ``platform.md``.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any, NamedTuple

from grilse.remote.cas import from_message, to_message
from grilse.sandbox.spec import Command
from grilse.storage.digest import Digest, digest_bytes
from grilse.storage.proto import remote_execution_pb2 as messages
from grilse.storage.wire import MessageError, as_bytes, fields


class EncodedAction(NamedTuple):
    """A command on an input tree, ready to be sent.

    Attributes:
        action: serialized ``Action``.
        command: serialized ``Command``.
        digest: of the action.
        root: digest of the input tree.
        outputs: absolute directories that are captured, by the path that the command asks for them.
    """

    action: bytes
    command: bytes
    digest: Digest
    root: Digest
    outputs: dict[str, str]


def platform_properties(config: Mapping[str, Any], command: Command) -> dict[str, str]:
    """What a worker must offer.

    Args:
        config: the element's sandbox configuration: ``build-os``, ``build-arch``, ``remote-apis-socket``.
        command: the command.
    """
    wanted: dict[str, str | None] = {
        "OSFamily": config.get("build-os"),
        "ISA": config.get("build-arch"),
        "unixUID": None if command.uid is None else str(command.uid),
        "unixGID": None if command.gid is None else str(command.gid),
        "network": "on" if command.network else None,
    }
    socket = config.get("remote-apis-socket")
    if socket:
        wanted["remoteApisSocketPath"] = str(socket["path"]).lstrip("/")
    return {name: value for name, value in sorted(wanted.items()) if value is not None}


def encode_action(
    root: Digest, command: Command, platform: Mapping[str, str], *, mtimes: bool = False
) -> EncodedAction:
    """Encode a command on an input tree.

    Args:
        root: digest of the input tree.
        command: the command; its writable directories are captured, or the whole root.
        platform: from `platform_properties`.
        mtimes: whether modification times of outputs are wanted.
    """
    wanted = messages.Platform(
        properties=[messages.Platform.Property(name=name, value=value) for name, value in sorted(platform.items())]
    )
    directories = ("/",) if command.writable is None else command.writable
    outputs = {posixpath.relpath(path, command.cwd): path for path in directories}
    environment = {**command.environment, "PWD": command.cwd}
    encoded = messages.Command(
        arguments=command.argv,
        working_directory=command.cwd.lstrip("/"),
        environment_variables=[
            messages.Command.EnvironmentVariable(name=name, value=value) for name, value in sorted(environment.items())
        ],
        output_paths=sorted(outputs),
        output_node_properties=["mtime"] if mtimes else [],
        output_directory_format=messages.Command.DIRECTORY_ONLY,
        platform=wanted,
    ).SerializeToString(deterministic=True)
    action = messages.Action(
        command_digest=to_message(digest_bytes(encoded)), input_root_digest=to_message(root), platform=wanted
    ).SerializeToString(deterministic=True)
    return EncodedAction(action, encoded, digest_bytes(action), root, outputs)


def decode_tree(data: bytes) -> tuple[Digest, list[bytes]]:
    """The digest of the root and all ``Directory`` messages, as they are, of a ``Tree`` message.

    Raises:
        MessageError: it is none.
    """
    root: bytes | None = None
    directories: list[bytes] = []
    for number, value in fields(data):
        if number == 1:
            root = as_bytes(value)
        elif number == 2:
            directories.append(as_bytes(value))
    if root is None:
        raise MessageError("a tree has no root")
    return digest_bytes(root), [root, *directories]


class OutputTree(NamedTuple):
    """A captured directory.

    Attributes:
        path: absolute, in the sandbox.
        root: digest of its ``Directory`` message, or None.
        tree: digest of its ``Tree`` message, or None; one of both is there.
    """

    path: str
    root: Digest | None
    tree: Digest | None


def output_trees(cwd: str, result: Any) -> list[OutputTree]:
    """The captured directories that an ``ActionResult`` names.

    Args:
        cwd: working directory of the command.
        result: the message.
    """
    found: list[OutputTree] = []
    for output in result.output_directories:
        root = from_message(output.root_directory_digest)
        tree = from_message(output.tree_digest)
        path = posixpath.normpath(posixpath.join(cwd, output.path))
        found.append(OutputTree(path, root if root.hash else None, tree if tree.hash else None))
    return found


def result_blobs(result: Any) -> list[Digest]:
    """Blobs that an ``ActionResult`` names besides trees: output of the command."""
    digests = (from_message(result.stdout_digest), from_message(result.stderr_digest))
    return [digest for digest in digests if digest.hash]
