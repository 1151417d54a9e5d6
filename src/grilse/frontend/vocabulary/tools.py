"""The commands that bst does not have: plugins, the cache, saved jobs, the machine, the spawn audit, completion.

Knows nothing of how they are carried out.
"""

from __future__ import annotations

from ..grammar import CHOICE, ELEMENT, PATH, WORDS, Argument, Command, Option

TOOL_COMMANDS = (
    Command(("plugin",), "Look at the plugins of a project", (), ("grilse plugin list",), ours=True),
    Command(
        ("plugin", "list"),
        "List the kinds in use, their origin, version and file",
        ("Without ELEMENTS those of the whole project.",),
        ("grilse plugin list app.bst",),
        (),
        (Argument("elements", ELEMENT),),
        ours=True,
    ),
    Command(("cache",), "Look after the local cache", (), ("grilse cache info",), ours=True),
    Command(
        ("cache", "info"), "Show what the local cache holds and how full it is", (), ("grilse cache info",), ours=True
    ),
    Command(
        ("cache", "check"),
        "Verify everything in the local cache",
        ("Reads every object and compares it with its digest, and follows every reference.",),
        ("grilse cache check --repair",),
        (Option(("--repair",), "Drop what is broken, so that it is made again", ours=True),),
        ours=True,
    ),
    Command(
        ("cache", "prune"),
        "Expire what was not used for longest",
        ("Goes on until the cache is below its low watermark.",),
        ("grilse cache prune",),
        ours=True,
    ),
    Command(("job",), "Work with saved jobs", (), ("grilse job replay job.grilse",), ours=True),
    Command(
        ("job", "replay"),
        "Run a saved job again in a new worker",
        ("For hunting bugs: the job is complete in its file, no project is loaded.",),
        ("grilse job replay job.grilse",),
        (),
        (Argument("file", PATH, many=False, required=True),),
        ours=True,
    ),
    Command(
        ("doctor",),
        "Check this machine: sandbox, overlays, cache, disk, clock, remotes",
        (),
        ("grilse doctor",),
        ours=True,
    ),
    Command(
        ("audit",),
        "Tell what of a program's objects can cross to a spawned process",
        ("`grilse audit --help` has the options.",),
        ("grilse audit --help",),
        (),
        (Argument("arguments", WORDS),),
        ours=True,
    ),
    Command(
        ("completion",),
        "Print a shell script that completes grilse's command line",
        (),
        ('eval "$(grilse completion bash)"', "grilse completion fish > ~/.config/fish/completions/grilse.fish"),
        (),
        (Argument("shell", CHOICE, many=False, required=True, choices=("bash", "zsh", "fish")),),
        ours=True,
    ),
)
