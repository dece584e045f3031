"""How a model's process is managed on its host: pure text, commands out and parsed output in.

Nothing here holds a connection; whoever holds one runs the commands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from fleet.commands import Answer, Read, Write
from fleet.errors import GpudeckError
from fleet.readings import ServiceReading


class MissingServiceError(GpudeckError):
    """A service that its host does not have."""

    title = "No such service"


@dataclass(frozen=True, slots=True)
class Definition:
    """What a service manager would run by the operator's own files, and our overlay where there is one."""

    argv: tuple[str, ...]
    """The command line of the operator's own files, our overlay left out; variables not yet expanded."""
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Of the operator's own files, as far as it matters to us. Never shown: it may hold secrets."""
    overlay: str | None = None
    """Our overlay as it stands on the host; None where there is none."""
    overlaid_argv: tuple[str, ...] = ()
    """The command line with our overlay in effect; empty where it changes none."""
    overlaid_environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """The variables our overlay sets."""
    command: str = ""
    """``argv`` as the operator's own files write it, in the manager's own syntax."""
    files: tuple[str, ...] = ()
    """The operator's own files it is written in; empty where it is in none."""
    environment_files: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Of each variable that a file of variables sets: that file."""
    text: str = ""
    """Those files' text, where they are such as could be installed elsewhere."""
    missing: str | None = None
    """What has to be installed first, where the host does not have the service yet."""
    devices: tuple[str, ...] = ()
    """The device nodes the operator's own definition gives; empty where its kind gives none."""
    overlaid_devices: tuple[str, ...] = ()
    """The device nodes given with our overlay in effect."""
    obstacle: GpudeckError | None = None
    """Why its host is too old for an overlay of ours to take effect; `Service.overlay` raises it."""


class Manager(Protocol):
    """What manages services on one host, and is asked for the states of many at once. Equal where it is the same."""

    def states(self, services: Sequence[Any]) -> Read:
        """The command that prints the states of these services of it."""

    def parse_states(self, services: Sequence[Any], printed: str) -> Mapping[str, ServiceReading]:
        """What `states` printed for the same services, by their names; what was not printed is absent."""


class Service(Protocol):
    """One service on one host."""

    @property
    def name(self) -> str:
        """As the fleet file writes it: ``systemd:NAME.service``, ``podman:NAME``."""

    @property
    def manager(self) -> Manager:
        """Who is asked for its state."""

    def definition(self) -> Read:
        """The command that prints what the manager would run."""

    def parse_definition(self, answer: Answer) -> Definition:
        """Read that print. Raises MissingServiceError, or GpudeckError where the service is unreadable."""

    def install(self, text: str) -> tuple[Write, ...]:
        """The commands that install this definition. Raises GpudeckError for a kind that is not installed as a file."""

    def overlay(
        self,
        definition: Definition,
        argv: tuple[str, ...],
        environment: Mapping[str, str | None],
        devices: Sequence[str] | None = None,
    ) -> str:
        """The overlay that makes the service run ``argv`` with these variables set, or (None) cleared.

        ``devices`` are the GPUs' nodes for a kind that is given devices; None leaves the operator's own.
        Raises GpudeckError where the definition has an obstacle, or what is asked for cannot be written.
        """

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
