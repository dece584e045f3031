"""Services that only the operator's own commands drive: ``restart:``, ``stop:`` and ``status:`` of the fleet file.

Nothing is written on the host. Where the model shall run, and with which arguments, are fields of the commands, so the
filled-in commands are the whole definition; they travel in the service's name, from which a rollback drives it too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from fleet.commands import Answer, Read, Template, Write
from fleet.errors import GpudeckError, UsageError
from fleet.model import Model
from fleet.readings import ServiceReading, ServiceWord
from fleet.services import Definition
from fleet.services.arguments import with_arguments
from fleet.text import clean

_MARK = "@gpudeck-status"
_MOST_PROCESSES = 256


def filled_in(model: Model) -> str:
    """The name of the service that a model's commands, filled in for its place and arguments, make up."""
    return f"{model.service} {json.dumps({verb: words_of(model, text) for verb, text in model.commands})}"


def words_of(model: Model, template: str) -> tuple[str, ...]:
    """A command of a model, filled in for its place and arguments. Raises UsageError for a field without a value."""
    values: dict[str, Sequence[str]] = {flag: (str(value),) for flag, value in model.args.items()}
    values |= {
        "model": (model.name,),
        "host": (model.place.host if model.place else "",),
        "gpus": (",".join(map(str, model.place.gpus)) if model.place else "",),
        "source": (model.source or "",),
        "arguments": with_arguments(("",), model.args)[1:],
    }
    if model.url is not None:
        values |= {"url": (model.url,), "port": (str(urlsplit(model.url).port),)}
    try:
        return Template(template).filled(values)
    except KeyError as missing:
        raise UsageError(
            f"A command of {model.name} has the field {{{missing.args[0]}}}, for which it has no value.",
            f"Write it into the args of {model.name}, or {{arguments}} into the command.",
        ) from None


def check_told(before: Model, after: Model) -> None:
    """Refuse a change that a model's commands have no field for. Raises GpudeckError with the field to write."""
    restart = Template(dict(after.commands)["restart"]).fields
    flags = {*before.args, *after.args}
    changed = [flag for flag in sorted(flags) if before.args.get(flag) != after.args.get(flag)]
    needed = [] if "arguments" in restart else changed
    if before.source != after.source:
        needed = ["source", *needed]
    if before.place != after.place:
        needed = ["gpus", *needed]
    missing = [field for field in needed if field not in restart]
    if missing:
        raise GpudeckError(
            f"{after.name}: its restart: command is not told {', '.join(missing)}, so the change would do nothing.",
            f"Write {' and '.join(f'{{{field}}}' for field in missing)} into it.",
        )


@dataclass(frozen=True, slots=True)
class Commands:
    """Whoever knows how services of this kind stand: their own ``status:`` commands."""

    def states(self, services: Sequence[Any]) -> Read:
        """One shell that runs them in turn."""
        lines = (f"{service.status.line} </dev/null; status=$?; echo; echo {_MARK} $status" for service in services)
        return Read(("sh", "-c", "; ".join(lines)))

    def parse_states(self, services: Sequence[Any], printed: str) -> dict[str, ServiceReading]:
        """What `states` printed, by the services' names."""
        found: dict[str, ServiceReading] = {}
        left = printed
        for service in services:
            said, mark, left = left.partition(f"\n{_MARK} ")
            status, _, left = left.partition("\n")
            if mark:
                found[service.name] = _reading(said.split(), ok=status == "0")
        return found


def _reading(said: Iterable[str], *, ok: bool) -> ServiceReading:
    processes = [int(word) for word in said if word.isascii() and word.isdecimal()][:_MOST_PROCESSES] if ok else []
    return ServiceReading(
        ServiceWord.ACTIVE if ok else ServiceWord.STOPPED,
        main_pid=processes[0] if processes else 0,
        runs_as=tuple(f"process:{pid}" for pid in processes),
    )


@dataclass(frozen=True, slots=True)
class Templated:
    """One service driven by commands of the operator's, filled in."""

    owner: str
    """``command:MODEL``."""
    commands: Mapping[str, tuple[str, ...]]

    @classmethod
    def named(cls, written: str) -> Templated:
        """From what `filled_in` made. Raises UsageError for anything else."""
        owner, _, filled = written.partition(" ")
        try:
            commands = {str(verb): tuple(map(str, words)) for verb, words in json.loads(filled).items()}
        except (ValueError, TypeError, AttributeError):
            commands = {}
        if not all(commands.get(verb) for verb in ("restart", "stop", "status")):
            raise UsageError(f"{clean(owner)!r} needs commands to restart it, to stop it and to tell its status.")
        return cls(owner, commands)

    @property
    def name(self) -> str:
        """``command:MODEL`` and, after a blank, its commands."""
        return f"{self.owner} {json.dumps(self.commands)}"

    @property
    def manager(self) -> Commands:
        """Who is asked for its state."""
        return Commands()

    @property
    def status(self) -> Read:
        """Its ``status:`` command: succeeds while it runs, and prints the ids of its processes."""
        return Read(self.commands["status"])

    def definition(self) -> Read:
        """Nothing of the host has to be read."""
        return Read(("true",))

    def parse_definition(self, answer: Answer) -> Definition:
        """Its filled-in ``restart:`` command."""
        return Definition(argv=self.commands["restart"], command=json.dumps(self.commands))

    def install(self, text: str) -> tuple[Write, ...]:
        """Raises GpudeckError: there is nothing to install."""
        raise GpudeckError(f"{self.owner} cannot be made from a template.", "Its commands have to be there.")

    def overlay(
        self,
        definition: Definition,
        argv: tuple[str, ...],
        environment: Mapping[str, str | None],
        devices: Sequence[str] | None = None,
    ) -> str:
        """Raises GpudeckError: its commands say everything."""
        raise GpudeckError(f"{self.owner} is driven by commands, which gpudeck fills in and adds nothing to.")

    def write_overlay(self, overlay: str) -> tuple[Write, ...]:
        """Nothing is written on the host."""
        return ()

    def remove_overlay(self) -> tuple[Write, ...]:
        """Nothing was written on the host."""
        return ()

    def start(self) -> Write:
        """Its ``restart:`` command."""
        return Write(self.commands["restart"])

    def stop(self) -> Write:
        """Its ``stop:`` command."""
        return Write(self.commands["stop"])

    def logs(self, lines: int, *, follow: bool = False) -> Read:
        """Its ``logs:`` command, whatever it prints. Raises GpudeckError where it has none."""
        if "logs" not in self.commands:
            raise GpudeckError(
                f"{self.owner} has no command that prints its log.", "Write logs: beside restart: in the fleet file."
            )
        return Read(self.commands["logs"])
