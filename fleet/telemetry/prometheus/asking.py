"""Asking a Prometheus server over HTTP or HTTPS."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from fleet.credentials import credential
from fleet.errors import EndpointError
from fleet.http import connected, get_over
from fleet.inventory import Prometheus
from fleet.telemetry.prometheus.answers import Vector, vector
from fleet.text import clean

BODY_LIMIT = 64 << 20
"""Bytes of an answer that are read: some 10,000 GPUs."""


async def ask(server: Prometheus, query: str, timeout: float, environment: Mapping[str, str] = os.environ) -> Vector:
    """The answer to an instant query, over a connection of its own; HTTPS by the system's trust store.

    Args:
        server: Whom to ask.
        query: PromQL.
        timeout: Seconds for all of it.
        environment: Where the token is looked for that the fleet file names so.

    Raises:
        EndpointError: There is no usable answer; says why. No token is part of any sentence.
    """
    shown = f"Prometheus at {clean(server.url)}"
    authorization = await asyncio.to_thread(_authorization, server, environment)
    try:
        async with asyncio.timeout(timeout):
            return await _ask(server.url, query, authorization, shown)
    except TimeoutError:
        raise EndpointError(f"{shown} did not answer within {timeout:g} s.") from None


async def _ask(url: str, query: str, authorization: Mapping[str, str], shown: str) -> Vector:
    place = urlsplit(f"{url}/api/v1/query?{urlencode({'query': query})}")
    async with connected(place, shown) as (reader, writer):
        answer = await get_over(reader, writer, place, shown, limit=BODY_LIMIT, headers=authorization)
    return await asyncio.to_thread(vector, answer, shown)


def _authorization(server: Prometheus, environment: Mapping[str, str]) -> dict[str, str]:
    """The header with the token, where one is named."""
    if server.token_env is None and server.token_file is None:
        return {}
    token, where = credential(server.token_env, server.token_file, "Prometheus' token", environment)
    if not re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", token):  # RFC 6750; anything else could smuggle in a header
        raise EndpointError(f"{where} holds no bearer token for Prometheus.")
    return {"Authorization": f"Bearer {token}"}
