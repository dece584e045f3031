"""One GET over HTTP/1.1, on streams that are open already: down an SSH connection, or straight to a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import SplitResult

from fleet.errors import EndpointError
from fleet.text import clean

_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What a GET brought."""

    status: int
    body: bytes


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
    import h11

    exchange = h11.Connection(h11.CLIENT)
    usual = {"Host": place.netloc, "Accept": "*/*", "Connection": "close"}
    target = f"{place.path or '/'}{'?' + place.query if place.query else ''}"
    status, body = 0, bytearray()
    try:
        request = h11.Request(method="GET", target=target, headers=[*(usual | dict(headers or {})).items()])
        for event in (request, h11.EndOfMessage()):
            writer.write(exchange.send(event) or b"")
        while True:
            match exchange.next_event():
                case h11.Response(status_code=status):
                    pass
                case h11.Data(data=data):
                    body += data
                    if len(body) > limit:
                        raise EndpointError(f"{shown} answers with more than {limit >> 20} MiB.")
                case h11.EndOfMessage():
                    return HttpAnswer(status, bytes(body))
                case h11.NEED_DATA:
                    data = await reader.read(_CHUNK)
                    if not data and exchange.their_state is h11.SEND_RESPONSE:
                        raise EndpointError(f"{shown} closed the connection without an answer.")
                    exchange.receive_data(data)
    except h11.LocalProtocolError:  # whose words may quote a secret header
        raise EndpointError(f"{shown} cannot be asked: it holds what HTTP does not allow.") from None
    except h11.RemoteProtocolError as error:
        raise EndpointError(f"{shown} does not speak HTTP: {clean(str(error))}.") from error
