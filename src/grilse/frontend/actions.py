"""From a parsed command line to the `Request` that is sent to the backend.

Knows nothing of how a request is carried out.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ..protocol import requests
from ..protocol.requests import Action, Invocation, Remotes, Request
from .errors import events_file
from .parser import Parsed

_Parameters = dict[str, Any]


class Conflict(Exception):
    """Options that contradict each other; the text says which."""


def request_of(parsed: Parsed, argv: tuple[str, ...], *, interactive: bool, colors: bool = False) -> Request:
    """The request that a command line makes.

    Args:
        parsed: the command line.
        argv: the same, as typed.
        interactive: somebody is there to answer prompts.
        colors: results may carry colours.

    Raises:
        Conflict: options contradict each other.
        KeyError: the command is none of the backend's.
    """
    return request_with(_ACTIONS[parsed.words](parsed.parameters), parsed, argv, interactive=interactive, colors=colors)


def request_with(
    action: Action, parsed: Parsed, argv: tuple[str, ...], *, interactive: bool, colors: bool = False
) -> Request:
    """The request for an action, with the options before the command."""
    return Request(
        invocation=_invocation(parsed.main, argv, interactive=interactive, colors=colors),
        action=action,
        output_json=parsed.main.get("output") == "json",
    )


def backend_commands() -> frozenset[tuple[str, ...]]:
    """The commands that `request_of` knows."""
    return frozenset(_ACTIONS)


def session_name(action: Action) -> str | None:
    """The name that bst gives a session of this action in its messages, or None when it is not a session."""
    return _SESSION_NAMES.get(type(action))


_SESSION_NAMES: dict[type, str] = {
    requests.Build: "Build",
    requests.SourceFetch: "Fetch",
    requests.SourceTrack: "Track",
    requests.SourcePush: "Push",
    requests.ArtifactPull: "Pull",
    requests.ArtifactPush: "Push",
}


def _invocation(main: _Parameters, argv: tuple[str, ...], *, interactive: bool, colors: bool) -> Invocation:
    events = events_file(main)
    return Invocation(
        argv=argv,
        directory=os.path.abspath(main.get("directory") or "."),
        config=main.get("config"),
        options=tuple((name, value) for name, value in main.get("option") or ()),
        on_error=main.get("on_error"),
        fetchers=main.get("fetchers"),
        builders=main.get("builders"),
        pushers=main.get("pushers"),
        max_jobs=main.get("max_jobs"),
        network_retries=main.get("network_retries"),
        strict=main.get("strict"),
        default_mirror=main.get("default_mirror"),
        pull_buildtrees=True if main.get("pull_buildtrees") else None,
        cache_buildtrees=main.get("cache_buildtrees"),
        interactive=interactive,
        colors=colors,
        verbose=main.get("verbose"),
        debug=main.get("debug"),
        error_lines=main.get("error_lines"),
        message_lines=main.get("message_lines"),
        events=events,
    )


def _remotes(given: _Parameters) -> Remotes:
    return Remotes(
        artifact=tuple(given.get("artifact_remotes") or ()),
        source=tuple(given.get("source_remotes") or ()),
        ignore_project_artifact=bool(given.get("ignore_project_artifact_remotes")),
        ignore_project_source=bool(given.get("ignore_project_source_remotes")),
    )


def _build(given: _Parameters) -> Action:
    return requests.Build(
        targets=given["elements"],
        deps=given["deps"],
        retry_failed=given["retry_failed"],
        remotes=_remotes(given),
    )


def _show(given: _Parameters) -> Action:
    return requests.Show(
        targets=given["elements"],
        deps=given["deps"],
        except_=given["except_"],
        order=given["order"],
        format=given["format_"] or None,
    )


def _shell(given: _Parameters) -> Action:
    return requests.Shell(
        target=given["target"],
        command=given["command"],
        # A build tree is only of use in a build sandbox.
        build=given["build_"] or given["use_buildtree"],
        mounts=tuple((host, path) for host, path in given["mount"]),
        isolate=given["isolate"],
        use_buildtree=given["use_buildtree"],
        remotes=_remotes(given),
    )


_EXTENSIONS = {".tar": None, ".gz": "gz", ".xz": "xz", ".bz2": "bz2"}


def _artifact_checkout(given: _Parameters) -> Action:
    # An empty name is none
    tar, directory, compression = given["tar"] or None, given["directory"], given["compression"]
    if given["hardlinks"] and tar:
        raise Conflict("options --hardlinks and --tar conflict")
    if tar and directory:
        raise Conflict("options --directory and --tar conflict")
    if compression and not tar:
        raise Conflict("--compression can only be provided if --tar is provided")
    if tar:
        # Looked at in any case: an extension that nothing is known of is refused
        usual = _compression_of(tar)
        compression = compression or usual
    return requests.ArtifactCheckout(
        target=given["target"],
        directory=directory,
        tar=tar,
        compression=compression,
        deps=given["deps"],
        integrate=given["integrate"],
        hardlinks=given["hardlinks"],
        force=given["force"],
        remotes=_remotes(given),
    )


def _compression_of(tar: str) -> str | None:
    name, extension = os.path.splitext(tar)
    if extension in _EXTENSIONS:
        return _EXTENSIONS[extension]
    if os.path.splitext(name)[1] == ".tar":
        raise Conflict(
            f"Invalid file extension given with '--tar': nothing is known of '{extension}'; "
            "the extensions are .tar, .gz, .xz and .bz2"
        )
    return None


def _source_checkout(given: _Parameters) -> Action:
    tar, directory, compression = given["tar"] or None, given["directory"], given["compression"]
    if tar and directory:
        raise Conflict("options --directory and --tar conflict")
    if compression and not tar:
        raise Conflict("--compression specified without --tar")
    return requests.SourceCheckout(
        target=given["element"],
        directory="source-checkout" if directory is None and not tar else directory,
        tar=tar,
        compression=compression,
        deps=given["deps"],
        except_=given["except_"],
        include_build_scripts=given["include_build_scripts"],
        force=given["force"],
        remotes=_remotes(given),
    )


_ACTIONS: dict[tuple[str, ...], Callable[[_Parameters], Action]] = {
    ("build",): _build,
    ("show",): _show,
    ("shell",): _shell,
    ("artifact", "checkout"): _artifact_checkout,
    ("artifact", "delete"): lambda given: requests.ArtifactDelete(artifacts=given["artifacts"], deps=given["deps"]),
    ("artifact", "list-contents"): lambda given: requests.ArtifactListContents(
        artifacts=given["artifacts"], long=given["long_"]
    ),
    ("artifact", "log"): lambda given: requests.ArtifactLog(artifacts=given["artifacts"], out=given["out"]),
    ("artifact", "show"): lambda given: requests.ArtifactShow(
        artifacts=given["artifacts"], deps=given["deps"], remotes=_remotes(given)
    ),
    ("artifact", "pull"): lambda given: requests.ArtifactPull(
        artifacts=given["artifacts"], deps=given["deps"], remotes=_remotes(given)
    ),
    ("artifact", "push"): lambda given: requests.ArtifactPush(
        artifacts=given["artifacts"], deps=given["deps"], remotes=_remotes(given)
    ),
    ("source", "fetch"): lambda given: requests.SourceFetch(
        targets=given["elements"], deps=given["deps"], except_=given["except_"], remotes=_remotes(given)
    ),
    ("source", "track"): lambda given: requests.SourceTrack(
        targets=given["elements"],
        deps=given["deps"],
        except_=given["except_"],
        cross_junctions=given["cross_junctions"],
    ),
    ("source", "push"): lambda given: requests.SourcePush(
        targets=given["elements"], deps=given["deps"], except_=given["except_"], remotes=_remotes(given)
    ),
    ("source", "checkout"): _source_checkout,
    ("workspace", "open"): lambda given: requests.WorkspaceOpen(
        targets=given["elements"],
        directory=given["directory"],
        no_checkout=given["no_checkout"],
        force=given["force"],
        remotes=_remotes(given),
    ),
    ("workspace", "close"): lambda given: requests.WorkspaceClose(
        targets=given["elements"], remove_dir=given["remove_dir"], all_=given["all_"]
    ),
    ("workspace", "reset"): lambda given: requests.WorkspaceReset(
        targets=given["elements"], soft=given["soft"], all_=given["all_"]
    ),
    ("workspace", "list"): lambda given: requests.WorkspaceList(),
    ("plugin", "list"): lambda given: requests.PluginList(targets=given["elements"]),
    ("cache", "info"): lambda given: requests.CacheInfo(),
    ("cache", "check"): lambda given: requests.CacheCheck(repair=given["repair"]),
    ("cache", "prune"): lambda given: requests.CachePrune(),
    ("job", "replay"): lambda given: requests.JobReplay(file=given["file"]),
    ("doctor",): lambda given: requests.Doctor(),
}
