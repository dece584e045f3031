"""What gpudeck needs sudo for on a host: the narrowest lines, taken from the very commands a rollout runs.

They keep mistakes small, not a hostile operator: who may write a unit's drop-in says what the unit runs, and as whom.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from console.doctor import Check, Grade
from fleet.commands import ROOT_HELPER, Command, Read
from fleet.errors import GpudeckError, UsageError
from fleet.inventory import Host
from fleet.model import Model
from fleet.readings import Cordon
from fleet.services import Service
from fleet.services.containers import Container
from fleet.services.cordons import write_cordons
from fleet.services.holder import folder
from fleet.services.registry import service_of
from fleet.ssh.address import Address
from fleet.ssh.probe_only import ProbeOnly
from fleet.text import clean

TOKEN = "[0-9a-f]" * 16
"""A rollout's token, as sudoers matches it; nothing else does."""
_SUDO = Command((":",)).as_root("sudo").words[:-1]
_WHERE = {"docker": "/usr/bin/docker", "podman": "/usr/bin/podman"}
_ASKS = {"sudo": ("sudo", "-n", "-l", "--"), "helper": ("sudo", "-n", "--", ROOT_HELPER, "allows")}
"""What answers whether a command would be run, and runs nothing."""
_WHO = {"sudo": "sudo", "helper": "The helper"}
_ASK = """\
while IFS= read -r line; do
  (eval "set -- \\"\\$@\\" $line"; "$@") </dev/null >/dev/null 2>&1 || printf '%s\\n' "$line"
done"""
"""For sh: prints those of the commands, each a quoted line, that fail where its arguments are put before them."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One command sudo is to run as root."""

    words: tuple[str, ...]
    any_arguments: bool = False
    """Whether it may have any other arguments too."""

    @property
    def asked(self) -> tuple[str, ...]:
        """A command that it covers."""
        return tuple(word.replace(TOKEN, "0" * 16) for word in self.words)

    @property
    def line(self) -> str:
        """As sudoers writes it."""
        program, *arguments = self.words
        path = _WHERE.get(program, f"/usr/bin/{program}")
        return " ".join([path, *(_escaped(word) for word in arguments)])


def grants(host: Host, models: Iterable[Model]) -> tuple[Grant, ...]:
    """All that rollouts, and reading, run as root on that host. Nothing where it has ``become: none``."""
    if host.become == "none":
        return ()
    cordoning = write_cordons("sudo", (), Cordon("", "", 0.0))
    found = [*(Grant(words) for words in _lock(folder("sudo"))), *_as_root(cordoning)]
    for model in models:
        service = _service(model)
        if service is not None:
            found += _of(service, model)
    return tuple(dict.fromkeys(found))


def _service(model: Model) -> Service | None:
    try:
        return service_of(model, "sudo")
    except UsageError:
        return None


def _of(service: Service, model: Model) -> Iterator[Grant]:
    commands: list[Command] = [service.start(), service.stop()]
    if not isinstance(service, Container) and model.managed is None:
        with suppress(GpudeckError):  # a kind that has no overlay, or is not installed as a file
            commands += (*service.write_overlay(""), *service.remove_overlay())
            commands += service.install("") if model.service_template else ()
    return _as_root(commands)


def _as_root(commands: Iterable[Command]) -> Iterator[Grant]:
    """What sudo runs of them; where a script of ours runs sudo itself, that program with any arguments."""
    for command in commands:
        if command.words[: len(_SUDO)] == _SUDO:
            words = command.words[len(_SUDO) :]
            yield Grant(words[:1], any_arguments=True) if words[0] in _WHERE else Grant(words)
        else:
            prefix = f"{shlex.join(_SUDO)} "
            inner = [shlex.split(word)[len(_SUDO) :] for word in command.words if word.startswith(prefix)]
            yield from (Grant((words[0],), any_arguments=True) for words in inner)


def _lock(place: str) -> Iterator[tuple[str, ...]]:
    """The commands of a rollout's lock (`fleet.rollout.lock`, which who only looks does not import)."""
    own = f"{place}.{TOKEN}"
    yield "mkdir", own
    yield "tee", f"{own}/holder"
    yield "tee", f"{place}/holder"
    yield "mv", "-T", own, place
    yield "mv", "-T", place, f"{own}.taken"
    yield "mv", "-T", f"{own}.taken", place
    yield "rm", "-rf", own
    yield "rm", "-rf", place
    yield "rm", "-rf", f"{own}.taken"


def _escaped(word: str) -> str:
    escaped = word.replace("\\", "\\\\\\\\")
    for sign in ",:=":
        escaped = escaped.replace(sign, f"\\{sign}")
    return escaped


def sudoers(host: Host, models: Iterable[Model]) -> str:
    """A file for ``/etc/sudoers.d`` on that host; empty where it needs none."""
    found = grants(host, models)
    if not found:
        return ""
    user = Address.parse(host.address).user or "OPERATOR"
    if host.become == "helper":
        return f"{user} ALL=(root) NOPASSWD: {ROOT_HELPER}\n"
    lines = ", \\\n".join(f"    {grant.line}" for grant in found)
    return (
        f"# {host.name}: what gpudeck runs as root. Put it into /etc/sudoers.d/gpudeck by `visudo -f`.\n"
        "# Who may write a unit's drop-in decides what the unit runs, and as whom; who may use docker or podman as\n"
        f"# root, everything. So {user} is as good as root: these lines prevent mistakes, not malice.\n"
        "# To read logs without sudo, add the user to the group systemd-journal.\n"
        f"Cmnd_Alias GPUDECK = \\\n{lines}\n"
        f"{user} ALL=(root) NOPASSWD: GPUDECK\n"
    )


async def sudo_checks(probe: ProbeOnly, host: Host, models: Sequence[Model]) -> list[Check]:
    """Whether sudo would run each of them without asking; nothing is run."""
    wanted = grants(host, models)
    if not wanted:
        return [Check(host.name, "sudo", Grade.OK, "Nothing is done as root there (become: none).")]
    listed = await probe.read(Read(("sudo", "-n", "-l")))
    if not listed.ok:
        return [_refused(host, clean(listed.stderr, 160))]
    asked = "".join(f"{shlex.join(grant.asked)}\n" for grant in wanted)
    answer = await probe.read(Read(("sh", "-c", _ASK, "sh", *_ASKS[host.become]), asked.encode()), timeout=30.0)
    missing = [clean(line, 120) for line in answer.stdout.splitlines()]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        return [
            Check(
                host.name,
                "sudo",
                Grade.FAIL,
                f"{_WHO[host.become]} does not allow `{missing[0]}`{more}, so that changes would fail half-way.",
                _way_out(host),
            )
        ]
    if "NOPASSWD" not in listed.stdout and "!authenticate" not in listed.stdout and not await _is_root(probe):
        return [_refused(host, "it asks for a password")]
    return [Check(host.name, "sudo", Grade.OK, f"It allows all {len(wanted)} commands that changes run as root.")]


def _refused(host: Host, said: str) -> Check:
    return Check(
        host.name,
        "sudo",
        Grade.FAIL,
        f"It cannot be used without a password: {said.rstrip('.')}.",
        f"{_way_out(host).removesuffix('.')}; or write become: none.",
    )


def _way_out(host: Host) -> str:
    if host.become == "helper":
        return f"`gpudeck doctor --root-helper {host.name}` prints the helper, and how it is installed."
    return f"`gpudeck doctor --sudoers {host.name}` prints the lines that are needed."


async def _is_root(probe: ProbeOnly) -> bool:
    return (await probe.read(Read(("id", "-u")))).stdout.strip() == "0"
