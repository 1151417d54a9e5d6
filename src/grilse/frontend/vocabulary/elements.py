"""The commands about elements: build, show, shell, and init and help.

Knows nothing of how they are carried out.
"""

from __future__ import annotations

from ..grammar import CHOICE, COMMAND, DIRECTORY, ELEMENT, MOUNT, PATH, TEXT, WORDS, Argument, Command, Option
from .shared import DEFAULT_TARGETS, DEPS_TEXT, REMOTE, artifact_remote, deps, except_, source_remote

_BOTH_CACHES = (
    *artifact_remote("Artifact cache to pull from and push to", REMOTE),
    *source_remote("Source cache to pull from and push to", REMOTE),
)

ELEMENT_COMMANDS = (
    Command(
        ("build",),
        "Build elements and what they need",
        (
            DEFAULT_TARGETS,
            *DEPS_TEXT,
            "What the selected elements need in order to be built is built too, whatever --deps says.",
        ),
        ("grilse build app.bst", "grilse --on-error continue build --deps all app.bst"),
        (
            deps("none build run all", "Which dependencies are built", None),
            *_BOTH_CACHES,
            Option(("--retry-failed", "-r"), "Build again what is cached as failed"),
        ),
        (Argument("elements", ELEMENT),),
    ),
    Command(
        ("show",),
        "Show elements, their keys and states",
        (
            DEFAULT_TARGETS,
            *DEPS_TEXT,
            "--format is printed for each element, these symbols replaced:",
            "  %{name}                 name of the element\n"
            "  %{kind}                 its kind\n"
            "  %{description}          its description, in one line\n"
            "  %{key}                  short cache key, when all sources have a ref\n"
            "  %{full-key}             whole cache key, when all sources have a ref\n"
            "  %{state}                no reference, junction, waiting, buildable,\n"
            "                          fetch needed, failed or cached\n"
            "  %{config}               its configuration\n"
            "  %{vars}                 its variables\n"
            "  %{env}                  its environment\n"
            "  %{public}               its public data\n"
            "  %{workspaced}           (workspaced) when it has an open workspace\n"
            "  %{workspace-dirs}       directory of its open workspace\n"
            "  %{deps}                 what it depends on directly\n"
            "  %{build-deps}           the same, to build\n"
            "  %{runtime-deps}         the same, to run\n"
            "  %{source-info}          where its sources come from\n"
            "  %{artifact-cas-digest}  digest of its artifact's files",
            "A symbol may carry a Python format: %{name: >20} is padded to 20 characters. For a line break in a "
            "format, bash understands $'%{name}\\n%{vars}'.",
        ),
        ("grilse show app.bst", "grilse show --deps run --format '%{name: <30} %{state}' app.bst"),
        (
            except_("Element to leave out, with what only it needs"),
            deps("none run build all", "Which dependencies are shown", "all"),
            Option(("--order",), "Order of elements", CHOICE, choices=("stage", "alpha"), default="stage"),
            Option(("--format", "-f"), "What to print for each element", TEXT, metavar="FORMAT", name="format_"),
        ),
        (Argument("elements", ELEMENT),),
    ),
    Command(
        ("shell",),
        "Open a shell, or run a command, in the sandbox of an element",
        (
            "The sandbox holds TARGET and what it needs to run; it must have been built. With --build it holds what "
            "TARGET needs to be built, and its sources. Inside a workspace TARGET may be left out.",
            "Put -- before a command that has options of its own. The exit status is that of the command.",
        ),
        ("grilse shell app.bst", "grilse shell --build app.bst -- make -n"),
        (
            Option(("--build", "-b"), "Stage what is needed to build, and the sources", name="build_"),
            Option(
                ("--mount",),
                "Show a file or directory of this machine in the sandbox",
                MOUNT,
                metavar="HOSTPATH PATH",
                multiple=True,
            ),
            Option(("--isolate",), "Isolate the sandbox as for a build: no network, no environment of yours"),
            Option(
                ("--use-buildtree", "-t"),
                "Stage the tree it was built in; pulled if pulling build trees is configured, an error when it is not "
                "there",
            ),
            *_BOTH_CACHES,
        ),
        (Argument("target", ELEMENT, many=False), Argument("command", WORDS)),
    ),
    Command(
        ("init",),
        "Start a new project",
        ("Writes a project.conf and makes the directory for elements. Asks for what --project-name leaves open.",),
        ("grilse init --project-name app app",),
        (
            Option(("--project-name",), "Name of the project", TEXT),
            Option(("--min-version",), "Oldest format version that can load it", TEXT, default="2.8"),
            Option(("--element-path",), "Directory of elements in the project", PATH, default="elements"),
            Option(("--force", "-f"), "Replace a project.conf that is there"),
        ),
        (Argument("target_directory", DIRECTORY, many=False),),
    ),
    Command(
        ("help",),
        "Show how a command is used",
        (),
        ("grilse help source fetch",),
        (),
        (Argument("command", COMMAND),),
    ),
)
