"""The capability to change a host. A process that may only look never imports this module."""

from __future__ import annotations

from fleet.commands import Answer, Write
from fleet.ssh.probe_only import ProbeOnly
from fleet.ssh.running import run


class Operator(ProbeOnly):
    """Reading from one host, and writing to it."""

    async def write(self, command: Write, timeout: float = 60.0) -> Answer:
        """Run a command that changes the host, to its end; `fleet.ssh.running.run` says what can go wrong.

        After an UnreachableError it is unknown whether the command took effect.
        Raises TypeError for any other kind of command.
        """
        if not isinstance(command, Write):
            raise TypeError(f"write runs Write commands, not {type(command).__name__}")
        return await run(self._connection, command, timeout)
