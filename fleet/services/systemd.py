"""systemd units, of the system or of the user: our overlay is a drop-in beside the operator's own files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from fleet.commands import Answer, Read, Write
from fleet.errors import GpudeckError, UsageError
from fleet.services import Definition, MissingServiceError
from fleet.services.docker_run import Container, container, device_nodes, with_settings
from fleet.services.unit_states import UnitManager
from fleet.services.unit_syntax import (
    Assignment,
    Word,
    assignments,
    environment_of,
    fragments,
    literal,
    quoted,
    rewritten,
    words,
)
from fleet.services.unit_variables import READ, apart
from fleet.services.variables import checked_variables
from fleet.text import clean

OVERLAY = "50-gpudeck.conf"
HEADER = (
    "# Written by gpudeck, which owns this file and no other of this unit.\n"
    "# Delete it and reload systemd to have the unit back as its own files say.\n"
)
_UNIT = re.compile(r"[A-Za-z0-9:_.\\][A-Za-z0-9:_.\\@-]*\.service")
_PREFIX = re.compile(r"[-@:+!|]*")
_ENV = "/usr/bin/env"


@dataclass(frozen=True, slots=True)
class Systemd:
    """One service unit of the system, or of the user who logs in."""

    unit: str
    become: str = "none"
    """How the host's commands become root; a user's own units need none."""
    user: bool = False

    def __post_init__(self) -> None:
        if not _UNIT.fullmatch(self.unit) or len(self.unit) > 255 or self.unit.endswith("@.service"):
            raise UsageError(
                f"{clean(self.unit)!r} is not the name of a systemd service.",
                "Write a name such as systemd:vllm-llama.service; an instance is vllm@llama.service.",
            )

    @property
    def name(self) -> str:
        """``systemd:NAME.service``, or ``systemd-user:NAME.service``."""
        return f"systemd-user:{self.unit}" if self.user else f"systemd:{self.unit}"

    @property
    def manager(self) -> UnitManager:
        """The system's, or the user's own."""
        return UnitManager(self.user)

    @property
    def folder(self) -> str:
        """The folder of the unit's drop-ins; a user's is relative to the home folder sessions start in."""
        return f"{'.config' if self.user else '/etc'}/systemd/{'user' if self.user else 'system'}/{self.unit}.d"

    def definition(self) -> Read:
        """``systemctl cat``: every file of the unit, in the order systemd applies them.

        Then, of its files of variables, the lines that can hold arguments or choose GPUs, and no other: secrets stay
        where they are.
        """
        become = " ".join(Read((":",)).as_root("none" if self.user else self.become).words[:-1])
        return Read(("sh", "-c", READ, "sh", " ".join(self.systemctl), become, self.unit))

    def parse_definition(self, answer: Answer) -> Definition:
        """Read that print. Raises GpudeckError where the unit is missing or its command line is not one."""
        if not answer.ok:
            reason = clean(answer.stderr) or f"systemctl ended with status {answer.exit_status}."
            raise MissingServiceError(
                f"{self.unit} cannot be read: {reason}",
                "Install the unit, or correct the model's service: in the fleet file.",
            )
        ours = f"/{self.folder}/{OVERLAY}".replace("//", "/")
        printed, from_files = apart(answer.stdout)
        own: list[Assignment] = []
        added: list[Assignment] = []
        everything: list[Assignment] = []
        overlay = None
        files = fragments(printed)
        for path, body in files:
            found = list(assignments(body))
            everything += found
            if path.endswith(ours):
                overlay, added = body.rstrip("\n") + "\n", found
            else:
                own += found
        command = self._command(own)
        running = self._command(everything)
        forced, overlaid = _without_forced(_argv(running), _argv(command)) if running != command else ({}, ())
        argv = _argv(command)
        inside = self._container(argv)
        return Definition(
            argv=argv,
            environment=environment_of(own, "Service")
            | {name: value for name, (value, _) in from_files.items()}
            | (dict(inside.environment) if inside else {}),
            overlay=overlay,
            overlaid_argv=() if overlaid == argv else overlaid,
            overlaid_environment=environment_of(added, "Service") | forced | _set_inside(overlaid),
            command=command,
            files=tuple(clean(path) for path, _ in files if not path.endswith(ours)),
            devices=device_nodes(argv),
            overlaid_devices=device_nodes(overlaid or argv),
            text="\n".join(body for path, body in files if not path.endswith(ours)),
            environment_files={name: path for name, (_, path) in from_files.items()},
        )

    def overlay(
        self,
        definition: Definition,
        argv: tuple[str, ...],
        environment: Mapping[str, str | None],
        devices: Sequence[str] | None = None,
    ) -> str:
        """The drop-in that makes the unit run ``argv`` with these variables set, or (None) cleared.

        Words of ``argv`` that the operator's own command line has are written as it writes them, so that its
        ``%i`` and ``${NAME}`` stay what they are; all other words mean exactly their text.
        Raises UsageError for a variable's name that is none, or a value no unit file can hold.
        """
        cleared = checked_variables(environment)
        if container(argv) is not None:
            argv, environment, cleared = with_settings(argv, environment, devices), {}, ()
        settled = {name: value for name, value in environment.items() if value is not None}
        forced = [f"{name}={value}" for name, value in settled.items() if name in definition.environment_files]
        lines = ["[Service]"]
        try:
            if cleared:
                lines.append(f"UnsetEnvironment={' '.join(cleared)}")
            lines += [
                f"Environment={quoted(f'{name}={value}', expands=False)}"
                for name, value in settled.items()
                if name not in definition.environment_files
            ]
            if forced or argv != definition.argv:
                lines += ["ExecStart=", f"ExecStart={_rewritten(definition, argv, forced)}"]
        except ValueError as error:
            raise UsageError(f"{self.unit}: {error}.") from None
        return HEADER + "\n".join(lines) + "\n"

    def write_overlay(self, overlay: str) -> tuple[Write, ...]:
        """Write beside it under a name systemd ignores, rename over it, reload: whole or not at all."""
        return self.put(self.folder, overlay)

    def remove_overlay(self) -> tuple[Write, ...]:
        """Delete the drop-in, and what an interrupted write may have left, and reload."""
        return self.take_away(self.folder)

    def install(self, text: str) -> tuple[Write, ...]:
        """Write the unit itself, whole or not at all, and reload."""
        return self.put_file(self.folder.removesuffix(".d"), text)

    def put(self, folder: str, overlay: str) -> tuple[Write, ...]:
        """The commands that make this our drop-in in that folder."""
        return self.put_file(f"{folder}/{OVERLAY}", overlay)

    def put_file(self, path: str, text: str) -> tuple[Write, ...]:
        """The commands that write a file beside its name, rename it over, and make the manager read it."""
        return (
            self._write("mkdir", "-p", path.rpartition("/")[0]),
            self._write("tee", f"{path}.new", stdin=text.encode()),
            self._write("mv", "-T", f"{path}.new", path),
            self._write(*self.systemctl, "daemon-reload"),
        )

    def take_away(self, folder: str) -> tuple[Write, ...]:
        """The commands that leave no drop-in of ours in that folder."""
        path = f"{folder}/{OVERLAY}"
        return (
            self._write("rm", "-f", path, f"{path}.new"),
            self._write(*self.systemctl, "daemon-reload"),
        )

    def start(self) -> Write:
        """``systemctl start``."""
        return self._write(*self.systemctl, "start", self.unit)

    def stop(self) -> Write:
        """``systemctl stop``, which returns when every process of the unit is gone."""
        return self._write(*self.systemctl, "stop", self.unit)

    def logs(self, lines: int, *, follow: bool = False) -> Read:
        """``journalctl`` of the unit, messages only."""
        scope = ("--user",) if self.user else ()
        tail = ("-f",) if follow else ()
        return Read(("journalctl", *scope, "-u", self.unit, "-n", str(lines), "-o", "cat", "--no-pager", *tail))

    @property
    def systemctl(self) -> tuple[str, ...]:
        """``systemctl`` speaking to the manager of this unit."""
        return self.manager.systemctl

    def _write(self, *words: str, stdin: bytes = b"") -> Write:
        return Write(words, stdin).as_root("none" if self.user else self.become)

    def _container(self, argv: Sequence[str]) -> Container | None:
        """The container a unit runs, where its processes are the unit's own. Raises GpudeckError where they are not."""
        inside = container(argv)
        if inside is not None and "--cgroups=split" not in argv:
            raise GpudeckError(
                f"{self.unit} runs a container whose processes are not the unit's, so its memory cannot be told.",
                "Make it a Quadlet, add --cgroups=split to its podman run, or let the engine itself keep the container "
                "running (--restart=always) and write service: docker:NAME.",
            )
        return inside

    def _command(self, settings: Sequence[Assignment]) -> str:
        commands: list[str] = []
        for section, key, value in settings:
            if (section, key) == ("Service", "ExecStart"):
                commands = [*commands, value] if value else []
        if len(commands) != 1:
            raise GpudeckError(
                f"{self.unit} has {len(commands)} ExecStart= lines where one is needed.",
                "Edit the unit so that it runs one program.",
            )
        try:
            found = words(commands[0])
        except ValueError as error:
            raise GpudeckError(f"ExecStart= of {self.unit} cannot be read: {error}.") from None
        if any(word.raw == ";" for word in found):
            raise GpudeckError(
                f"ExecStart= of {self.unit} holds several commands.",
                "Edit the unit so that it runs one program.",
            )
        return commands[0]


