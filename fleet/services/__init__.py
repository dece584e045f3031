"""How a model's process is managed on its host: pure text, commands out and parsed output in.

Nothing here holds a connection; whoever holds one runs the commands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from fleet.commands import Answer, Read, Write


@dataclass(frozen=True, slots=True)
class Definition:
    """What a service manager would run by the operator's own files, and our overlay where there is one."""

    argv: tuple[str, ...]
    """The command line of the operator's own files, our overlay left out; variables not yet expanded."""
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Of the operator's own files. Never shown: it may hold secrets."""
    overlay: str | None = None
    """Our overlay as it stands on the host; None where there is none."""
    overlaid_argv: tuple[str, ...] = ()
    """The command line with our overlay in effect; empty where it changes none."""
    overlaid_environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """The variables our overlay sets."""
    command: str = ""
    """``argv`` as the operator's own files write it, in the manager's own syntax."""


class Service(Protocol):
    """One service on one host. Its state is read for many at once, by `fleet.services.states`."""

    @property
    def name(self) -> str:
        """As the fleet file writes it: ``systemd:NAME.service``."""

    def definition(self) -> Read:
        """The command that prints what the manager would run."""

    def parse_definition(self, answer: Answer) -> Definition:
        """Read that print. Raises GpudeckError where the service is missing or unreadable."""

    def overlay(self, definition: Definition, argv: tuple[str, ...], environment: Mapping[str, str | None]) -> str:
        """The overlay that makes the service run ``argv`` with these variables set, or (None) cleared."""

    def write_overlay(self, overlay: str) -> tuple[Write, ...]:
        """The commands that put our overlay in place, whole or not at all, and make the manager read it."""

    def remove_overlay(self) -> tuple[Write, ...]:
        """The commands that take our overlay away."""

    def start(self) -> Write:
        """The command that starts it."""

    def stop(self) -> Write:
        """The command that stops it and waits until it has stopped."""

    def logs(self, lines: int, *, follow: bool = False) -> Read:
        """The command that prints its newest log lines, oldest first, one message a line."""
