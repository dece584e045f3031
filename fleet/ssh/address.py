"""Addresses as ssh takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Address:
    """``[USER@]HOST``, ``[USER@]HOST:PORT`` or ``ssh://[USER@]HOST[:PORT]``.

    None = as the ssh configuration says.
    """

    host: str
    user: str | None = None
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an address. Raises ValueError with a sentence."""
        user, _, place = text.strip().removeprefix("ssh://").rstrip("/").rpartition("@")
        host, port = place, ""
        if place.startswith("["):
            host, _, tail = place[1:].partition("]")
            port = tail.removeprefix(":")
        elif place.count(":") == 1:  # more of them are an IPv6 address
            host, _, port = place.partition(":")
        if not host or host.startswith("-") or (port and not port.isdecimal()):
            raise ValueError(f"{text!r} is not an address; write [USER@]HOST, as for ssh")
        return cls(host, user or None, int(port) if port else None)