def _set_inside(argv: Sequence[str]) -> dict[str, str]:
    inside = container(argv)
    return dict(inside.environment) if inside else {}


def _prefix(command: str) -> str:
    match = _PREFIX.match(command)
    return match[0] if match else ""


def _split(command: str) -> tuple[list[Word], bool]:
    """The command's words without the prefix of its program, and whether it expands variables."""
    prefix = _prefix(command)
    return words(command[len(prefix) :]), ":" not in prefix


def _argv(command: str) -> tuple[str, ...]:
    found, expands = _split(command)
    return tuple(literal(word.text, expands=expands) for word in found)


def _rewritten(definition: Definition, argv: tuple[str, ...], forced: Sequence[str]) -> str:
    """The command line as a unit file writes it; ``forced`` variables are set by env(1), whatever the unit's files say.

    Raises ValueError where that cannot be written.
    """
    own, expands = _split(definition.command)
    prefix = _prefix(definition.command)
    if forced and "@" in prefix:
        raise ValueError("a command line with @ before it cannot have its variables set")
    written = [quoted(word, expands=expands) for word in (_ENV, *forced)] if forced else []
    written.append(rewritten(own, definition.argv, argv, expands=expands))
    return prefix + " ".join(written)


def _without_forced(argv: tuple[str, ...], own: tuple[str, ...]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The variables our overlay has env(1) set before a command line, and the command line after it."""
    set_here = list(takewhile(lambda word: re.match(r"[A-Za-z_][A-Za-z0-9_]*=", word), argv[1:]))
    rest = argv[1 + len(set_here) :]
    if argv[0] != _ENV or (own[0] == _ENV and rest[:1] != (_ENV,)):
        return {}, argv
    pairs = (word.partition("=") for word in set_here)
    return {name: value for name, _, value in pairs}, rest
