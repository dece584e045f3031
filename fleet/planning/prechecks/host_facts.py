"""What of a host could make a start fail or a stop do more than asked: commands that read it, and what they print."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fleet.commands import Answer, Read
from fleet.secrets import is_secret
from fleet.text import clean

_UNIT = (
    "Id,Type,TimeoutStartUSec,ExecStartPre,ExecStartPost,EnvironmentFiles,RequiredBy,BoundBy,ConsistsOf,Requires,"
    "Requisite,Wants,BindsTo,Conflicts,User,Group,SupplementaryGroups"
)
_TYPES_THAT_WAIT = ("notify", "notify-reload", "forking", "oneshot", "dbus")
_SECONDS = {"y": 31_557_600, "month": 2_629_800, "w": 604_800, "d": 86_400, "h": 3600, "min": 60, "s": 1, "ms": 0.001}
_LISTENING = "0A"
_PATHS = """\
n=0
for path do
  near=$path
  while [ ! -e "$near" ] && [ "$near" != / ] && [ "$near" != . ]; do
    case $near in */*) near=${near%/*}; near=${near:-/} ;; *) near=. ;; esac
  done
  state=unknown
  if [ -e "$path" ]; then state=there; elif [ -x "$near" ]; then state=missing; fi
  echo "$n $state $(df -Pk "$near" | sed -n '$s/.* \\([0-9][0-9]*\\)  *[0-9-]*%.*/\\1/p')" \\
    $(find "$path" -maxdepth 0 -type f -perm -004 \\
      -exec sed -n 's/^[[:space:]]*\\([A-Za-z_][A-Za-z0-9_]*\\)=..*/\\1/p' {} + 2>/dev/null | head -n 200)
  n=$((n + 1))
done"""


@dataclass(frozen=True, slots=True)
class UnitFacts:
    """One systemd unit, as its manager has read it."""

    waits: bool = False
    """Whether its start is over only when something has come up, so that its timeout counts the load."""
    start_seconds: float | None = None
    """After which systemd gives a start up; None = never."""
    environment_files: tuple[str, ...] = ()
    """Those it cannot start without."""
    stops: tuple[str, ...] = ()
    """Services that its stop stops too, where they run."""
    starts: tuple[str, ...] = ()
    """Services that its start starts too, where they do not run."""
    conflicts: tuple[str, ...] = ()
    """Services that its start stops, where they run."""
    user: str | None = None
    """Whom it runs as, empty for the manager's own user; None where its manager does not say."""
    groups: tuple[str, ...] = ()
    """Groups it gets beside its user's."""


@dataclass(frozen=True, slots=True)
class PathFacts:
    """One path of a host."""

    missing: bool = False
    """Whether it is certainly not there."""
    free_bytes: int | None = None
    """On its filesystem, or the one it would be made on."""
    open_secrets: tuple[str, ...] = ()
    """Variables with a secret in it that every user of the host can read."""


def units_command(systemctl: Sequence[str], units: Sequence[str]) -> Read:
    """The command that prints these units' settings."""
    return Read((*systemctl, "show", "-p", _UNIT, "--", *units))


def parse_units(units: Sequence[str], answer: Answer) -> dict[str, UnitFacts]:
    """What `units_command` printed, by unit; empty where it is not to be trusted."""
    blocks = [block for block in answer.stdout.split("\n\n") if block.strip()]
    if not answer.ok or len(blocks) != len(units):
        return {}
    return {unit: _unit(block) for unit, block in zip(units, blocks, strict=True)}


def active_command(systemctl: Sequence[str], units: Sequence[str]) -> Read:
    """The command that prints which of these units run."""
    return Read((*systemctl, "show", "-p", "ActiveState", "--", *units))


def parse_active(units: Sequence[str], answer: Answer) -> frozenset[str]:
    """Those of the units that run."""
    blocks = [block.strip() for block in answer.stdout.split("\n\n") if block.strip()]
    if not answer.ok or len(blocks) != len(units):
        return frozenset()
    running = ("ActiveState=active", "ActiveState=activating", "ActiveState=reloading")
    return frozenset(unit for unit, block in zip(units, blocks, strict=True) if block in running)


def ports_command() -> Read:
    """The command that prints the host's TCP sockets."""
    return Read(("sh", "-c", 'cat "${PROBE_ROOT:-}/proc/net/tcp" "${PROBE_ROOT:-}/proc/net/tcp6" 2>/dev/null'))


def parse_ports(answer: Answer) -> frozenset[int]:
    """The ports somebody listens on."""
    rows = (line.split() for line in answer.stdout.splitlines())
    local = (row[1].rpartition(":")[2] for row in rows if len(row) > 3 and row[3] == _LISTENING)
    return frozenset(int(port, 16) for port in local if re.fullmatch("[0-9A-Fa-f]{4}", port))


def paths_command(paths: Sequence[str]) -> Read:
    """The command that prints of each path whether it is there, what is free beside it, and what everybody can read.

    Of files that everybody can read, the names of variables are printed, never their values.
    """
    return Read(("sh", "-c", _PATHS, "sh", *paths))


def parse_paths(paths: Sequence[str], answer: Answer) -> dict[str, PathFacts]:
    """What `paths_command` printed, by path."""
    found: dict[str, PathFacts] = {}
    for line in answer.stdout.splitlines():
        number, _, rest = line.partition(" ")
        state, *words = rest.split()[:201] or [""]
        if not number.isdecimal() or int(number) >= len(paths):
            continue
        free = int(words.pop(0)) * 1024 if words and words[0].isdecimal() else None
        secrets = tuple(clean(word, 60) for word in words if is_secret(word))
        found[paths[int(number)]] = PathFacts(state == "missing", free, secrets)
    return found


def _unit(block: str) -> UnitFacts:
    said: dict[str, list[str]] = {}
    for key, _, value in (line.partition("=") for line in block.splitlines()):
        said.setdefault(key, []).append(clean(value, 4000))

    def services(*keys: str) -> tuple[str, ...]:
        names = " ".join(value for key in keys for value in said.get(key, ())).split()
        return tuple(dict.fromkeys(name for name in names if name.endswith(".service")))

    hooks = any(value for key in ("ExecStartPre", "ExecStartPost") for value in said.get(key, ()))
    files = (re.fullmatch(r"(/.*) \(ignore_errors=no\)", value) for value in said.get("EnvironmentFiles", ()))
    return UnitFacts(
        waits=said.get("Type", [""])[0] in _TYPES_THAT_WAIT or hooks,
        start_seconds=_seconds(said.get("TimeoutStartUSec", ["infinity"])[0]),
        environment_files=tuple(match[1] for match in files if match and not set("*?[") & set(match[1])),
        stops=services("RequiredBy", "BoundBy", "ConsistsOf"),
        starts=services("Requires", "Requisite", "Wants", "BindsTo"),
        conflicts=services("Conflicts"),
        user=next(iter(said.get("User", ())), None),
        groups=tuple(name for key in ("Group", "SupplementaryGroups") for name in " ".join(said.get(key, ())).split()),
    )


def _seconds(text: str) -> float | None:
    """systemd's own way to write a time span, ``1min 30s``; None for ``infinity`` and what is none."""
    parts = [re.fullmatch(r"([0-9.]+)([a-z]+)", part) for part in text.split()]
    if not parts or not all(match and match[2] in _SECONDS for match in parts):
        return None
    return sum(float(match[1]) * _SECONDS[match[2]] for match in parts if match)
