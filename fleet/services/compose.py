"""Services of a docker compose file: our overlay is one more compose file beside it, given to compose after it.

Compose merges files in the order they are named; ``!override`` and ``!reset`` (Compose 2.24.4 and newer) replace what
merging would only add to. Whoever runs compose without our file has the service back as the operator's own files say.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from fleet.commands import Answer, Read, Write
from fleet.errors import GpudeckError, UsageError
from fleet.readings import ServiceReading, ServiceWord
from fleet.services import Definition
from fleet.services.arguments import check_no_secret
from fleet.services.container_engine import STATE, ContainerEngine
from fleet.services.variables import checked_variables
from fleet.text import clean

_NAME = re.compile(r"(/[A-Za-z0-9@%+=,._/-]{1,240}\.ya?ml):([A-Za-z0-9][A-Za-z0-9._-]{0,100})")
_HEADER = (
    "# Written by gpudeck, which owns this file and no other here. Without it the service is as its own files say.\n"
)
_FILES = """\
run=$1 file=$2 ours=$3 service=$4; shift 4
set -- "$@" -f "$file"
for more in "${file%/*}/compose.override.yaml" "${file%/*}/compose.override.yml" \\
  "${file%/*}/docker-compose.override.yaml" "${file%/*}/docker-compose.override.yml"; do
  if [ -e "$more" ]; then set -- "$@" -f "$more"; fi
done
"""
"""What the operator's own ``docker compose`` reads: the file, and the override beside it where there is one."""
_READ = f"""\
{_FILES}$run compose "$@" config --format json || exit
if [ -e "$ours" ]; then echo @overlay; cat "$ours" || exit
  echo @overlaid; $run compose "$@" -f "$ours" config --format json
fi"""
_UP = f"""\
{_FILES}if [ -e "$ours" ]; then set -- "$@" -f "$ours"; fi
$run compose "$@" up --detach --no-deps --no-build "$service\""""
_STOP = f"""\
{_FILES}$run compose "$@" stop "$service\""""
_LOGS = f"""\
options=$1; shift
{_FILES}exec $run compose "$@" logs --no-log-prefix --no-color $options "$service" 2>&1"""
_STATES = """\
run=$1; shift
for service; do
  echo "@service $service"
  ids=$($run ps --all --quiet --no-trunc \\
    --filter "label=com.docker.compose.service=${service##*:}" \\
    --filter "label=com.docker.compose.project.working_dir=$(dirname "${service%:*}")")
  [ -z "$ids" ] || $run container inspect --format \\
    '{STATE}' $ids
done""".replace("{STATE}", STATE)


@dataclass(frozen=True, slots=True)
class ComposeProjects:
    """Docker on one host, asked for containers by the labels compose gives them."""

    become: str = "none"

    @property
    def run(self) -> str:
        """What every command of it begins with, as words of a shell."""
        return shlex.join(Read(("docker",)).as_root(self.become).words)

    def states(self, services: Sequence[Any]) -> Read:
        """One shell that asks for each service's container."""
        asked = (f"{service.file}:{service.service}" for service in services)
        return Read(("sh", "-c", _STATES, "sh", self.run, *asked))

    def parse_states(self, services: Sequence[Any], printed: str) -> dict[str, ServiceReading]:
        """What `states` printed, by the services' names. The newest container is printed first, and counts."""
        parts = {
            part.partition("\n")[0]: part.partition("\n")[2] for part in re.split("^@service ", printed, flags=re.M)
        }
        found: dict[str, ServiceReading] = {}
        for service in services:
            body = parts.get(f"{service.file}:{service.service}", "")
            rows = [line.split() for line in body.splitlines()]
            states = [ContainerEngine.reading(row) for row in rows if len(row) == 6]
            found[service.name] = states[0] if states else ServiceReading(ServiceWord.STOPPED)
        return found


