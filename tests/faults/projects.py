"""The project that campaigns build, and the slow server that some of its sources come from.

Knows what the elements do, and that a *salt* makes them new: what carries another salt has to be built again.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# Elements of each kind of job.
IMPORTS, COMPILES, FETCHES, COMPOSES = 24, 6, 8, 8
# Files of an import, and bytes of each.
FILES, FILE_SIZE = 12, 20_000
# Bytes of a fetched archive, and bytes a second that the server gives.
ARCHIVE_SIZE, ARCHIVE_RATE = 120_000, 400_000
# Bytes that the server gives at a time.
CHUNK = 8_192

SOURCE = """
#include <stdio.h>
int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
int main(void) { printf("%d %s\\n", fib(24), SALT); return 0; }
"""


class Project:
    """Elements of four kinds of jobs, each kind below a stack of its own: ``import.bst``, ``compile.bst``, ...

    Args:
        path: where to write it.
        base: the base system, which is copied.
    """

    kinds = ("import", "compile", "fetch", "compose")

    def __init__(self, path: Path, base: Path) -> None:
        self.path = path
        self.elements = path / "elements"
        self.elements.mkdir(parents=True)
        (path / "project.conf").write_text("name: faults\nmin-version: 2.0\nelement-path: elements\n")
        shutil.copytree(base, path / "base", symlinks=True)
        self._element("base", "kind: import\nsources:\n- kind: local\n  path: base\n")
        (path / "src").mkdir()
        (path / "src" / "fib.c").write_text(SOURCE)
        for number in range(IMPORTS):
            place = path / "files" / str(number)
            place.mkdir(parents=True)
            for file in range(FILES):
                (place / f"f{number}-{file}").write_bytes(_noise(f"{number} {file}", FILE_SIZE))
            self._element(f"i{number}", f"kind: import\nsources:\n- kind: local\n  path: files/{number}\n")
        self._stack("import", [f"i{number}" for number in range(IMPORTS)])

    def salt_imports(self, salt: str) -> None:
        """Make all imports new."""
        for number in range(IMPORTS):
            (self.path / "files" / str(number) / f"salt-{number}").write_text(salt)

    def write(self, salt: str, address: str) -> None:
        """Make all elements of all kinds new; fetched ones come from the server at `address`."""
        self.salt_imports(salt)
        for number in range(COMPILES):
            self._element(f"c{number}", compiling(f"{salt}-{number}"))
        self._stack("compile", [f"c{number}" for number in range(COMPILES)])
        for number in range(FETCHES):
            self._element(f"f{number}", fetching(salt, number, address))
        self._stack("fetch", [f"f{number}" for number in range(FETCHES)])
        for number in range(COMPOSES):
            self._element(
                f"x{number}",
                "kind: compose\nbuild-depends: [base.bst]\nconfig:\n  integrate: False\n"
                f"public:\n  salt: {salt}-{number}\n",
            )
        self._stack("compose", [f"x{number}" for number in range(COMPOSES)])

    def _element(self, name: str, text: str) -> None:
        (self.elements / f"{name}.bst").write_text(text)

    def _stack(self, name: str, members: list[str]) -> None:
        self._element(name, f"kind: stack\ndepends: [{', '.join(f'{member}.bst' for member in members)}]\n")


def compiling(salt: str) -> str:
    """An element that compiles and runs a program."""
    return (
        "kind: manual\nbuild-depends: [base.bst]\nsources:\n- kind: local\n  path: src\n"
        "config:\n  build-commands:\n"
        f"  - cc -O2 -DSALT='\"{salt}\"' -o fib fib.c\n  - ./fib > out\n  - sleep 0.1\n"
        "  install-commands:\n  - mkdir -p %{install-root}/usr/bin\n"
        f"  - cp fib %{{install-root}}/usr/bin/fib-{salt}\n  - cp out %{{install-root}}/out-{salt}\n"
    )


def fetching(salt: str, number: int, address: str) -> str:
    """An element with an archive and a file from the server."""
    name = f"{salt}-{number}"
    sources = (("tar", f"{name}.tar", ""), ("remote", f"{name}.bin", ""))
    text = "kind: import\nsources:\n"
    for kind, file, _ in sources:
        ref = hashlib.sha256(content_of(file)).hexdigest()
        text += f"- kind: {kind}\n  url: {address}/{file}\n  ref: {ref}\n"
    return text


def _noise(seed: str, size: int) -> bytes:
    return hashlib.shake_128(seed.encode()).digest(size)


def content_of(name: str) -> bytes:
    """What the server has under a name: an archive with one file, or noise."""
    if not name.endswith(".tar"):
        return _noise(name, ARCHIVE_SIZE)
    data = _noise(name, ARCHIVE_SIZE)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo(f"top/{name}.data")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


class _Slow(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        data = content_of(os.path.basename(self.path))
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        try:
            for start in range(0, len(data), CHUNK):
                self.wfile.write(data[start : start + CHUNK])
                time.sleep(CHUNK / ARCHIVE_RATE)
        except OSError:
            # Whoever asked was killed: that is what all this is about.
            pass

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def slow_server() -> Iterator[str]:
    """A server on the loopback interface that takes its time; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Slow)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
