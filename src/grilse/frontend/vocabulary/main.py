"""The program itself and the options before a command.

Knows no command.
"""

from __future__ import annotations

from ..grammar import (
    CHOICE,
    DIRECTORY,
    INPUT_FILE,
    INTEGER,
    OUTPUT_FILE,
    PAIR,
    PATH,
    TEXT,
    TOGGLE,
    Command,
    Option,
)

OUTPUT = Option(
    ("--output",),
    "Form of results on standard output",
    CHOICE,
    choices=("text", "json"),
    ours=True,
)

MAIN_OPTIONS = (
    Option(("--version",), "Show the version of the project format, and that of grilse, and exit"),
    Option(("--config", "-c"), "User configuration to read instead of the usual one", INPUT_FILE, metavar="FILE"),
    Option(("--directory", "-C"), "Project directory (otherwise the current one, or one above it)", DIRECTORY),
    Option(
        ("--on-error",),
        "What becomes of the rest when a job fails",
        CHOICE,
        choices=("continue", "quit", "terminate"),
    ),
    Option(("--fetchers",), "Downloads at a time", INTEGER),
    Option(("--builders",), "Builds at a time", INTEGER),
    Option(("--pushers",), "Uploads at a time", INTEGER),
    Option(("--max-jobs",), "Parallel jobs that one build may use", INTEGER),
    Option(("--network-retries",), "How often a download or upload is tried again", INTEGER),
    Option(("--no-interactive",), "Ask nothing, even when a terminal is there"),
    Option(("--verbose",), "Say more", TOGGLE, off="--no-verbose"),
    Option(("--debug",), "Say what helps to find a bug", TOGGLE, off="--no-debug"),
    Option(("--quiet", "-q"), "Say only warnings, failures and the summary", ours=True),
    Option(("--error-lines",), "Lines of a failed job's log to show", INTEGER),
    Option(("--message-lines",), "Lines of a message's detail to show", INTEGER),
    Option(("--log-file",), "File to write the log lines to as well", OUTPUT_FILE, metavar="FILENAME"),
    Option(
        ("--events",),
        "File to append the session's events to, as JSON Lines ('-': standard output)",
        PATH,
        metavar="FILE",
        ours=True,
    ),
    OUTPUT,
    Option(("--colors",), "Use colours, or not; otherwise they are used on a terminal", TOGGLE, off="--no-colors"),
    Option(("--strict",), "Build again what depends on something changed, or not", TOGGLE, off="--no-strict"),
    Option(("--option", "-o"), "Set a project option to a value", PAIR, metavar="OPTION VALUE", multiple=True),
    Option(("--default-mirror",), "Mirror to try before the others", TEXT),
    Option(("--pull-buildtrees",), "Pull the build tree together with an artifact"),
    Option(
        ("--cache-buildtrees",),
        "When an artifact keeps the tree it was built in",
        CHOICE,
        choices=("always", "auto", "never"),
    ),
)

PROGRAM = Command(
    (),
    "Build and explore BuildStream projects",
    (
        "The options here come before the command and go before what the user configuration says. "
        "Results go to standard output, progress and errors to standard error.",
    ),
    ("grilse build app.bst", "grilse --output json show app.bst", "grilse help artifact checkout"),
    MAIN_OPTIONS,
)