@dataclass(frozen=True, slots=True)
class Compose:
    """One service of one compose file on its host."""

    file: str
    service: str
    become: str = "none"

    @classmethod
    def named(cls, name: str, become: str) -> Self:
        """From ``/PATH/compose.yaml:SERVICE``. Raises UsageError where it is not that."""
        match = _NAME.fullmatch(name)
        if not match or "/../" in name:
            raise UsageError(
                f"{clean(name)!r} names no compose file and service.",
                "Write compose:/PATH/compose.yaml:SERVICE, the whole path of the file on the host.",
            )
        return cls(match[1], match[2], become)

    @property
    def name(self) -> str:
        """``compose:/PATH/compose.yaml:SERVICE``."""
        return f"compose:{self.file}:{self.service}"

    @property
    def manager(self) -> ComposeProjects:
        """Who is asked for its state."""
        return ComposeProjects(self.become)

    @property
    def path(self) -> str:
        """Of our file, beside the operator's."""
        return f"{self.file.rpartition('/')[0]}/gpudeck.{self.service}.yaml"

    def definition(self) -> Read:
        """``compose config`` of the operator's own files, our file, and ``config`` with it."""
        return Read(self._shell(_READ))

    def parse_definition(self, answer: Answer) -> Definition:
        """Read that print. Raises GpudeckError where the service is missing or its command line is the image's own."""
        if not answer.ok:
            raise GpudeckError(
                f"{self.file} cannot be read: {clean(answer.stderr) or 'compose gave no reason'}",
                "Install it there, or correct the model's service: in the fleet file.",
            )
        own, _, rest = answer.stdout.partition("@overlay\n")
        overlay, _, overlaid = rest.partition("@overlaid\n")
        try:
            facts = json.loads(own)["services"][self.service]
            with_ours = json.loads(overlaid)["services"][self.service] if overlaid else {}
            return self._described(facts, with_ours, overlay or None)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise GpudeckError(
                f"{self.file} has no service {self.service} that can be read.",
                f"Look at `docker compose -f {self.file} config`.",
            ) from None

    def _described(self, facts: Mapping[str, Any], ours: Mapping[str, Any], overlay: str | None) -> Definition:
        argv, overlaid = _argv(facts), _argv(ours)
        environment = _environment(facts)
        return Definition(
            argv=argv,
            environment=environment,
            overlay=overlay,
            overlaid_argv=() if overlaid in ((), argv) else overlaid,
            overlaid_environment={n: v for n, v in _environment(ours).items() if environment.get(n) != v},
            command=json.dumps([facts.get("image"), facts.get("entrypoint"), facts.get("command")]),
            files=(self.file,),
            devices=_devices(facts),
            overlaid_devices=_devices(ours),
        )

    def install(self, text: str) -> tuple[Write, ...]:
        """Raises GpudeckError: a compose file holds other services too."""
        raise GpudeckError(f"{self.name} cannot be made from a template.", "Install the compose file by hand.")

    def overlay(
        self,
        definition: Definition,
        argv: tuple[str, ...],
        environment: Mapping[str, str | None],
        devices: Sequence[str] | None = None,
    ) -> str:
        """The compose file that makes it run ``argv`` with these variables and device nodes.

        Raises UsageError for a variable's name that is none, GpudeckError for a secret among the arguments, or where
        the image says by itself what runs.
        """
        checked_variables(environment)
        lines = ["services:", f"  {_scalar(self.service)}:"]
        if argv != definition.argv:
            check_no_secret(argv)
            lines.append(f"    command: !override {_list(argv[_entry_words(definition) :])}")
        if environment:
            lines.append("    environment:")
            lines += [
                f"      {name}: {'!reset null' if value is None else _scalar(value)}"
                for name, value in environment.items()
            ]
        if devices is not None:
            others = [device for device in definition.devices if "/dev/dri" not in device]
            lines.append(f"    devices: !override {_list((*others, *(f'{node}:{node}' for node in devices)))}")
        return _HEADER + "\n".join(lines) + "\n"

    def write_overlay(self, overlay: str) -> tuple[Write, ...]:
        """Write beside it, rename over it; the container is made anew when it is started."""
        return (
            self._write("tee", f"{self.path}.new", stdin=overlay.encode()),
            self._write("mv", "-T", f"{self.path}.new", self.path),
        )

    def remove_overlay(self) -> tuple[Write, ...]:
        """Delete our file; the container is made anew when it is started."""
        return (self._write("rm", "-f", self.path, f"{self.path}.new"),)

    def start(self) -> Write:
        """``compose up`` of this service alone."""
        return Write(self._shell(_UP))

    def stop(self) -> Write:
        """``compose stop`` of this service."""
        return Write(self._shell(_STOP))

    def logs(self, lines: int, *, follow: bool = False) -> Read:
        """``compose logs`` of this service."""
        options = f"--tail {lines}{' --follow' if follow else ''}"
        words = self._shell(_LOGS)
        return Read((*words[:4], options, *words[4:]))

    def _shell(self, script: str) -> tuple[str, ...]:
        return ("sh", "-c", script, "sh", self.manager.run, self.file, self.path, self.service)

    def _write(self, *words: str, stdin: bytes = b"") -> Write:
        return Write(words, stdin).as_root(self.become)


def _argv(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """What compose says runs: its entry point, where it sets one, and its command; or else the image as a program."""
    entry = facts.get("entrypoint") or ([facts["image"]] if facts else [])
    return tuple(str(word).replace("$$", "$") for word in (*entry, *(facts.get("command") or ())))


def _entry_words(definition: Definition) -> int:
    _, entry, _ = json.loads(definition.command)
    return len(entry) if entry else 1


def _environment(facts: Mapping[str, Any]) -> dict[str, str]:
    return {str(n): str(v).replace("$$", "$") for n, v in (facts.get("environment") or {}).items() if v is not None}


def _devices(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """``SOURCE:TARGET:PERMISSIONS``, as older and newer versions print it."""
    found = facts.get("devices") or ()
    return tuple(
        each if isinstance(each, str) else ":".join(str(each.get(key) or "") for key in ("source", "target"))
        for each in found
    )


def _scalar(text: str) -> str:
    """Text as a YAML scalar that compose fills nothing into."""
    return json.dumps(text.replace("$", "$$"))


def _list(words: Sequence[str]) -> str:
    return f"[{', '.join(map(_scalar, words))}]"
