"""Asking a Prometheus server over HTTP or HTTPS."""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from fleet.errors import EndpointError
from fleet.http import connected, get_over
from fleet.inventory import Prometheus
from fleet.telemetry.prometheus.answers import Vector, vector
from fleet.text import clean

BODY_LIMIT = 64 << 20
"""Bytes of an answer that are read: some 10,000 GPUs."""
TOKEN_LIMIT = 64 << 10
"""Bytes of a token's file that are read."""


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
    except ssl.SSLCertVerificationError as error:
        raise EndpointError(
            f"{shown} shows a certificate that is not trusted: {clean(error.verify_message)}.",
            "Add its authority to the system's trust store, or name it by SSL_CERT_FILE.",
        ) from None
    except OSError as error:
        raise EndpointError(f"{shown} is not reached: {_reason(error)}.") from None
    except UnicodeError:
        raise EndpointError(f"{shown} is not reached: no machine can have such a name.") from None


async def _ask(url: str, query: str, authorization: Mapping[str, str], shown: str) -> Vector:
    place = urlsplit(f"{url}/api/v1/query?{urlencode({'query': query})}")
    async with connected(place) as (reader, writer):
        answer = await get_over(reader, writer, place, shown, limit=BODY_LIMIT, headers=authorization)
    return await asyncio.to_thread(vector, answer, shown)


def _reason(error: OSError) -> str:
    if isinstance(error, ConnectionError) and error.errno:  # where asyncio's own words repeat the address
        return os.strerror(error.errno)
    return clean(error.strerror or str(error))


def _authorization(server: Prometheus, environment: Mapping[str, str]) -> dict[str, str]:
    """The header with the token, where one is named."""
    if server.token_env is not None:
        where, token = f"the environment variable {server.token_env}", environment.get(server.token_env, "")
    elif server.token_file is not None:
        where, token = clean(str(server.token_file)), _content(server)
    else:
        return {}
    token = token.strip()
    if not re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", token):  # RFC 6750; anything else could smuggle in a header
        raise EndpointError(f"{where[0].upper()}{where[1:]} holds no bearer token for Prometheus.")
    return {"Authorization": f"Bearer {token}"}


def _content(server: Prometheus) -> str:
    assert server.token_file is not None, "asked for a token's file"
    try:
        with server.token_file.open("rb") as file:
            return file.read(TOKEN_LIMIT).decode("ascii", "replace")
    except OSError as error:
        path = clean(str(server.token_file))
        raise EndpointError(f"Prometheus' token cannot be read from {path}: {error.strerror}.") from None
