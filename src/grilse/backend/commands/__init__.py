"""Commands by the type of their action; each module knows one group of them."""

from __future__ import annotations

import gc
import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..session import Session

# Module and function that carry out each action.
_COMMANDS = {
    "Show": ("show", "show"),
    "Build": ("build", "build"),
    "Shell": ("shell", "shell"),
    "ArtifactCheckout": ("checkout", "artifact_checkout"),
    "ArtifactDelete": ("artifact", "delete"),
    "ArtifactListContents": ("artifact", "list_contents"),
    "ArtifactLog": ("artifact", "log"),
    "ArtifactShow": ("artifact", "show"),
    "ArtifactPull": ("transfer", "artifact_pull"),
    "ArtifactPush": ("transfer", "artifact_push"),
    "SourceFetch": ("source", "fetch"),
    "SourceTrack": ("source", "track"),
    "SourcePush": ("transfer", "source_push"),
    "SourceCheckout": ("checkout", "source_checkout"),
    "WorkspaceOpen": ("workspace", "open_"),
    "WorkspaceClose": ("workspace", "close"),
    "WorkspaceReset": ("workspace", "reset"),
    "WorkspaceList": ("workspace", "list_"),
    "Init": ("init", "init"),
    "PluginList": ("plugin", "list_"),
    "CacheInfo": ("cache", "info"),
    "CacheCheck": ("cache", "check"),
    "CachePrune": ("cache", "prune"),
    "JobReplay": ("job", "replay"),
    "Doctor": ("doctor", "doctor"),
}


def run_command(session: Session) -> int:
    """Carry out the session's action; returns the exit status.

    Raises:
        GrilseError: the command cannot be carried out, or some of its jobs failed.
    """
    module, function = _COMMANDS[type(session.request.action).__name__]
    command = getattr(importlib.import_module(f".{module}", __name__), function)
    gc.freeze()
    gc.enable()
    status: int = command(session, session.request.action)
    return status
