"""The commands over the event logs of past sessions.

Knows nothing of how they are carried out.
"""

from __future__ import annotations

from ..grammar import INTEGER, NUMBER, PATH, SESSION, Argument, Command, Option

_SESSION = (Argument("session", SESSION, many=False),)
_WHICH = (
    "SESSION is a name that 'grilse log list' shows, the beginning of one, or a file; without it, the newest that had "
    "jobs."
)

LOG_COMMANDS = (
    Command(
        ("log",),
        "Look into past sessions",
        ("Every session keeps a log of its events. These commands read it; nothing is loaded or started.",),
        ("grilse log list", "grilse log what-failed"),
        ours=True,
    ),
    Command(
        ("log", "list"),
        "List past sessions, the newest first",
        (),
        ("grilse log list --limit 5",),
        (Option(("--limit", "-n"), "How many", INTEGER, ours=True),),
        ours=True,
    ),
    Command(
        ("log", "show"), "Show the log lines of a session", (_WHICH,), ("grilse log show",), (), _SESSION, ours=True
    ),
    Command(
        ("log", "replay"),
        "Show a session again as it went",
        (_WHICH,),
        ("grilse log replay --speed 10",),
        (Option(("--speed",), "How many times faster than it was; 0: at once", NUMBER, default="1", ours=True),),
        _SESSION,
        ours=True,
    ),
    Command(
        ("log", "what-ran"),
        "List the jobs of a session and how long each took",
        (_WHICH,),
        ("grilse log what-ran",),
        (),
        _SESSION,
        ours=True,
    ),
    Command(
        ("log", "what-failed"),
        "Show the failures of a session, grouped by cause",
        (_WHICH,),
        ("grilse log what-failed",),
        (),
        _SESSION,
        ours=True,
    ),
    Command(
        ("log", "critical-path"),
        "Show the chain of jobs that the session had to wait for",
        (_WHICH,),
        ("grilse log critical-path",),
        (),
        _SESSION,
        ours=True,
    ),
    Command(
        ("log", "trace"),
        "Write a session as a trace that Perfetto and Chrome open",
        (_WHICH,),
        ("grilse log trace --out trace.json",),
        (Option(("--out",), "File to write instead of standard output", PATH, ours=True),),
        _SESSION,
        ours=True,
    ),
)
