"""Which operating systems and architectures commands can be run for on this machine.

Knows names of BuildStream's format; nothing of how commands are run.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from grilse.sandbox.architecture import host_architecture
from grilse.sandbox.means import Means

# What `uname -m` says of machines that run programs of another architecture as their own
_KIN: Final = {"x86-32": ("x86_64",), "aarch32": ("aarch64",)}
_PERSONALITY: Final = "linux32"


def for_machine(means: Means, config: Mapping[str, Any]) -> Means:
    """The means with which commands can be run for what an element's sandbox is configured to be.

    Args:
        means: what works on this machine.
        config: ``build-os`` in lower case and ``build-arch``, either as BuildStream names it; absent for the machine's.

    Returns:
        `means`, with a personality for the 32-bit kin of the machine, or with a problem for anything else.
    """
    if means.bwrap is None:
        return means
    system = config.get("build-os", platform.system().lower())
    if system != platform.system().lower():
        return replace(means, bwrap=None, problem=f"this machine runs nothing for the operating system '{system}'")
    wanted = config.get("build-arch")
    if wanted is None or wanted == host_architecture():
        return means
    if platform.machine() in _KIN.get(wanted, ()):
        program = shutil.which(_PERSONALITY)
        if program is not None:
            return replace(means, personality=(program,))
        return replace(means, bwrap=None, problem=f"the program '{_PERSONALITY}' is needed for '{wanted}'")
    return replace(means, bwrap=None, problem=f"this machine runs nothing for the architecture '{wanted}'")
