"""Keep the compiled code of plugins in the cache directory, since nothing may be left beside their sources.

Must not know how plugins are found.  An entry is named by the interpreter, the file and its content, so that it never
goes stale; one that is damaged is compiled again.
"""

from __future__ import annotations

import hashlib
import marshal
import os
from collections.abc import Callable
from importlib.util import MAGIC_NUMBER
from types import CodeType
from typing import Final

# More files than the plugins of many projects have; beyond them the oldest go.
MAX_ENTRIES: Final = 2000

_DIGEST_SIZE: Final = 32


def compiled(directory: str, path: str, source: bytes, compile_source: Callable[[], CodeType]) -> CodeType:
    """The code of a plugin's file, taken from `directory` or put there; failing to write is no error.

    Raises:
        SyntaxError: the source is not Python.
    """
    key = hashlib.sha256(b"\0".join((MAGIC_NUMBER, os.fsencode(path), source))).hexdigest()
    entry = os.path.join(directory, key)
    code = _read(entry)
    if code is None:
        code = compile_source()
        _write(directory, entry, code)
    return code


def _read(entry: str) -> CodeType | None:
    try:
        with open(entry, "rb") as file:
            content = file.read()
    except OSError:
        return None
    data = content[_DIGEST_SIZE:]
    # Unmarshalling what is damaged could do anything.
    if hashlib.sha256(data).digest() != content[:_DIGEST_SIZE]:
        return None
    code = marshal.loads(data)
    return code if isinstance(code, CodeType) else None


def _write(directory: str, entry: str, code: CodeType) -> None:
    data = marshal.dumps(code)
    temporary = f"{entry}.{os.getpid()}"
    try:
        os.makedirs(directory, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(hashlib.sha256(data).digest() + data)
        os.replace(temporary, entry)
        _prune(directory)
    except OSError:
        return


def _prune(directory: str) -> None:
    with os.scandir(directory) as entries:
        paths = [entry.path for entry in entries]
    if len(paths) > MAX_ENTRIES:
        paths.sort(key=os.path.getmtime)
        for path in paths[: MAX_ENTRIES // 4]:
            os.unlink(path)
