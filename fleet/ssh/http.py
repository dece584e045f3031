"""HTTP to what listens on a host's own addresses, through its connection: no port needs to be open to us."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from fleet.errors import EndpointError
from fleet.http import HttpAnswer, get_over
from fleet.ssh.connection import HostConnection
from fleet.ssh.sessions import is_loss
from fleet.text import clean

if TYPE_CHECKING:
    from asyncssh import SSHClientConnection

BODY_LIMIT = 4 << 20
"""Bytes of a body that are read; a longer one is refused."""


async def get(connection: HostConnection, url: str, timeout: float) -> HttpAnswer:
    """GET a URL as seen from the host, over HTTP/1.1.

    Args:
        connection: The host's connection, opened if it is not.
        url: ``http://127.0.0.1:8001/health``.
        timeout: Seconds for all of it, once connected to the host.

    Raises:
        UnreachableError: There is no connection to the host, or it was lost.
        EndpointError: The host answers, but what should listen there gives no usable answer.
    """
    place = _place(url)
    opened = await connection.opened()
    try:
        async with asyncio.timeout(timeout):
            return await _get(connection, opened, place)
    except TimeoutError:
        raise EndpointError(f"{clean(url)} on {connection.name} did not answer within {timeout:g} s.") from None


def _place(url: str) -> SplitResult:
    try:
        place = urlsplit(url)
        usable = place.scheme == "http" and place.hostname and (place.port or 80)
    except ValueError:
        usable = False
    if not usable:
        raise EndpointError(f"{clean(url)!r} is not a URL that can be asked.", "Write http://ADDRESS:PORT.")
    return place


async def _get(connection: HostConnection, opened: SSHClientConnection, place: SplitResult) -> HttpAnswer:
    import asyncssh

    shown = f"{clean(place.geturl())} on {connection.name}"
    with connection.telling():
        try:
            reader, writer = await opened.open_connection(place.hostname, place.port or 80, encoding=None)
        except asyncssh.ChannelOpenError as error:
            if is_loss(error):
                raise
            if error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
                raise EndpointError(
                    f"{shown} cannot be asked: the host's sshd forbids forwarding.",
                    "Set AllowTcpForwarding local.",
                ) from error
            raise EndpointError(f"Nothing listens at {shown}.") from error
        try:
            return await get_over(reader, writer, place, shown, limit=BODY_LIMIT)
        finally:
            writer.close()
