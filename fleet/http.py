"""One request over HTTP/1.1, on streams that are open already: down an SSH connection, or straight to a server."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import SplitResult

from fleet.errors import EndpointError
from fleet.text import clean

_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What a request brought."""

    status: int
    body: bytes
    retry_after: float | None = None
    """Seconds after which the server wants to be asked again, where it says so."""


class Reader(Protocol):
    """Where bytes come from: a stream of asyncio's or of asyncssh's."""

    async def read(self, n: int, /) -> bytes:
        """At most that many bytes; none at the end."""


class Writer(Protocol):
    """Where bytes go."""

    def write(self, data: bytes, /) -> None:
        """Send these bytes, some time soon."""


async def get_over(
    reader: Reader,
    writer: Writer,
    place: SplitResult,
    shown: str,
    *,
    limit: int,
    headers: Mapping[str, str] | None = None,
) -> HttpAnswer:
    """GET a URL from who is at the other end of these streams, which are not used again.

    Args:
        reader: What the other end says.
        writer: What it is told.
        place: The URL; its path and query are asked for, its name goes into ``Host``.
        shown: What the URL is called in sentences.
        limit: Bytes of a body that are read; a longer one is refused.
        headers: Others to send.

    Raises:
        EndpointError: What is asked or what comes is no HTTP, or it ends too early, or is too long.
    """
    return await _asked(reader, writer, place, shown, "GET", b"", limit, headers or {})


async def post_over(
    reader: Reader,
    writer: Writer,
    place: SplitResult,
    shown: str,
    body: bytes,
    *,
    limit: int,
    headers: Mapping[str, str],
) -> HttpAnswer:
    """POST a body to a URL; otherwise as `get_over`."""
    return await _asked(reader, writer, place, shown, "POST", body, limit, headers)


@asynccontextmanager
async def connected(place: SplitResult, shown: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Streams to a URL's server, over TLS by the system's trust store where it is an HTTPS one.

    Raises EndpointError, which calls the server as ``shown``, where it is not reached, lost again or not trusted.
    """
    secure = await asyncio.to_thread(ssl.create_default_context) if place.scheme == "https" else None
    port = place.port or (443 if secure else 80)
    try:
        reader, writer = await asyncio.open_connection(place.hostname, port, ssl=secure)
        try:
            yield reader, writer
        finally:
            writer.close()
    except ssl.SSLCertVerificationError as error:
        raise EndpointError(
            f"{shown} shows a certificate that is not trusted: {clean(error.verify_message)}.",
            "Add its authority to the system's trust store, or name it by SSL_CERT_FILE.",
        ) from None
    except OSError as error:
        raise EndpointError(f"{shown} is not reached: {_reason(error)}.") from None
    except UnicodeError:
        raise EndpointError(f"{shown} is not reached: no machine can have such a name.") from None


def _reason(error: OSError) -> str:
    if isinstance(error, ConnectionError) and error.errno:  # where asyncio's own words repeat the address
        return os.strerror(error.errno)
    return clean(error.strerror or str(error) or type(error).__name__)


async def _asked(
    reader: Reader,
    writer: Writer,
    place: SplitResult,
    shown: str,
    method: str,
    content: bytes,
    limit: int,
    headers: Mapping[str, str],
) -> HttpAnswer:
    import h11

    exchange = h11.Connection(h11.CLIENT)
    usual = {"Host": place.netloc, "Accept": "*/*", "Connection": "close"}
    usual |= {"Content-Length": str(len(content))} if content else {}
    target = f"{place.path or '/'}{'?' + place.query if place.query else ''}"
    status, after, body = 0, None, bytearray()
    try:
        request = h11.Request(method=method, target=target, headers=[*(usual | dict(headers)).items()])
        for event in (request, *([h11.Data(data=content)] if content else []), h11.EndOfMessage()):
            writer.write(exchange.send(event) or b"")
        while True:
            match exchange.next_event():
                case h11.Response(status_code=status, headers=told):
                    after = _seconds(dict(told.raw_items()))
                case h11.Data(data=data):
                    body += data
                    if len(body) > limit:
                        raise EndpointError(f"{shown} answers with more than {limit >> 20} MiB.")
                case h11.EndOfMessage():
                    return HttpAnswer(status, bytes(body), after)
                case h11.NEED_DATA:
                    data = await reader.read(_CHUNK)
                    if not data and exchange.their_state is h11.SEND_RESPONSE:
                        raise EndpointError(f"{shown} closed the connection without an answer.")
                    exchange.receive_data(data)
    except h11.LocalProtocolError:  # whose words may quote a secret header
        raise EndpointError(f"{shown} cannot be asked: it holds what HTTP does not allow.") from None
    except h11.RemoteProtocolError as error:
        raise EndpointError(f"{shown} does not speak HTTP: {clean(str(error))}.") from error


def _seconds(headers: Mapping[bytes, bytes]) -> float | None:
    """What ``Retry-After`` says; None where it is not said, or as a date."""
    said = {name.lower(): value for name, value in headers.items()}.get(b"retry-after", b"")
    return float(said) if said.isdigit() and len(said) < 10 else None
