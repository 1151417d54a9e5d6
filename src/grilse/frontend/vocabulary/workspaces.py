"""The commands about workspaces.

Knows nothing of how they are carried out.
"""

from __future__ import annotations

from ..grammar import DIRECTORY, ELEMENT, Argument, Command, Option
from .shared import source_remote

_ELEMENTS = (Argument("elements", ELEMENT),)

WORKSPACE_COMMANDS = (
    Command(
        ("workspace",),
        "Work on the sources of elements in directories of your own",
        (),
        ("grilse workspace open --directory app-src app.bst",),
    ),
    Command(
        ("workspace", "open"),
        "Check the sources of elements out to work on them",
        ("From then on the elements are built from these directories.",),
        ("grilse workspace open --directory app-src app.bst",),
        (
            Option(("--no-checkout",), "Leave the directory as it is, only remember it"),
            Option(
                ("--force", "-f"),
                "Open it even when the directory is not empty, or the element has a workspace already",
            ),
            Option(("--directory",), "Directory of the workspace; for one element only", DIRECTORY),
            *source_remote("Source cache to fetch from"),
        ),
        (Argument("elements", ELEMENT, required=True),),
    ),
    Command(
        ("workspace", "close"),
        "Build elements from their own sources again",
        ("Inside a workspace ELEMENTS may be left out.",),
        ("grilse workspace close app.bst",),
        (
            Option(("--remove-dir",), "Remove the directory as well, with all changes in it"),
            Option(("--all", "-a"), "Close every open workspace", name="all_"),
        ),
        _ELEMENTS,
    ),
    Command(
        ("workspace", "reset"),
        "Bring workspaces back to the original sources",
        ("All changes in them are lost, except with --soft. Either ELEMENTS or --all.",),
        ("grilse workspace reset --soft app.bst",),
        (
            Option(("--soft",), "Change no file; only configure again at the next build"),
            Option(("--all", "-a"), "Reset every open workspace", name="all_"),
        ),
        _ELEMENTS,
    ),
    Command(("workspace", "list"), "List open workspaces", (), ("grilse workspace list",)),
)
