"""What can be typed: every command and option as data, one module for each group of commands.

Knows nothing of how words are parsed or carried out.
"""

from __future__ import annotations

from ..grammar import Vocabulary
from .artifacts import ARTIFACT_COMMANDS
from .elements import ELEMENT_COMMANDS
from .main import PROGRAM
from .sessions import LOG_COMMANDS
from .sources import SOURCE_COMMANDS
from .tools import TOOL_COMMANDS
from .workspaces import WORKSPACE_COMMANDS

VOCABULARY = Vocabulary(
    (
        PROGRAM,
        *ELEMENT_COMMANDS,
        *ARTIFACT_COMMANDS,
        *SOURCE_COMMANDS,
        *WORKSPACE_COMMANDS,
        *LOG_COMMANDS,
        *TOOL_COMMANDS,
    )
)
