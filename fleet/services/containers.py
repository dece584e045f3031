"""podman and docker containers: ours is made from the operator's own, which is kept under another name.

A container cannot be changed, so it is made anew beside the old one and takes its name. What it was made by is its
label `LABEL`: that is the overlay. The operator's own container is only renamed, so taking the overlay away gives back
the very same one, with everything in it.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fleet.commands import Answer, Read, Write
from fleet.errors import GpudeckError, UsageError
from fleet.services import Definition, MissingServiceError
from fleet.services.arguments import check_no_secret
from fleet.services.container_engine import ContainerEngine
from fleet.services.podman import UPDATES_RESTARTS, obstacle
from fleet.services.recreation import own_options
from fleet.services.variables import checked_variables
from fleet.text import clean

LABEL = "gpudeck.overlay"
KEPT = ".gpudeck-own"
"""What the name of the operator's own container ends with while ours has its name."""
FRESH = ".gpudeck-new"
"""What the name of ours ends with until it is whole."""
_HEADER = "# Written by gpudeck: what this container is made by, from the container whose id is named.\n"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,200}")
_INIT = ("/run/podman-init", "/dev/init", "/sbin/docker-init")
_GIVEN_ANEW = ("HOSTNAME", "container")
"""Variables podman gives each container by itself."""

_READ = """\
engine=$1; shift
$engine container inspect "$@"
exec $engine version"""

_CREATE = f"""\
engine=$1 name=$2 from=$3 cleared=$4; shift 4; overlay=$(cat)
if $engine container inspect "$name{FRESH}" >/dev/null 2>&1; then $engine rm "$name{FRESH}" >/dev/null || exit; fi
$engine container inspect --format '{{{{range .Config.Env}}}}{{{{println .}}}}{{{{end}}}}' "$from" |
grep -Ev "^($cleared)=|^\\$" |
$engine create --name "$name{FRESH}" --env-file /dev/stdin --label "{LABEL}=$overlay" "$@" """
"""The environment goes from the old container to the new one through a pipe: on no command line and in no file."""

_SWAP = f"""\
engine=$1 name=$2
of() {{ $engine container inspect --format "$2" "$1" 2>/dev/null; }}
if [ -n "$(of "$name" '{{{{index .Config.Labels "{LABEL}"}}}}')" ]; then $engine rm "$name"
elif of "$name" ok; then
  if [ "$(of "$name" '{{{{.HostConfig.RestartPolicy.Name}}}}')" = always ]; then
    $engine update --restart=no "$name" || exit
  fi
  $engine rename "$name" "$name{KEPT}"
fi && $engine rename "$name{FRESH}" "$name\""""
"""A kept container that restarts `always` would take its GPU back when the host boots."""

_GIVE_BACK = f"""\
engine=$1 name=$2
of() {{ $engine container inspect --format "$2" "$1" 2>/dev/null; }}
if of "$name{FRESH}" ok; then $engine rm "$name{FRESH}" || exit; fi
of "$name{KEPT}" ok || exit 0
if [ "$(of "$name" '{{{{.HostConfig.RestartPolicy.Name}}}}')" = always ]; then
  $engine update --restart=always "$name{KEPT}" || exit
fi
if [ -n "$(of "$name" '{{{{index .Config.Labels "{LABEL}"}}}}')" ]; then $engine rm "$name" || exit; fi
$engine rename "$name{KEPT}" "$name\""""


