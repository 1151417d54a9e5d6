"""The command ``grilse audit``: audits an object or this program's start, and compares two audits.

Knows the command line only; also run as ``python -m grilse.audit``.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from .render import FORMATS, as_json, render, render_sections

# Exit statuses: all crosses, something does not (or got worse), the command line is wrong, an orderly error.
CROSSES = 0
DOES_NOT = 1
USAGE = 2
FAILED = 255


def run(argv: list[str]) -> int:
    """Run the command with the words after ``grilse audit``; the exit status."""
    parser = _parser()
    words, command = _split(argv)
    try:
        options = parser.parse_args(words)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else USAGE
    if command and options.what != "start":
        sys.stderr.write(f"{parser.prog}: '--' has a meaning for 'start' only\n")
        return USAGE
    options.command = command
    try:
        status: int = options.carry_out(options)
    except BrokenPipeError:
        return DOES_NOT
    return status


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in argv:
        return argv, []
    place = argv.index("--")
    return argv[:place], argv[place + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="grilse audit",
        description="Say what of an object graph can cross to a spawned process, at what cost, and what to do.",
    )
    commands = parser.add_subparsers(dest="what", required=True, metavar="COMMAND")
    obj = commands.add_parser("object", help="audit the object that a callable returns")
    obj.add_argument("target", metavar="MODULE:CALLABLE", help="called without arguments; its result is audited")
    obj.add_argument("--name", help="what paths begin with (default: the class's name)")
    obj.add_argument("--nodes", type=_positive, help="objects to look at, at most")
    obj.add_argument("--seconds", type=float, help="seconds to take, at most")
    obj.add_argument("--every", action="store_true", help="list blockers of one pattern one by one")
    obj.add_argument(
        "--without",
        metavar="MODULE.CLASS.ATTRIBUTE",
        action="append",
        default=[],
        help="what if this attribute were left out of the state",
    )
    obj.add_argument("--no-spawn", action="store_true", help="spawn no interpreter to load in")
    obj.add_argument("--max-bytes", type=_positive, help="more bytes than this count as not crossing")
    _output_options(obj)
    obj.set_defaults(carry_out=_object)
    start = commands.add_parser(
        "start",
        help="audit this program's own start",
        usage="grilse audit start [--format FORMAT] [--output FILE] [--methods LIST] [--repeat N] [-- COMMAND...]",
        description="Run 'grilse COMMAND' (default: show); say what crosses to its backend and how soon that speaks.",
    )
    start.add_argument("--methods", default="spawn,fork", help="start methods to compare (default: spawn,fork)")
    start.add_argument("--repeat", type=_positive, default=5, help="repetitions (default: 5)")
    start.add_argument("--no-imports", action="store_true", help="do not look at imports")
    _output_options(start)
    start.set_defaults(carry_out=_start)
    compare = commands.add_parser("compare", help="compare two audits; fails if something got worse")
    compare.add_argument("old", metavar="OLD.json")
    compare.add_argument("new", metavar="NEW.json")
    compare.add_argument("--bytes-tolerance", type=float, metavar="SHARE", help="growth that is no growth (0.05)")
    compare.add_argument("--time-tolerance", type=float, metavar="SHARE", help="slowing that is no slowing (1.0)")
    compare.set_defaults(carry_out=_compare)
    return parser


def _output_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=FORMATS, default="text", help="how to show it (default: text)")
    parser.add_argument("--output", metavar="FILE", help="write there instead of to standard output")


def _positive(text: str) -> int:
    value = int(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("must be more than 0")
    return value


def _object(options: argparse.Namespace) -> int:
    from dataclasses import replace

    from .auditor import audit
    from .loading import CannotLoad, load_target
    from .model import Budget

    try:
        target = load_target(options.target)
    except CannotLoad as error:
        return _fail(str(error))
    budget = Budget()
    if options.nodes is not None:
        budget = replace(budget, nodes=options.nodes)
    if options.seconds is not None:
        budget = replace(budget, seconds=options.seconds)
    without: dict[str, list[str]] = {}
    for dotted in options.without:
        cls, _, attribute = dotted.rpartition(".")
        without.setdefault(cls, []).append(attribute)
    report = audit(target, name=options.name, budget=budget, spawn=not options.no_spawn, without=without)
    status = _write(render(report, options.format, every=options.every), options.output)
    if status != CROSSES:
        return status
    if options.max_bytes is not None and report.bytes > options.max_bytes:
        sys.stderr.write(f"{report.bytes:,} bytes are more than {options.max_bytes:,}\n")
        return DOES_NOT
    return CROSSES if report.crosses else DOES_NOT


def _start(options: argparse.Namespace) -> int:
    from .split import StartFailed, audit_start
    from .start_tables import start_sections

    methods = [method for method in options.methods.split(",") if method]
    unknown = [method for method in methods if method not in ("spawn", "fork")]
    if unknown or not methods:
        sys.stderr.write(f"grilse audit start: no such method: '{', '.join(unknown)}' (spawn, fork)\n")
        return USAGE
    try:
        report = audit_start(
            options.command or ["show"],
            methods=methods,
            repetitions=options.repeat,
            watch_imports=not options.no_imports,
        )
    except StartFailed as error:
        return _fail(f"The start could not be audited: {error}")
    text = (
        as_json(report, "start")
        if options.format == "json"
        else render_sections(start_sections(report), options.format)
    )
    return _write(text, options.output)


def _compare(options: argparse.Namespace) -> int:
    from . import compare

    tolerances: dict[str, Any] = {
        name: value
        for name, value in (
            ("bytes_tolerance", options.bytes_tolerance),
            ("time_tolerance", options.time_tolerance),
        )
        if value is not None
    }
    try:
        found = compare.differences(compare.read(options.old), compare.read(options.new), **tolerances)
    except (OSError, compare.NotAnAudit) as error:
        return _fail(str(error))
    for difference in found:
        sys.stdout.write(f"{'WORSE ' if difference.worse else 'better'} {difference.text}\n")
    if not found:
        sys.stdout.write("Nothing has changed.\n")
    return DOES_NOT if any(difference.worse for difference in found) else CROSSES


def _write(text: str, path: str | None) -> int:
    if path is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return CROSSES
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        return _fail(f"The report cannot be written: {error}")
    return CROSSES


def _fail(text: str) -> int:
    sys.stderr.write(f"ERROR: {text}\n")
    return FAILED
