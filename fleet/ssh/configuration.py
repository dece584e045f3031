"""What the ssh configuration says of one address, and which of its lines are not obeyed: told, not passed over.

asyncssh skips the keywords it does not know without a word. Here its own reader, with Host, Match and Include as it
understands them, is made to keep them. Imported when a connection is opened.
"""

from __future__ import annotations

import getpass
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import asyncssh
from asyncssh.config import SSHClientConfig

from fleet.ssh.address import Address
from fleet.text import clean

_NO_LOSS = {
    "stricthostkeychecking": ("yes", "ask", "true"),
    "hashknownhosts": ("yes", "no"),
    "updatehostkeys": ("yes", "no", "ask"),
    "batchmode": ("yes",),
    "forwardx11": ("no",),
    "permitlocalcommand": ("no",),
    "controlmaster": ("no",),
}
"""Values that ask for what happens in any case: strict checking, files left alone, no questions, no forwarding."""
_SHARED = "one connection is shared in any case"
_FILES_ONLY = "only known_hosts files tell which keys are good"
_INSTEAD = {
    "stricthostkeychecking": "host keys are always checked",
    "nohostauthenticationforlocalhost": "host keys are always checked",
    "controlmaster": _SHARED,
    "controlpath": _SHARED,
    "controlpersist": _SHARED,
    "knownhostscommand": _FILES_ONLY,
    "verifyhostkeydns": _FILES_ONLY,
    "revokedhostkeys": f"{_FILES_ONLY}; write @revoked lines into one",
}
"""What happens instead, where there is more to say."""


@dataclass(frozen=True, slots=True)
class Disobeyed:
    """One such line."""

    path: Path
    number: int
    keyword: str
    value: str

    def __str__(self) -> str:
        what = clean(f"{self.keyword} {self.value}", 80)
        instead = _INSTEAD.get(self.keyword.lower(), "gpudeck has no such setting")
        return f"{self.path}:{self.number}: {what} is not obeyed: {instead}."


@dataclass(frozen=True, slots=True)
class Configuration:
    """What applies to one address."""

    options: asyncssh.SSHClientConnectionOptions
    """All that is said, for `asyncssh.connect`, which need not read it again."""
    disobeyed: tuple[Disobeyed, ...]
    """What ssh would obey and we do not, in the order it is read."""


def read_configuration(address: Address, ssh_config: Path | None) -> Configuration:
    """Read the configuration, by default ``~/.ssh/config``, as it applies to an address.

    Raises OSError, ValueError or asyncssh.Error where it cannot be read, naming file and line.
    """
    path = ssh_config or Path("~/.ssh/config").expanduser()
    reader = _read(address, path, final=False)
    if reader.has_match_final():
        reader = _read(address, path, final=True)
    nothing = asyncssh.SSHClientConnectionOptions(config=None, client_keys=None)
    nothing.config = reader
    asked = {"host": address.host, "username": address.user, "port": address.port}
    given = {name: value for name, value in asked.items() if value is not None}
    options = asyncssh.SSHClientConnectionOptions(nothing, config=None, client_keys=None, **given)
    return Configuration(options, tuple(_matters(reader.skipped)))


def _read(address: Address, path: Path, *, final: bool) -> _Reader:
    user, port = address.user or (), address.port or ()
    reader = _Reader(None, False, False, final, getpass.getuser(), user, address.host, port)
    if path.is_file():
        reader.parse(path)
    return reader


def _matters(skipped: list[Disobeyed]) -> Iterator[Disobeyed]:
    """Of what was skipped, what ssh would not ignore too, and would do otherwise than we do."""
    unknown = [line.value.lower() for line in skipped if line.keyword.lower() == "ignoreunknown"]
    ignored = ["ignoreunknown", *(pattern for value in unknown for pattern in re.split(r"[,\s]+", value))]
    for line in skipped:
        keyword = line.keyword.lower()
        if line.value.lower() not in _NO_LOSS.get(keyword, ()) and not any(fnmatch(keyword, each) for each in ignored):
            yield line


class _Reader(SSHClientConfig):
    """asyncssh's reader, which also keeps what it skips."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.skipped: list[Disobeyed] = []

    def skip(self, _keyword: str, values: list[str]) -> None:
        """Keep a line that nothing reads."""
        written = self._path.read_text("utf-8", "replace").split("\n")[self._line_no - 1]
        keyword = re.split(r"[\s=]", written.strip(), maxsplit=1)[0]
        self.skipped.append(Disobeyed(self._path, self._line_no, keyword, " ".join(values)))
        values.clear()


class _Handlers(dict[str, tuple[str, Callable[..., None]]]):
    """What reads each keyword; a keyword that nothing reads is skipped."""

    def __missing__(self, keyword: str) -> tuple[str, Callable[..., None]]:
        return keyword, _Reader.skip


_Reader._handlers = _Handlers(SSHClientConfig._handlers)
