"""``kind: manual``: runs the commands that the declaration lists.

Must not know anything that `BuildElement` does not.  Its configuration has four lists of commands:
``configure-commands``, ``build-commands``, ``install-commands`` and ``strip-commands``.
"""

from ...plugin.api import BuildElement


class ManualElement(BuildElement):
    """A build element without commands of its own."""

    BST_MIN_VERSION = "2.0"


def setup() -> type[BuildElement]:
    """The plugin's class."""
    return ManualElement
