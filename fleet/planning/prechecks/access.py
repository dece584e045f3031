"""Whether the user a unit runs as may open what its engine opens: the GPUs' nodes, weights, tokens and keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fleet.commands import Answer, Read, Reader
from fleet.findings import Finding
from fleet.planning.prechecks.beginnings import Beginning
from fleet.text import clean

_NODES = ("/dev/kfd", "/dev/dri/renderD*")
_FILE_ARGUMENTS = ("ssl-keyfile", "ssl-certfile", "ssl-ca-certs", "api-key-file", "chat-template", "chat-template-file")
_FILE_VARIABLES = ("HF_TOKEN_PATH", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_ROOT = 0
_MOST_LINES = 2000
_READ = """\
user=$1 groups=$2; shift 2
for group in $groups; do extra="$extra $(getent group "$group" | cut -d: -f3)"; done
echo "user $(id -u $user) $(id -G $user) $extra"
IFS=
for path do
  for at in $path; do
    [ -e "$at" ] || continue
    what=$at
    while :; do
      echo "at $(stat -Lc '%G' -- "$at" 2>/dev/null || echo '?') $(ls -ldnL -- "$at" 2>/dev/null | cut -c 1-60)"
      [ "$at" != / ] || break
      at=${at%/*}; at=${at:-/}
    done
    echo "path $what"
  done
done"""
"""For sh: $1 = the user, empty for whoever asks; $2 = more groups; then paths and patterns."""


@dataclass(frozen=True, slots=True)
class User:
    """Whom a process runs as, by numbers."""

    uid: int
    groups: frozenset[int]


@dataclass(frozen=True, slots=True)
class Node:
    """A file, folder or device."""

    mode: str
    """As ls prints it, ``crw-rw----``; with a ``+`` where rules of its own (ACL) say more."""
    uid: int
    gid: int
    group: str

    def allows(self, user: User, rights: str) -> bool:
        """Whether that user has these rights, ``r``, ``rw`` or ``x``; yes where rules of its own decide."""
        if user.uid == _ROOT or self.mode.endswith("+"):
            return True
        first = 1 if user.uid == self.uid else 4 if self.gid in user.groups else 7
        mine = self.mode[first : first + 3].replace("s", "x").replace("t", "x")
        return all(right in mine for right in rights)


def access_command(user: str, groups: Sequence[str], paths: Sequence[str]) -> Read:
    """The command that prints who that user is, and the modes of each path and of every folder above it."""
    return Read(("sh", "-c", _READ, "sh", user, " ".join(groups), *paths))


def parse_access(answer: Answer) -> tuple[User | None, dict[str, tuple[Node, ...]]]:
    """What `access_command` printed: the user, and by path its node and those above it; nothing of what is not sure."""
    user: User | None = None
    found: dict[str, tuple[Node, ...]] = {}
    above: list[Node | None] = []
    for line in answer.stdout.splitlines()[:_MOST_LINES]:
        kind, _, rest = line.partition(" ")
        words = rest.split()
        if kind == "user" and len(words) > 1 and all(word.isdecimal() for word in words):
            user = User(int(words[0]), frozenset(map(int, words[1:])))
        elif kind == "at":
            above.append(_node(words))
        elif kind == "path":
            nodes = tuple(node for node in above if node)
            if len(nodes) == len(above) and nodes:
                found[rest] = nodes
            above = []
    return user, found


def _node(words: Sequence[str]) -> Node | None:
    if len(words) < 5 or not (words[3].isdecimal() and words[4].isdecimal()) or len(words[1]) < 10:
        return None
    return Node(words[1], int(words[3]), int(words[4]), clean(words[0], 60))


async def check(start: Beginning, reader: Reader) -> list[Finding]:
    """What its user may not open. Nothing of a container, nor where the host does not say who its user is."""
    if not start.in_own_process or start.user is None:
        return []
    nodes = _NODES if start.accelerator.vendor == "amd" else ()
    files = [path for path in _files(start) if path.startswith("/") and not set("*?[") & set(path)]
    command = access_command(start.user, start.unit.groups, (*nodes, *files))
    user, found = parse_access(await reader.read(command))
    if user is None:
        return []
    gpus = {path: above for path, above in found.items() if path not in files}
    others = {path: above for path, above in found.items() if path in files}
    return [*_gpus(start, user, gpus), *_unreadable(start, user, others)]


def _files(start: Beginning) -> list[str]:
    variables = [start.environment.get(name, "") for name in _FILE_VARIABLES]
    arguments = [start.text(flag) for flag in _FILE_ARGUMENTS]
    own = start.unit.environment_files if start.step.service.startswith("systemd-user") else ()
    return list(dict.fromkeys((start.source, *variables, *arguments, *own)))


def _gpus(start: Beginning, user: User, found: dict[str, tuple[Node, ...]]) -> Iterator[Finding]:
    closed: dict[str, str] = {}
    for path, (node, *_) in found.items():
        if not node.allows(user, "rw"):
            closed.setdefault(node.group, path)
    who = start.user or "whoever logs in"
    for group, path in closed.items():
        yield start.finding(
            "PRE007",
            f"it runs as {who}, who is not in the group {group} and so may not open {path} on {start.step.host}. "
            f"Add SupplementaryGroups={group} to the unit, or run `usermod -aG {group} {who}`.",
        )


def _unreadable(start: Beginning, user: User, found: dict[str, tuple[Node, ...]]) -> Iterator[Finding]:
    for path, (node, *folders) in found.items():
        rights = "rx" if node.mode.startswith("d") else "r"
        if node.allows(user, rights) and all(folder.allows(user, "x") for folder in folders):
            continue
        who = start.user or "whoever logs in"
        closed = next((folder for folder in folders if not folder.allows(user, "x")), node)
        through = "" if closed is node else f" through a folder of mode {closed.mode}"
        yield start.finding(
            "PRE008",
            f"it runs as {who}, who may not read {path} on {start.step.host}{through}. Let its group read it and put "
            f"{who} into that, or give it to {who}.",
        )
