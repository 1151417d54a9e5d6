"""Runs BuildStream's command line and notes the domain and reason of the error that it ends with.

Run by the Python of BuildStream's environment, as a script; knows nothing of grilse. The error goes, as one line of
JSON, to the file named by GRILSE_ORACLE_ERROR.
"""

from __future__ import annotations

import json
import os
import sys


def main() -> None:
    # The interpreter has put this script's folder first: none of our modules may stand in for theirs
    sys.path.pop(0)
    from buildstream._frontend import app, cli

    place = os.environ.pop("GRILSE_ORACLE_ERROR")
    leave = app.App._error_exit

    def note_and_leave(self, error, prefix=None):  # type: ignore[no-untyped-def]
        reason = getattr(error.reason, "name", error.reason)
        with open(place, "w", encoding="utf-8") as file:
            json.dump({"domain": error.domain.name, "reason": reason, "message": str(error)}, file)
        return leave(self, error, prefix)

    app.App._error_exit = note_and_leave
    cli.main(args=sys.argv[1:], prog_name="bst")


if __name__ == "__main__":
    main()
