"""What two models of one host cannot share: a port and a service."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from fleet.model import Place

_LOOPBACK = ("localhost", "127.0.0.1", "::1", "0.0.0.0")


class Claim(NamedTuple):
    """One thing a model needs for itself."""

    key: str
    """The model's key in the fleet file that says so: ``url`` or ``service``."""
    what: str
    """In words: ``port 8001 of gpu01``."""


class Clash(NamedTuple):
    """Two models that claim the same."""

    model: str
    """The later one."""
    other: str
    """The one that claimed it first."""
    claim: Claim


def claims(place: Place, url: str | None, service: str | None) -> tuple[Claim, ...]:
    """What a model in that place claims."""
    found = []
    if url is not None:
        parts = urlsplit(url)
        host = place.host if parts.hostname in _LOOPBACK else parts.hostname
        found.append(Claim("url", f"port {parts.port} of {host}"))
    if service is not None:
        found.append(Claim("service", f"{service} on {place.host}"))
    return tuple(found)


def clashes(claimants: Iterable[tuple[str, tuple[Claim, ...]]]) -> Iterator[Clash]:
    """Each claim made a second time. Models by name, in file order."""
    first: dict[Claim, str] = {}
    for model, claimed in claimants:
        for claim in claimed:
            other = first.setdefault(claim, model)
            if other != model:
                yield Clash(model, other, claim)
