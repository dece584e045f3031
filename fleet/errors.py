"""One family of errors an operator can act on: what is wrong, and the way out."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of the command line; a contract."""

    DONE = 0
    FINDINGS = 1
    """Findings of severity error, or a rollout that failed."""
    USAGE = 2
    """Wrong usage or a bad fleet file."""
    UNREACHABLE = 3
    INTERRUPTED = 130


class GpudeckError(Exception):
    """An error shown as sentences, never as a traceback."""

    title = "gpudeck cannot do this"
    exit_code = Exit.FINDINGS

    def __init__(self, message: str, way_out: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.way_out = way_out
        """What the operator can do about it; may be empty."""

    def __str__(self) -> str:
        return f"{self.message} {self.way_out}".strip()


class UsageError(GpudeckError):
    """Something asked for that makes no sense as asked."""

    title = "Wrong usage"
    exit_code = Exit.USAGE


class UnreachableError(GpudeckError):
    """A host did not answer, refused us, or is not the host we know."""

    title = "Host not reached"
    exit_code = Exit.UNREACHABLE


class EndpointError(GpudeckError):
    """A model's own endpoint, on a host that does answer, gave no answer that can be used."""

    title = "Endpoint not answering"
