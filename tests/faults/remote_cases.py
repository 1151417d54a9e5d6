"""The faults of the campaign `tests.faults.remote`, each with what it can meet and what must come of it."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grilse.remote.library import grpc
from grilse.storage.digest import digest_bytes
from grilse.storage.proto import remote_execution_pb2 as messages
from tests.remote.servers import Server

from .proxy import Fault
from .remote_faults import (
    CONTENT,
    READS,
    WRITES,
    Altered,
    Forgetful,
    Garbage,
    Killed,
    Refused,
    Silent,
    Slow,
    Token,
    WrongNames,
)

READING, WRITING = ("build", "pull"), ("push", "build and push")
USES = (*READING, *WRITING)
TOKEN = "the right token"
# Room for a cache that is too small for the artifacts.
SMALL_DISK = "5m"
CERTIFICATE_SECONDS = 60

Make = Callable[[Server, random.Random], Fault]


def _nothing(server: Server, dice: random.Random) -> Fault:
    return Fault()


@dataclass(frozen=True, slots=True)
class Case:
    """A fault by its name.

    Attributes:
        name: in reports.
        uses: what it can meet.
        make: makes what happens between client and server.
        spoil: does harm in the directory of the server before that is started.
        tls: who speaks which TLS: "" for nobody, or as in `Keys.of`.
        disk: size of the disk that the cache is on, or "".
        complete: whether everything must be transferred whatever happens.
        once: whether it may delay a session by one deadline only.
    """

    name: str
    uses: tuple[str, ...]
    make: Make = _nothing
    spoil: Callable[[Path, random.Random], None] | None = None
    tls: str = ""
    disk: str = ""
    complete: bool = False
    once: bool = False


def _altered(how: str, method: str) -> Make:
    return lambda server, dice: Altered(how, (method,), dice.choice((0.3, 1.0)), dice)


def _refusing(code: str, methods: tuple[str, ...]) -> Make:
    return lambda server, dice: Refused(methods, code, dice.randint(0, 3))


def _no_record() -> Any:
    digest = digest_bytes(b"")
    return messages.Digest(hash=digest.hash, size_bytes=digest.size)


def _objects(directory: Path) -> list[Path]:
    return sorted(path for path in (directory / "cas" / "objects").glob("*/*") if path.is_file())


def _expire(directory: Path, dice: random.Random) -> None:
    for path in dice.sample(_objects(directory), 3):
        path.unlink()


def _rot(directory: Path, dice: random.Random) -> None:
    for path in dice.sample([path for path in _objects(directory) if path.stat().st_size], 3):
        data = bytearray(path.read_bytes())
        data[dice.randrange(len(data))] ^= 1
        path.chmod(0o644)
        path.write_bytes(data)


CASES = (
    Case("server killed", READING, lambda s, d: Killed(s, d.randint(1, 8), None)),
    Case("server killed", WRITING, lambda s, d: Killed(s, d.randint(1, 8), None)),
    Case("server killed and started again", READING, lambda s, d: Killed(s, d.randint(1, 8), 0.3)),
    Case("server killed and started again", WRITING, lambda s, d: Killed(s, d.randint(1, 8), 0.3)),
    Case("slow, 1 kB/s", USES, lambda s, d: Slow()),
    Case("accepts and never answers", USES, lambda s, d: Silent(0), once=True),
    Case("answers no more", USES, lambda s, d: Silent(d.randint(3, 25)), once=True),
    *(
        Case(f"{method}: {how}", READING, _altered(how, method))
        for method, hows in (
            ("BatchReadBlobs", ("flip", "cut", "grow", "swap", "empty", "mislabel", "missing")),
            ("Read", ("flip", "cut", "grow", "empty", "missing")),
        )
        for how in hows
    ),
    Case("GetTree: other directories", READING, _altered("flip", "GetTree"), complete=True),
    Case("blobs expired on the server", READING, spoil=_expire),
    Case("blobs rotten on the server's disk", READING, spoil=_rot),
    Case("index names other artifacts", READING, lambda s, d: WrongNames("other", None, d)),
    Case("index names what nobody has", READING, lambda s, d: WrongNames("nothing", None, d)),
    Case("index names what is no record", READING, lambda s, d: WrongNames("file", _no_record(), d)),
    Case("garbage in answers", READING, lambda s, d: Garbage((d.choice(("FetchBlob", *READS)),), d)),
    Case("garbage in answers", WRITING, lambda s, d: Garbage((d.choice(("FindMissingBlobs", *WRITES)),), d)),
    Case("claims to have every blob", ("push",), lambda s, d: Forgetful()),
    Case("fails once", USES, lambda s, d: Refused(CONTENT, "UNAVAILABLE", 1, 1), complete=True),
    *(
        Case(f"refuses: {code}", uses, _refusing(code, methods))
        for code in ("INTERNAL", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "UNIMPLEMENTED", "UNAVAILABLE")
        for uses, methods in ((READING, ("BatchReadBlobs", "Read")), (WRITING, WRITES))
    ),
    Case("wrong token", USES, lambda s, d: Token("another token")),
    Case("token not valid any more", USES, lambda s, d: Token("another token", d.randint(4, 12))),
    Case("TLS: client only", USES, tls="client only"),
    Case("TLS: server only", USES, tls="server only"),
    Case("TLS: certificate of a stranger", USES, tls="stranger"),
    Case("TLS: no client certificate", USES, tls="no client certificate"),
    Case("TLS and token are right", USES, lambda s, d: Token(TOKEN), tls="right", complete=True),
    Case("disk full here", READING, disk=SMALL_DISK),
)


class Keys:
    """Keys and certificates of two authorities, a server at 127.0.0.1 and a client; and a token.

    Args:
        directory: for their files.

    Raises:
        OSError, subprocess.CalledProcessError: openssl does not work.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory = directory
        for name in ("authority", "stranger"):
            self._openssl(
                *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
                *("-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", f"/CN={name}"),
            )
        (directory / "names").write_text("subjectAltName=IP:127.0.0.1\n")
        for name in ("server", "client"):
            self._openssl(
                *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
                *("-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}"),
            )
            self._openssl(
                *("x509", "-req", "-in", f"{name}.csr", "-CA", "authority.crt", "-CAkey", "authority.key"),
                *("-CAcreateserial", "-out", f"{name}.crt", "-days", "2", "-extfile", "names"),
            )
        (directory / "token").write_text(f"{TOKEN}\n")

    def _openssl(self, *words: str) -> None:
        subprocess.run(
            ["openssl", *words], cwd=self._directory, check=True, capture_output=True, timeout=CERTIFICATE_SECONDS
        )

    def credentials(self, tls: str) -> Any:
        """What the server speaks: None for no TLS."""
        if tls in ("", "client only"):
            return None
        read = lambda name: (self._directory / name).read_bytes()  # noqa: E731
        demands = tls in ("right", "no client certificate")
        return grpc.ssl_server_credentials(
            [(read("server.key"), read("server.crt"))], read("authority.crt") if demands else None, demands
        )

    def options(self, tls: str) -> str:
        """What the user's configuration says, as the value of ``auth``."""
        words = {"access-token": "token"}
        if tls:
            words["server-cert"] = "stranger.crt" if tls == "stranger" else "authority.crt"
        if tls == "right":
            words |= {"client-key": "client.key", "client-cert": "client.crt"}
        return "{" + ", ".join(f"{key}: '{self._directory / name}'" for key, name in words.items()) + "}"

    @staticmethod
    def scheme(tls: str) -> str:
        """How the client begins the URL."""
        return "http" if tls in ("", "server only") else "https"
