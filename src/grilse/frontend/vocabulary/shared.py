"""Options and paragraphs that several commands have in common.

Knows no command.
"""

from __future__ import annotations

from ..grammar import CHOICE, DIRECTORY, ELEMENT, PATH, PULL_REMOTE, PUSH_REMOTE, REMOTE, Option

DEFAULT_TARGETS = (
    "Without ELEMENTS the project's default targets are taken, or all its elements when it names none; inside a "
    "workspace it is the element of that workspace."
)

DEPS_TEXT = (
    "--deps says which elements come along:",
    "  none   only what was named\n"
    "  run    what was named, and all that is needed to run it\n"
    "  build  all that is needed to build it, without itself\n"
    "  all    everything it depends on",
)

ARTIFACT_NAMES = (
    "An artifact is named by an element of the project (app.bst: the artifact of its present key), or in full as "
    "PROJECT/ELEMENT/KEY. Both may be patterns: ? stands for one character, * for any but /, ** for any at all. A "
    "pattern that ends in .bst selects elements of the project, another one artifacts in the local cache:",
    "  core/*.bst         elements below core/\n"
    "  **.bst             every element\n"
    "  app/hello/8276*    artifacts of hello whose key begins so\n"
    "  app/**             every cached artifact of the project app",
)


def deps(choices: str, help: str, default: str | None = "none") -> Option:
    """The option ``--deps`` with these choices, separated by spaces."""
    return Option(("--deps", "-d"), help, CHOICE, choices=tuple(choices.split()), default=default)


def except_(help: str) -> Option:
    """The option ``--except``."""
    return Option(("--except",), help, ELEMENT, metavar="PATH", name="except_", multiple=True)


def artifact_remote(help: str, takes: str = PULL_REMOTE) -> tuple[Option, Option]:
    """The options about artifact caches."""
    return (
        Option(("--artifact-remote",), help, takes, name="artifact_remotes", multiple=True),
        Option(("--ignore-project-artifact-remotes",), "Leave out the artifact caches that projects recommend"),
    )


def source_remote(help: str, takes: str = PULL_REMOTE) -> tuple[Option, Option]:
    """The options about source caches."""
    return (
        Option(("--source-remote",), help, takes, name="source_remotes", multiple=True),
        Option(("--ignore-project-source-remotes",), "Leave out the source caches that projects recommend"),
    )


FORCE_FILES = Option(("--force", "-f"), "Write into a directory that is not empty, over files that are there")
COMPRESSION = Option(("--compression",), "How the tar file is compressed", CHOICE, choices=("gz", "xz", "bz2"))
CHECKOUT_DIRECTORY = Option(("--directory",), "Directory to write to", DIRECTORY)

__all__ = [
    "ARTIFACT_NAMES",
    "CHECKOUT_DIRECTORY",
    "COMPRESSION",
    "DEFAULT_TARGETS",
    "DEPS_TEXT",
    "FORCE_FILES",
    "PATH",
    "PULL_REMOTE",
    "PUSH_REMOTE",
    "REMOTE",
    "artifact_remote",
    "deps",
    "except_",
    "source_remote",
]
