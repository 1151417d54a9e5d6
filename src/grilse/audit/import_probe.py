"""Run a script with its imports watched until it sends its first event: started in place of the script itself.

Which script, which message counts, and where to write are in environment variables; a file of its own, which imports
next to nothing.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import sys
from typing import Any


def main() -> None:
    """Run the script that ``GRILSE_AUDIT_SCRIPT`` names as the main module."""
    sys.path.insert(0, os.environ["GRILSE_AUDIT_HOME"])
    from grilse.audit.observe import ImportWatch, UseWatch

    uses = os.environ["GRILSE_AUDIT_WATCH"] == "uses"
    imports = ImportWatch()
    used = UseWatch()
    left = [int(os.environ["GRILSE_AUDIT_FIRST"])]

    def write() -> None:
        imports.remove()
        used.remove()
        with open(os.environ["GRILSE_AUDIT_REPLY"], "w", encoding="utf-8") as file:
            json.dump({"imports": imports.entries, "used": sorted(used.used)}, file)

    if uses:
        used.install()
    else:
        imports.install()
    # Watched as well: the script would import it.
    module, _, name = os.environ["GRILSE_AUDIT_CONNECTION"].partition(":")
    kind: Any = getattr(importlib.import_module(module), name)()
    real = kind.send_bytes

    def send_bytes(self: Any, buf: bytes, *rest: int) -> None:
        real(self, buf, *rest)
        left[0] -= 1
        if left[0] == 0:
            write()

    kind.send_bytes = send_bytes
    script = os.environ["GRILSE_AUDIT_SCRIPT"]
    sys.argv = [script, *sys.argv[1:]]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
