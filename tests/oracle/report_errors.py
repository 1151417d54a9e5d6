"""Runs BuildStream's command line and notes the domain and reason of the errors that it ends with.

Run by the Python of BuildStream's environment, as a script; knows nothing of grilse. The error goes, as one line of
JSON, to the file named by GRILSE_ORACLE_ERROR; with GRILSE_ORACLE_TASKS set, so does that of the last failed job.
"""

from __future__ import annotations

import json
import os
import sys


def main() -> None:
    # The interpreter has put this script's folder first: none of our modules may stand in for theirs
    sys.path.pop(0)
    place = os.environ.pop("GRILSE_ORACLE_ERROR")
    tasks = os.environ.pop("GRILSE_ORACLE_TASKS", None)
    if tasks:
        # Only so does BuildStream remember what failed jobs failed with
        os.environ["BST_TEST_SUITE"] = "1"
    from buildstream import _exceptions
    from buildstream._frontend import app, cli

    leave = app.App._error_exit

    def note(scope, domain, reason, message):  # type: ignore[no-untyped-def]
        reason = getattr(reason, "name", reason)
        with open(place, "a", encoding="utf-8") as file:
            words = {"scope": scope, "domain": domain.name, "reason": reason, "message": message}
            file.write(json.dumps(words) + "\n")

    def note_and_leave(self, error, prefix=None):  # type: ignore[no-untyped-def]
        note("main", error.domain, error.reason, str(error))  # type: ignore[no-untyped-call]
        return leave(self, error, prefix)

    app.App._error_exit = note_and_leave
    try:
        cli.main(args=sys.argv[1:], prog_name="bst")
    finally:
        if tasks:
            domain, reason = _exceptions.get_last_task_error()
            if domain is not None:
                note("task", domain, reason, "")  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
