"""Downloads one file over HTTP, HTTPS, FTP or from ``file:``, with the credentials of ``.netrc``.

Must not know sources.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import netrc
    import urllib.request

# Seconds that a server may be silent.
TIMEOUT = 600

# What servers are told; some give other files to programs they do not know.
_AGENT = "BuildStream/2"
_NOT_MODIFIED = 304


@dataclass(frozen=True, slots=True)
class Download:
    """What came of a download.

    Attributes:
        path: the file, or None if there was none, or it had not changed.
        etag: what the server calls it.
        error: why there is none, or None.
    """

    path: str | None = None
    etag: str | None = None
    error: str | None = None


def read_netrc() -> tuple[netrc.netrc | None, str | None]:
    """The user's ``.netrc`` if there is one, and what is wrong with it."""
    import netrc

    try:
        return netrc.netrc(), None
    except OSError:
        return None, None
    except netrc.NetrcParseError as error:
        return None, str(error)


def download(url: str, directory: str, etag: str | None, credentials: netrc.netrc | None, bearer: bool) -> Download:
    """Download a file.

    Args:
        url: from where.
        directory: where to put it, under the name that the server gives it.
        etag: what the server called it before; it is not downloaded again if it still does.
        credentials: user names and passwords by host, or None.
        bearer: whether the password is a bearer token.

    Returns:
        the file or an error; nothing is raised for what a server or the network may do.
    """
    import http.client
    import urllib.error
    import urllib.request

    try:
        request = urllib.request.Request(url, headers={"Accept": "*/*", "User-Agent": _AGENT})
        if etag is not None:
            request.add_header("If-None-Match", etag)
        if bearer and credentials is not None:
            entry = credentials.authenticators(request.host.rpartition(":")[0] or request.host)
            if entry:
                request.add_header("Authorization", f"Bearer {entry[2]}")
        opener = _opener(None if bearer else credentials)
        with contextlib.closing(opener.open(request, timeout=TIMEOUT)) as response:
            headers = response.info()
            found: str | None = headers["ETag"]
            if etag and found == etag:
                return Download()
            name = os.path.basename(headers.get_filename(os.path.basename(url)) or "")
            path = os.path.join(directory, name or "download")
            with open(path, "wb") as file:
                shutil.copyfileobj(response, file)
                length = file.tell()
        announced = headers.get("Content-Length")
        if announced and length < int(announced):
            return Download(error=f"Only {length} of {announced} bytes arrived")
        return Download(path, found)
    except urllib.error.HTTPError as error:
        with error:
            return Download() if error.code == _NOT_MODIFIED else Download(error=str(error))
    except (OSError, ValueError, http.client.HTTPException) as error:
        return Download(error=str(error) or type(error).__name__)


def _opener(credentials: netrc.netrc | None) -> urllib.request.OpenerDirector:
    """What opens URLs, giving each server the credentials that it has in ``.netrc``."""
    import urllib.parse
    import urllib.request

    if credentials is None:
        return urllib.request.build_opener()
    known = credentials

    class Passwords(urllib.request.HTTPPasswordMgr):
        def add_password(self, realm: Any, uri: Any, user: Any, passwd: Any) -> None:
            """Nothing: all come from the file."""

        def find_user_password(self, realm: Any, authuri: str) -> tuple[str | None, str | None]:
            """User and password for a URL."""
            entry = known.authenticators(urllib.parse.urlsplit(authuri).hostname or "")
            return (entry[0], entry[2]) if entry else (None, None)

    class Ftp(urllib.request.FTPHandler):
        def ftp_open(self, req: urllib.request.Request) -> Any:
            """Open a URL of FTP, logged in as the file says if the URL does not say it."""
            parts = urllib.parse.urlsplit(req.full_url)
            entry = known.authenticators(parts.hostname or "")
            if parts.username is None and entry:
                quote = urllib.parse.quote
                req.host = f"{quote(entry[0], '')}:{quote(entry[2] or '', '')}@{parts.netloc}"
            return super().ftp_open(req)

    return urllib.request.build_opener(
        urllib.request.HTTPBasicAuthHandler(Passwords()), urllib.request.HTTPDigestAuthHandler(Passwords()), Ftp()
    )
