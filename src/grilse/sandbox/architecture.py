"""The names of machine architectures: the many that machines and projects use, and the one that BuildStream uses.

Knows nothing of options, nor of how sandboxes are run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# Canonical names and the other names of each; the names themselves are those of BuildStream and of remote execution.
_OTHER_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "aarch32": ("arm",),
    "aarch64": ("armv8l",),
    "aarch64-be": ("armv8b",),
    "la64v100": ("loong64", "loongarch64"),
    "power-isa-be": ("powerpc", "powerpc64", "ppc64"),
    "power-isa-le": ("powerpc64le", "ppc64le"),
    "rv32g": ("riscv32",),
    "rv64g": ("riscv64",),
    "sparc-v9": ("sparc", "sparc64", "sun4v"),
    "x86-32": ("i386", "i486", "i586", "i686"),
    "x86-64": ("amd64",),
}
_CANONICAL: Final = {name: canonical for canonical, others in _OTHER_NAMES.items() for name in (canonical, *others)}


def canonical_architecture(name: str) -> str | None:
    """BuildStream's name for an architecture, or None if it has none; case and underscores do not matter."""
    return _CANONICAL.get(name.replace("_", "-").lower())


def host_architecture() -> str:
    """The canonical name for this machine, or what the machine says if there is none."""
    import platform  # not needed by projects without such an option

    machine = platform.machine()
    return canonical_architecture(machine) or machine


def host_system() -> str:
    """The name of this machine's operating system, as ``uname`` says it."""
    import platform

    return platform.system()
