"""Servers and repositories on this machine that sources of plugin packages download from.

Knows what registries, indexes and repositories look like from outside; nothing of the tools that use them.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# Times and names that do not change, so that commits have the same names in every run
GIT_ENVIRONMENT = {
    "GIT_AUTHOR_DATE": "2020-01-01T00:00:00Z",
    "GIT_COMMITTER_DATE": "2020-01-01T00:00:00Z",
    "GIT_AUTHOR_NAME": "somebody",
    "GIT_AUTHOR_EMAIL": "somebody@example.org",
    "GIT_COMMITTER_NAME": "somebody",
    "GIT_COMMITTER_EMAIL": "somebody@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_COUNT": "2",
    "GIT_CONFIG_KEY_0": "protocol.file.allow",
    "GIT_CONFIG_VALUE_0": "always",
    "GIT_CONFIG_KEY_1": "init.defaultBranch",
    "GIT_CONFIG_VALUE_1": "main",
}

Page = tuple[bytes, dict[str, str]]


class WebServer:
    """Serves what is put into `pages` (by path) until the block ends.

    Attributes:
        url: its address, without a slash at the end.
        pages: content and headers, by path.
    """

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        pages = self.pages

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = pages.get(self.path.partition("?")[0])
                if page is None:
                    self.send_error(404)
                    return
                content, headers = page
                self.send_response(200)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def put(self, path: str, content: bytes, **headers: str) -> str:
        """Serve `content`; gives its SHA-256."""
        self.pages[path] = (content, {name.replace("_", "-"): value for name, value in headers.items()})
        return hashlib.sha256(content).hexdigest()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


def tarball(files: dict[str, str], *, compressed: bool = True) -> bytes:
    """An archive whose bytes depend on nothing but `files`."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            entry.mode = 0o644
            archive.addfile(entry, io.BytesIO(text.encode()))
    return gzip.compress(out.getvalue(), mtime=0) if compressed else out.getvalue()


def zipped(files: dict[str, str]) -> bytes:
    """A ZIP archive of `files`."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), text)
    return out.getvalue()


def docker_image(server: WebServer, name: str, tag: str, layers: list[bytes]) -> None:
    """Serve an image as a registry of Docker does; `layers` are compressed archives, bottom first."""
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
    blobs = [config, *layers]
    digests = [f"sha256:{hashlib.sha256(blob).hexdigest()}" for blob in blobs]
    for digest, blob in zip(digests, blobs, strict=True):
        server.put(f"/v2/{name}/blobs/{digest}", blob)
        server.put(f"/v2/{name}/blobs/{digest.replace(':', '%3A')}", blob)
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": kind,
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "size": len(config),
                "digest": digests[0],
            },
            "layers": [
                {
                    "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                    "size": len(blob),
                    "digest": digest,
                }
                for digest, blob in zip(digests[1:], layers, strict=True)
            ],
        }
    ).encode()
    own = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    for reference in (tag, own, own.replace(":", "%3A")):
        server.put(f"/v2/{name}/manifests/{reference}", manifest, Content_Type=kind, Docker_Content_Digest=own)


def git(directory: Path, *words: str) -> str:
    """Run git in a repository; gives what it prints."""
    done = subprocess.run(
        ["git", *words],
        cwd=directory,
        env={**os.environ, **GIT_ENVIRONMENT},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def bzr(directory: Path, *words: str) -> None:
    """Run bzr in a branch."""
    environment = {**os.environ, "BRZ_EMAIL": "somebody <somebody@example.org>", "BZR_EMAIL": "somebody@example.org"}
    subprocess.run(["bzr", *words], cwd=directory, env=environment, check=True)


def git_repository(directory: Path, files: dict[str, str]) -> str:
    """A repository with one commit, tagged ``v1.0``; gives the commit."""
    directory.mkdir(parents=True)
    git(directory, "init", "-q")
    return git_commit(directory, files, tag="v1.0")


def git_commit(directory: Path, files: dict[str, str], tag: str | None = None) -> str:
    """Commit `files`; gives the commit."""
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    git(directory, "add", "-A")
    git(directory, "commit", "-qm", "change")
    if tag is not None:
        git(directory, "tag", "-a", tag, "-m", tag)
    return git(directory, "rev-parse", "HEAD")


@contextmanager
def git_daemon(base: Path, port: int) -> Iterator[str]:
    """Serve all repositories below `base` while the block lasts; gives the URL."""
    command = ["git", "daemon", "--reuseaddr", f"--base-path={base}", "--export-all", "--listen=127.0.0.1"]
    with subprocess.Popen(
        [*command, f"--port={port}", "--verbose"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as daemon:
        try:
            assert daemon.stderr is not None
            line = daemon.stderr.readline()
            assert "Ready to rumble" in line, line
            yield f"git://127.0.0.1:{port}"
        finally:
            os.killpg(daemon.pid, 15)
