"""podman or docker on one host, asked for the states of many containers at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fleet.commands import Read
from fleet.readings import ServiceReading, ServiceWord
from fleet.text import clean

STATE = "{{.Name}} {{.State.Status}} {{.State.Pid}} {{.RestartCount}} {{.State.ExitCode}} {{.Id}}"
"""What is asked of each container: the words of a row that `ContainerEngine.reading` reads."""
COMPOSE_FILES = "com.docker.compose.project.config_files"
"""The label by which compose says what files a container was made from, with commas between."""
COMPOSE_SERVICE = "com.docker.compose.service"
_NAMES = (
    f'{{{{.Name}}}}{{{{println}}}}{{{{index .Config.Labels "{COMPOSE_FILES}"}}}}'
    f'{{{{println}}}}{{{{index .Config.Labels "{COMPOSE_SERVICE}"}}}}'
)
_WORDS = {
    "running": ServiceWord.ACTIVE,
    "paused": ServiceWord.ACTIVE,
    "restarting": ServiceWord.STARTING,
    "stopping": ServiceWord.STOPPING,
    "removing": ServiceWord.STOPPING,
    "created": ServiceWord.STOPPED,
    "configured": ServiceWord.STOPPED,
    "initialized": ServiceWord.STOPPED,
    "dead": ServiceWord.FAILED,
}
_ENDED_BY_US = (0, 130, 137, 143)
"""Exit codes of a process that ended by itself, or by the signals a stop sends."""


@dataclass(frozen=True, slots=True)
class ContainerEngine:
    """podman or docker on one host, as root or as the user who logs in."""

    program: str
    become: str = "none"

    @property
    def words(self) -> tuple[str, ...]:
        """What every command of it begins with."""
        return Read((self.program,)).as_root(self.become).words

    def states(self, services: Sequence[Any]) -> Read:
        """One ``container inspect`` of all; those that are missing are not printed."""
        names = [service.container for service in services]
        return Read((*self.words, "container", "inspect", "--format", STATE, *names))

    def name_of(self, identity: str) -> Read:
        """The command that prints what the container with that id is called, and what compose calls it."""
        return Read((*self.words, "container", "inspect", "--format", _NAMES, identity))

    def parse_name(self, printed: str) -> str:
        """What `name_of` printed, as a fleet file names the service: compose's where compose made it."""
        name, file, service = (*printed.splitlines(), "", "", "")[:3]
        if service:
            return f"compose:{file.partition(',')[0]}:{service}"
        return f"{self.program}:{name.strip().lstrip('/')}"

    def parse_states(self, services: Sequence[Any], printed: str) -> dict[str, ServiceReading]:
        """What `states` printed, by the services' names."""
        rows = [line.split() for line in printed.splitlines()]
        found = {row[0].lstrip("/"): self.reading(row) for row in rows if len(row) == 6}
        missing = ServiceReading(ServiceWord.MISSING)
        return {service.name: found.get(service.container, missing) for service in services}

    @staticmethod
    def reading(row: Sequence[str]) -> ServiceReading:
        """One row of `states`, as its words."""
        _, status, pid, restarts, code, identity = row
        exited = int(code) if code.lstrip("-").isdecimal() else 0
        ended = ServiceWord.STOPPED if exited in _ENDED_BY_US else ServiceWord.FAILED
        return ServiceReading(
            word=_WORDS.get(status, ended),
            main_pid=int(pid) if pid.isdecimal() else 0,
            restarts=int(restarts) if restarts.isdecimal() else 0,
            result="success" if exited in _ENDED_BY_US else f"exit code {exited}",
            runs_as=tuple(f"{runtime}:{clean(identity, 64)}" for runtime in ("docker", "podman")),
        )
