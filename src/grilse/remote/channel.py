"""Makes gRPC channels to remotes: addresses, TLS, client certificates, access tokens, keep-alive.

Knows nothing of what is said over a channel.  URLs as BuildStream takes them: ``http://`` and ``grpc://`` in the clear,
``https://`` and ``grpcs://`` with TLS, ``unix:PATH`` for a socket of this machine.
"""

from __future__ import annotations

import ipaddress
import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from grilse import __version__
from grilse.protocol.errors import RemoteError
from grilse.remote.config import RemoteConfig
from grilse.remote.errors import CREDENTIALS
from grilse.remote.library import grpc

# A message larger than this is no message of a sane server; the library's own limit of 4 MiB is too small for a page
# of GetTree.
_LARGEST_MESSAGE_BYTES = 256 << 20
_KEEPALIVE_ANSWER_MILLISECONDS = 20_000
_LONGEST_RECONNECT_MILLISECONDS = 10_000

_PLAIN_SCHEMES = ("http", "grpc")
_TLS_SCHEMES = ("https", "grpcs")


class Address(NamedTuple):
    """Where a channel goes.

    Attributes:
        target: in the library's syntax.
        tls: whether the connection is encrypted.
        local: whether it stays on this machine.
    """

    target: str
    tls: bool
    local: bool


def parse_url(url: str) -> Address:
    """Read the URL of a remote.

    Raises:
        RemoteError: it is none that we understand.
    """
    if url.startswith("unix:"):
        return Address(url, tls=False, local=True)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise RemoteError(f"'{url}' is not the URL of a remote: {error}") from error
    if parts.scheme not in _PLAIN_SCHEMES + _TLS_SCHEMES:
        raise RemoteError(f"'{url}' is not the URL of a remote: http://, https:// or unix: is expected")
    if not parts.hostname:
        raise RemoteError(f"'{url}' is not the URL of a remote: it names no host")
    if parts.path.strip("/") or parts.query:
        raise RemoteError(f"'{url}' is not the URL of a remote: nothing may follow the host and port")
    tls = parts.scheme in _TLS_SCHEMES
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Address(f"{host}:{port or (443 if tls else 80)}", tls, _is_local(parts.hostname))


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def make_channel(config: RemoteConfig) -> Any:
    """Make a channel; it connects when it is first used.

    Raises:
        RemoteError: the URL makes no sense, or credentials cannot be read (reason ``load-remote-creds-failed``).
    """
    address = parse_url(config.url)
    options: list[tuple[str, Any]] = [
        ("grpc.max_receive_message_length", _LARGEST_MESSAGE_BYTES),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_reconnect_backoff_ms", _LONGEST_RECONNECT_MILLISECONDS),
        ("grpc.primary_user_agent", f"grilse/{__version__}"),
        # We retry ourselves, since we know what may be sent twice and have to say when we give up.
        ("grpc.enable_retries", 0),
        # Each of our channels is meant to be a connection of its own.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if config.keepalive_time:
        options += [
            ("grpc.keepalive_time_ms", config.keepalive_time * 1000),
            ("grpc.keepalive_timeout_ms", _KEEPALIVE_ANSWER_MILLISECONDS),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.max_pings_without_data", 0),
        ]
    if address.tls:
        credentials = grpc.ssl_channel_credentials(
            root_certificates=_read_credential(config, config.server_cert),
            private_key=_read_credential(config, config.client_key),
            certificate_chain=_read_credential(config, config.client_cert),
        )
        return grpc.secure_channel(address.target, credentials, options=options)
    return grpc.insecure_channel(address.target, options=options)


def _read_credential(config: RemoteConfig, path: str | None) -> bytes | None:
    if not path:
        return None
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise RemoteError(
            f"Failed to load credentials file: {path}", detail=str(error), reason=CREDENTIALS, where=config.where
        ) from error


class Token:
    """The access token of a remote, read again when it gets old.

    Args:
        config: names the token's file, if any.

    Raises:
        RemoteError: a token would travel unencrypted over a network.
    """

    def __init__(self, config: RemoteConfig) -> None:
        self._config = config
        self._token = ""
        self._read_at: float | None = None
        if config.access_token:
            address = parse_url(config.url)
            if not (address.tls or address.local):
                raise RemoteError(
                    f"The access token for {config.url} is not sent, since the connection is not encrypted",
                    detail="Use a https:// URL.",
                    reason=CREDENTIALS,
                    where=config.where,
                )

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with each request.

        Raises:
            RemoteError: the token cannot be read.
        """
        if not self._config.access_token:
            return ()
        now = time.monotonic()
        interval = self._config.access_token_reload_interval
        if self._read_at is None or (interval and now - self._read_at >= interval * 60):
            data = _read_credential(self._config, self._config.access_token) or b""
            self._token = data.decode("utf-8", "replace").strip()
            self._read_at = now
        return (("authorization", f"Bearer {self._token}"),)

    def forget(self) -> bool:
        """Read the token's file again next time; whether there is such a file."""
        self._read_at = None
        return bool(self._config.access_token)