@dataclass(frozen=True, slots=True)
class Container:
    """One container of podman or docker."""

    container: str
    manager: ContainerEngine
    kind: str
    """``podman``, ``podman-user`` or ``docker``."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.container) or self.container.endswith((KEPT, FRESH)):
            raise UsageError(
                f"{clean(self.container)!r} is not the name of a container.", "Write a name such as podman:vllm-llama."
            )

    @property
    def name(self) -> str:
        """``podman:NAME``, ``podman-user:NAME`` or ``docker:NAME``."""
        return f"{self.kind}:{self.container}"

    def definition(self) -> Read:
        """``container inspect`` of what has the name and of the operator's own, where it is kept; then the version."""
        engine = " ".join(self.manager.words)
        return Read(("sh", "-c", _READ, "sh", engine, self.container, f"{self.container}{KEPT}"))

    def parse_definition(self, answer: Answer) -> Definition:
        """Read that print. Raises GpudeckError where the container is missing, or cannot be made again."""
        try:
            printed, end = json.JSONDecoder().raw_decode(answer.stdout.lstrip() or "[]")
            found = {str(each["Name"]).lstrip("/"): each for each in printed}
            return self._definition(found, answer, answer.stdout.lstrip()[end:])
        except (ValueError, KeyError, TypeError, AttributeError):
            raise GpudeckError(
                f"What {self.manager.program} says of {self.container} cannot be read.",
                f"Look at `{self.manager.program} container inspect {self.container}`.",
            ) from None

    def _definition(self, found: Mapping[str, Any], answer: Answer, version: str) -> Definition:
        named, kept = found.get(self.container), found.get(f"{self.container}{KEPT}")
        if named is None and kept is not None:
            raise GpudeckError(
                f"{self.container} is missing, and its own container is kept as {self.container}{KEPT}.",
                f"Give it its name back: {self.manager.program} rename {self.container}{KEPT} {self.container}",
            )
        if named is None:
            raise MissingServiceError(
                f"There is no container {self.container}: {clean(answer.stderr) or 'nothing was printed'}",
                "Make it there as it is made elsewhere, or correct the model's service: in the fleet file.",
            )
        overlay = (named["Config"].get("Labels") or {}).get(LABEL)
        if kept is not None and overlay is None:
            raise GpudeckError(
                f"{self.container} was made anew by somebody while gpudeck kept its former self.",
                f"Remove the former one: {self.manager.program} rm {self.container}{KEPT}",
            )
        own = named if overlay is None else kept
        if own is None:
            raise GpudeckError(
                f"{self.container} was made by gpudeck, and the container it was made from is gone.",
                f"Make it by hand; {self.manager.program} container inspect {self.container} says how it is.",
            )
        return self._described(own, named, overlay, version)

    def _described(
        self, own: Mapping[str, Any], named: Mapping[str, Any], overlay: str | None, version: str
    ) -> Definition:
        argv, environment = _argv(own), _environment(own)
        for name, value in environment.items():
            if "\n" in value:
                raise GpudeckError(
                    f"The variable {clean(name, 80)} of {self.container} holds a line break and cannot be handed on.",
                    "Put the value into a file, or on one line.",
                )
        made_by = (f"from={own['Id']}", *own_options(own), "--entrypoint", argv[0], str(own["Image"]), *argv[1:])
        ours = {name: value for name, value in _environment(named).items() if environment.get(name) != value}
        return Definition(
            argv=argv,
            environment=environment,
            overlay=None if overlay is None else overlay.rstrip("\n") + "\n",
            overlaid_argv=() if overlay is None or _argv(named) == argv else _argv(named),
            overlaid_environment={} if overlay is None else ours,
            command=shlex.join(made_by),
            text=shlex.join((*self.manager.words, "create", "--name", self.container, *made_by[1:])),
            devices=_devices(own),
            overlaid_devices=() if overlay is None else _devices(named),
            obstacle=self._obstacle(version) if overlay is None and _restarts_always(own) else None,
        )

    def _obstacle(self, version: str) -> GpudeckError | None:
        return obstacle(
            version,
            UPDATES_RESTARTS,
            f"cannot keep {self.container} from starting beside its successor when the host boots (--restart=always)",
            "Upgrade podman there, or make the container with --restart=unless-stopped.",
        )

    def install(self, text: str) -> tuple[Write, ...]:
        """Raises GpudeckError: no file makes a container."""
        raise GpudeckError(f"{self.name} cannot be made from a template.", "Make the container by hand.")

    def overlay(
        self,
        definition: Definition,
        argv: tuple[str, ...],
        environment: Mapping[str, str | None],
        devices: Sequence[str] | None = None,
    ) -> str:
        """What a container that runs ``argv``, with these variables and device nodes, is made by.

        ``devices`` take the place of the operator's own render nodes; None leaves them. Raises UsageError for a
        variable's name that is none, GpudeckError for a secret among the arguments or where podman is too old.
        """
        if definition.obstacle:
            raise definition.obstacle
        cleared = (*checked_variables(environment), *_GIVEN_ANEW)
        check_no_secret(argv)
        source, *made_by = shlex.split(definition.command)
        options = made_by[: -len(definition.argv) - 2]
        image = made_by[-len(definition.argv)]
        if devices is not None:
            options = [*_without_render_nodes(options), *(f"--device={node}" for node in devices)]
        options += [f"--env={name}={value}" for name, value in environment.items() if value is not None]
        words = (source, f"cleared={'|'.join(cleared)}", *options, "--entrypoint", argv[0], image, *argv[1:])
        return f"{_HEADER}{shlex.join(words)}\n"

    def write_overlay(self, overlay: str) -> tuple[Write, ...]:
        """Make ours beside what has the name, then give it the name; the operator's own is kept under another."""
        source, cleared, *made_by = shlex.split(overlay, comments=True)
        create = (source.removeprefix("from="), cleared.removeprefix("cleared="), *made_by)
        return (self._script(_CREATE, *create, stdin=overlay.encode()), self._script(_SWAP))

    def remove_overlay(self) -> tuple[Write, ...]:
        """Remove ours, and give the operator's own its name back."""
        return (self._script(_GIVE_BACK),)

    def start(self) -> Write:
        """``start``."""
        return Write((*self.manager.words, "start", self.container))

    def stop(self) -> Write:
        """``stop``, which returns when every process in it is gone."""
        return Write((*self.manager.words, "stop", self.container))

    def logs(self, lines: int, *, follow: bool = False) -> Read:
        """``logs``; what it says on standard error is said on standard output, in order."""
        tail = ("-f",) if follow else ()
        words = (*self.manager.words, "logs", *tail, "--tail", str(lines), self.container)
        return Read(("sh", "-c", 'exec "$@" 2>&1', "sh", *words))

    def _script(self, script: str, *words: str, stdin: bytes = b"") -> Write:
        return Write(("sh", "-c", script, "sh", " ".join(self.manager.words), self.container, *words), stdin)


def _argv(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """The command line in the container, without the init process an engine puts before it."""
    argv = (str(facts["Path"]), *map(str, facts["Args"]))
    return argv[2:] if argv[0] in _INIT and argv[1:2] == ("--",) else argv


def _restarts_always(facts: Mapping[str, Any]) -> bool:
    return bool((facts["HostConfig"].get("RestartPolicy") or {}).get("Name") == "always")


def _environment(facts: Mapping[str, Any]) -> dict[str, str]:
    pairs = (str(pair).partition("=") for pair in facts["Config"]["Env"] or ())
    return {name: value for name, _, value in pairs}


def _devices(facts: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(device["PathOnHost"]) for device in facts["HostConfig"].get("Devices") or ())


def _without_render_nodes(options: Sequence[str]) -> list[str]:
    """The options without ``--device`` of anything under /dev/dri, however it is written."""
    kept: list[str] = []
    words = iter(options)
    for word in words:
        given = [word, next(words, "")] if word == "--device" else [word]
        if word.startswith("--device") and "/dev/dri" in given[-1]:
            continue
        kept += given
    return kept
