"""podman Quadlets: containers written as ``NAME.container``, which systemd runs as ``NAME.service``.

Our overlay is a drop-in of the ``.container`` (podman 5.0 and newer), so the unit made from it stays whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fleet.commands import Answer, Read, Write
from fleet.errors import GpudeckError, UsageError
from fleet.services import Definition, MissingServiceError
from fleet.services.podman import DROP_INS, obstacle
from fleet.services.systemd import HEADER, OVERLAY, Systemd
from fleet.services.unit_states import UnitManager
from fleet.services.unit_syntax import (
    Assignment,
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

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9:_.-]{0,200}")
_MADE_OF = re.compile(r"^SourcePath=/\S*/containers/systemd/(?:\S*/)?([^\s/]+)\.container$", re.MULTILINE)
_RENDER = "/dev/dri"
_READ = """\
podman --version
case $2 in /*) own=$2 ;; *) own=$HOME/$2 ;; esac
for folder in "$own" /usr/share/containers/systemd; do [ -e "$folder/$1.container" ] && break; done
for file in "$folder/$1.container" "$own/$1.container.d"/*.conf; do
  [ -e "$file" ] || continue
  printf '# %s\\n' "$file"
  cat "$file" || exit
  printf '\\n\\n'
done"""


@dataclass(frozen=True, slots=True)
class Quadlet:
    """One ``.container`` of the system, or of the user who logs in."""

    container: str
    """Without ``.container``."""
    become: str = "none"
    user: bool = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.container):
            raise UsageError(
                f"{clean(self.container)!r} is not the name of a Quadlet.",
                "Write quadlet:NAME where its file is NAME.container; an instance is systemd:NAME@INSTANCE.service.",
            )

    @property
    def name(self) -> str:
        """``quadlet:NAME``, or ``quadlet-user:NAME``."""
        return f"quadlet-user:{self.container}" if self.user else f"quadlet:{self.container}"

    @property
    def unit(self) -> str:
        """The unit that systemd makes of it."""
        return f"{self.container}.service"

    @property
    def manager(self) -> UnitManager:
        """The system's, or the user's own."""
        return self._systemd.manager

    @property
    def folder(self) -> str:
        """Where Quadlets are; a user's is relative to the home folder sessions start in."""
        return ".config/containers/systemd" if self.user else "/etc/containers/systemd"

    def definition(self) -> Read:
        """podman's version, and the ``.container`` and its drop-ins, printed as ``systemctl cat`` prints a unit's."""
        return Read(("sh", "-c", _READ, "sh", self.container, self.folder))

    def parse_definition(self, answer: Answer) -> Definition:
        """Read that print: the image and the words after it. Raises GpudeckError where there is none."""
        own: list[Assignment] = []
        ours: list[Assignment] = []
        overlay = None
        files = fragments(answer.stdout)
        for path, body in files:
            if path.endswith(f"/{self.container}.container.d/{OVERLAY}"):
                overlay, ours = body.rstrip("\n") + "\n", list(assignments(body))
            else:
                own += assignments(body)
        command, argv = self._command(own)
        running = self._command([*own, *ours])[1]
        return Definition(
            argv=argv,
            environment=environment_of(own, "Container"),
            overlay=overlay,
            overlaid_argv=() if running == argv else running,
            overlaid_environment=environment_of(ours, "Container"),
            command=command,
            files=tuple(clean(path) for path, _ in files if not path.endswith(OVERLAY)),
            text="\n".join(body for path, body in files if not path.endswith(OVERLAY)),
            devices=_devices(own),
            overlaid_devices=_devices([*own, *ours]) if overlay is not None else (),
            obstacle=obstacle(
                answer.stdout.partition("\n")[0],
                DROP_INS,
                f"does not read drop-ins of {self.container}.container",
                f"Upgrade podman there, or write service: systemd:{self.unit}, the unit that is made of it.",
            ),
        )

    def _command(self, settings: Sequence[Assignment]) -> tuple[str, tuple[str, ...]]:
        last = {key: value for section, key, value in settings if section == "Container"}
        if not settings:
            raise MissingServiceError(
                f"There is no {self.container}.container in {self.folder}.",
                "Install it there, or correct the model's service: in the fleet file.",
            )
        if not last.get("Image"):
            raise GpudeckError(f"{self.container}.container names no image.", "Edit it so that it does.")
        command = last.get("Exec", "")
        try:
            found = words(command)
        except ValueError as error:
            raise GpudeckError(f"Exec= of {self.container}.container cannot be read: {error}.") from None
        return command, (last["Image"], *(literal(word.text, expands=True) for word in found))

    def install(self, text: str) -> tuple[Write, ...]:
        """Write the ``.container``, whole or not at all, and have the unit made."""
        return self._systemd.put_file(f"{self.folder}/{self.container}.container", text)

    def overlay(
        self,
        definition: Definition,
        argv: tuple[str, ...],
        environment: Mapping[str, str | None],
        devices: Sequence[str] | None = None,
    ) -> str:
        """The drop-in that makes it run ``argv`` with these variables and device nodes.

        A variable that the operator's own file sets cannot be taken away there: one that chooses among visible GPUs is
        set to choose all of them. Raises UsageError for a variable's name that is none, or a value no file can hold,
        GpudeckError where podman there is too old.
        """
        if definition.obstacle:
            raise definition.obstacle
        cleared = checked_variables(environment)
        settled = {name: value for name, value in environment.items() if value is not None}
        count = len(devices or settled.get("ROCR_VISIBLE_DEVICES", "0").split(","))
        settled |= {name: ",".join(map(str, range(count))) for name in cleared if name in definition.environment}
        lines = ["[Container]", *(f"PodmanArgs=--unsetenv={name}" for name in cleared if name not in settled)]
        try:
            lines += [f"Environment={quoted(f'{name}={value}', expands=False)}" for name, value in settled.items()]
            if devices is not None:
                others = [device for device in definition.devices if not device.startswith(_RENDER)]
                lines += ["AddDevice=", *(f"AddDevice={device}" for device in (*others, *devices))]
            if argv != definition.argv:
                own = words(definition.command)
                lines.append(f"Exec={rewritten(own, definition.argv[1:], argv[1:], expands=True)}")
        except ValueError as error:
            raise UsageError(f"{self.container}: {error}.") from None
        return HEADER + "\n".join(lines) + "\n"

    def write_overlay(self, overlay: str) -> tuple[Write, ...]:
        """Write beside it under a name Quadlet ignores, rename over it, have the unit made anew."""
        folder = f"{self.folder}/{self.container}.container.d"
        return self._systemd.put(folder, overlay)

    def remove_overlay(self) -> tuple[Write, ...]:
        """Delete the drop-in, and have the unit made anew."""
        return self._systemd.take_away(f"{self.folder}/{self.container}.container.d")

    def start(self) -> Write:
        """``systemctl start`` of its unit."""
        return self._systemd.start()

    def stop(self) -> Write:
        """``systemctl stop`` of its unit."""
        return self._systemd.stop()

    def logs(self, lines: int, *, follow: bool = False) -> Read:
        """``journalctl`` of its unit."""
        return self._systemd.logs(lines, follow=follow)

    @property
    def _systemd(self) -> Systemd:
        return Systemd(self.unit, self.become, self.user)


def made_of(definition: Definition) -> str | None:
    """The name of the Quadlet that a unit is made of, by the unit's own text; None for any other unit."""
    match = _MADE_OF.search(definition.text)
    return match[1] if match and _NAME.fullmatch(match[1]) else None


def _devices(settings: Sequence[Assignment]) -> tuple[str, ...]:
    found: list[str] = []
    for section, key, value in settings:
        if (section, key) == ("Container", "AddDevice"):
            found = [*found, value.removeprefix("-")] if value else []
    return tuple(found)
