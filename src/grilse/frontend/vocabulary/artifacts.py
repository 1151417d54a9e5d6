"""The commands about artifacts.

Knows nothing of how they are carried out.
"""

from __future__ import annotations

from ..grammar import ARTIFACT, PATH, TOGGLE, Argument, Command, Option
from .shared import (
    ARTIFACT_NAMES,
    CHECKOUT_DIRECTORY,
    COMPRESSION,
    DEPS_TEXT,
    FORCE_FILES,
    PUSH_REMOTE,
    artifact_remote,
    deps,
)

_ARTIFACTS = (Argument("artifacts", ARTIFACT),)

ARTIFACT_COMMANDS = (
    Command(("artifact",), "Work with artifacts in the cache", ARTIFACT_NAMES, ("grilse artifact show '**.bst'",)),
    Command(
        ("artifact", "show"),
        "Show which artifacts are cached",
        ("Each is cached, failed (cached as a failure), available (in a remote cache) or not cached.",),
        ("grilse artifact show --deps all app.bst",),
        (deps("build run all none", "Which dependencies are shown as well"), *artifact_remote("Artifact cache to ask")),
        _ARTIFACTS,
    ),
    Command(
        ("artifact", "checkout"),
        "Write the files of an artifact to a directory or a tar file",
        (
            "The artifact must be cached; with --deps the files of its dependencies are put together with its own. "
            "Without --directory and --tar the directory is named like the element. Inside a workspace TARGET may be "
            "left out.",
        ),
        (
            "grilse artifact checkout --directory out app.bst",
            "grilse artifact checkout --deps none --tar - app.bst | tar t",
        ),
        (
            FORCE_FILES,
            deps("run build none all", "Which dependencies come along", "run"),
            Option(
                ("--integrate",),
                "Run integration commands, or not; they are run unless told",
                TOGGLE,
                off="--no-integrate",
            ),
            Option(("--hardlinks",), "Link files of the cache instead of copying them, where that can be done"),
            Option(
                ("--tar",),
                "Write a tar file instead of a directory; '-' is standard output",
                PATH,
                metavar="LOCATION",
            ),
            COMPRESSION,
            CHECKOUT_DIRECTORY,
            *artifact_remote("Artifact cache to pull from"),
        ),
        (Argument("target", ARTIFACT, many=False),),
    ),
    Command(
        ("artifact", "pull"),
        "Pull artifacts from remote caches",
        (
            "Without ARTIFACTS those of the project's default targets are pulled, or of all elements when it names "
            "none. The first cache that has one gives it; with --artifact-remote only that cache is asked.",
            *DEPS_TEXT,
        ),
        ("grilse artifact pull --deps run app.bst",),
        (
            deps("build none run all", "Which dependencies are pulled"),
            *artifact_remote("Artifact cache to pull from"),
        ),
        _ARTIFACTS,
    ),
    Command(
        ("artifact", "push"),
        "Push artifacts to a remote cache",
        (
            "Without ARTIFACTS those of the project's default targets are pushed, or of all elements when it names "
            "none. Where build trees are to be pulled, missing ones are pulled first, so that no artifact is left out "
            "for being incomplete.",
            *DEPS_TEXT,
        ),
        ("grilse artifact push --deps all app.bst",),
        (
            deps("build none run all", "Which dependencies are pushed"),
            *artifact_remote("Artifact cache to push to", PUSH_REMOTE),
        ),
        _ARTIFACTS,
    ),
    Command(
        ("artifact", "log"),
        "Show the build logs of artifacts",
        (),
        ("grilse artifact log app.bst", "grilse artifact log --out logs '**.bst'"),
        (
            Option(
                ("--out",),
                "New directory to write the logs to, a file each, instead of standard output",
                PATH,
            ),
        ),
        _ARTIFACTS,
    ),
    Command(
        ("artifact", "list-contents"),
        "List the files of artifacts",
        (),
        ("grilse artifact list-contents --long app.bst",),
        (Option(("--long", "-l"), "Show type, mode, size and link target too", name="long_"),),
        _ARTIFACTS,
    ),
    Command(
        ("artifact", "delete"),
        "Remove artifacts from the local cache",
        ("The space is given back as far as no other artifact shares it.",),
        ("grilse artifact delete app.bst",),
        (deps("none run build all", "Which dependencies are removed too"),),
        _ARTIFACTS,
    ),
)
