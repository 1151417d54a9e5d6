"""The commands about sources.

Knows nothing of how they are carried out.
"""

from __future__ import annotations

from ..grammar import ELEMENT, PATH, Argument, Command, Option
from .shared import (
    CHECKOUT_DIRECTORY,
    COMPRESSION,
    DEFAULT_TARGETS,
    DEPS_TEXT,
    FORCE_FILES,
    PUSH_REMOTE,
    deps,
    except_,
    source_remote,
)

_ELEMENTS = (Argument("elements", ELEMENT),)

SOURCE_COMMANDS = (
    Command(("source",), "Work with the sources of elements", (), ("grilse source fetch --deps all app.bst",)),
    Command(
        ("source", "fetch"),
        "Fetch sources into the local cache",
        (DEFAULT_TARGETS, *DEPS_TEXT),
        ("grilse source fetch --deps all app.bst",),
        (
            except_("Element to leave out, with what only it needs"),
            deps("none build run all", "Which dependencies are fetched"),
            *source_remote("Source cache to fetch from"),
        ),
        _ELEMENTS,
    ),
    Command(
        ("source", "push"),
        "Push sources to a remote cache",
        (DEFAULT_TARGETS, *DEPS_TEXT),
        ("grilse source push --deps all app.bst",),
        (
            except_("Element to leave out, with what only it needs"),
            deps("none build run all", "Which dependencies are pushed"),
            *source_remote("Source cache to push to", PUSH_REMOTE),
        ),
        _ELEMENTS,
    ),
    Command(
        ("source", "track"),
        "Look for newer versions of sources and write them down",
        (
            "Asks what each source tracks (a branch, say) for its newest version, and writes the ref into the element, "
            "or into project.refs.",
            DEFAULT_TARGETS,
            *DEPS_TEXT,
        ),
        ("grilse source track app.bst",),
        (
            except_("Element to leave out, with what only it needs"),
            deps("build run all none", "Which dependencies are tracked"),
            Option(("--cross-junctions", "-J"), "Track elements of other projects too"),
        ),
        _ELEMENTS,
    ),
    Command(
        ("source", "checkout"),
        "Write the sources of an element to a directory or a tar file",
        (
            "Without --directory and --tar the directory is source-checkout. Inside a workspace ELEMENT may be left "
            "out.",
        ),
        ("grilse source checkout --directory src app.bst",),
        (
            FORCE_FILES,
            except_("Element to leave out"),
            deps("build none run all", "Which dependencies' sources come along"),
            Option(("--tar",), "Write a tar file instead of a directory", PATH, metavar="LOCATION"),
            COMPRESSION,
            Option(("--include-build-scripts",), "Write a script for each element that builds it, and one for all"),
            CHECKOUT_DIRECTORY._replace(help="Directory to write to (otherwise source-checkout)"),
            *source_remote("Source cache to fetch from"),
        ),
        (Argument("element", ELEMENT, many=False),),
    ),
)
