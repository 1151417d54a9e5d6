"""Programs of the user's that are run for them: the pager.

Knows where they are configured; nothing of terminals.
"""

from __future__ import annotations

import os


def pager_command(path: str) -> list[str] | None:
    """The command line that shows a file page by page, or None when there is no pager."""
    # A fifth of what the frontend of a session imports, for what hardly any needs
    import shlex
    import shutil

    configured = os.environ.get("PAGER")
    if configured:
        try:
            words = shlex.split(configured)
        except ValueError:
            words = []
        if words and shutil.which(words[0]):
            # Logs have colours; less shows them when told to.
            if os.path.basename(words[0]) == "less" and len(words) == 1:
                words.append("-R")
            return [*words, path]
    if shutil.which("less"):
        return ["less", "-R", path]
    if shutil.which("more"):
        return ["more", path]
    return None
