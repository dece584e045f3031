"""systemd units, of the system or of the user: our overlay is a drop-in beside the operator's own files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from fleet.commands import Answer, Read, Write
from fleet.errors import GpudeckError, UsageError
from fleet.services import Definition, MissingServiceError
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
_READ = """\
systemctl=$1 unit=$2 become=$3
$systemctl cat --no-pager "$unit" || exit
$systemctl show -p EnvironmentFiles --value "$unit" 2>/dev/null | sed 's/ (ignore_errors=[a-z]*)$//' |
while IFS= read -r file; do
  [ -n "$file" ] || continue
  printf '\\n@variables %s\\n' "$file"
  $become grep -E '^[[:space:]]*(export )?[A-Za-z0-9_]*(ARGS?|ARGUMENTS|OPTS?|OPTIONS|FLAGS|PARAMS|_DEVICES)=' \\
    "$file" </dev/null 2>/dev/null
done
:"""


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
        return Read(("sh", "-c", _READ, "sh", " ".join(self.systemctl), self.unit, become))

    def parse_definition(self, answer: Answer) -> Definition:
        """Read that print. Raises GpudeckError where the unit is missing or its command line is not one."""
        if not answer.ok:
            reason = clean(answer.stderr) or f"systemctl ended with status {answer.exit_status}."
            raise MissingServiceError(
                f"{self.unit} cannot be read: {reason}",
                "Install the unit, or correct the model's service: in the fleet file.",
            )
        ours = f"/{self.folder}/{OVERLAY}".replace("//", "/")
        printed, *variables = re.split(r"^@variables ", answer.stdout, flags=re.MULTILINE)
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
        from_files = _from_files(variables)
        forced, overlaid = _without_forced(_argv(running)) if running != command else ({}, ())
        return Definition(
            argv=_argv(command),
            environment=environment_of(own, "Service") | {name: value for name, (value, _) in from_files.items()},
            overlay=overlay,
            overlaid_argv=() if overlaid == _argv(command) else overlaid,
            overlaid_environment=environment_of(added, "Service") | forced,
            command=command,
            files=tuple(clean(path) for path, _ in files if not path.endswith(ours)),
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


def _without_forced(argv: tuple[str, ...]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The variables that env(1) sets before a command line, and the command line after it."""
    if argv[0] != _ENV:
        return {}, argv
    set_here = list(takewhile(lambda word: re.match(r"[A-Za-z_][A-Za-z0-9_]*=", word), argv[1:]))
    pairs = (word.partition("=") for word in set_here)
    return {name: value for name, _, value in pairs}, argv[1 + len(set_here) :]


def _from_files(printed: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Variables of files of variables, with the file: the last that sets one counts."""
    found: dict[str, tuple[str, str]] = {}
    for part in printed:
        path, _, body = part.partition("\n")
        for line in body.splitlines():
            name, equals, value = line.strip().removeprefix("export ").partition("=")
            if equals and not value.endswith("\\"):
                found[name] = (_unquoted(value.strip()), clean(path))
    return found


def _unquoted(value: str) -> str:
    quote = value[:1]
    return value[1:-1] if len(value) > 1 and quote in ("'", '"') and value.endswith(quote) else value
