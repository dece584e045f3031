"""The fleet file while gpudeck runs: whether somebody else changed it, and what taking it comes to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from console.session import Session
from fleet.errors import UsageError
from fleet.inventory import Host, Inventory
from fleet.inventory.loading import FleetFileError, load
from fleet.model import Model
from fleet.planning.draft import Draft

_MOST_NAMED = 3
Stamp = tuple[int, int, int]
"""Inode, size and time of the last change: another one, another file."""


@dataclass(frozen=True, slots=True)
class News:
    """What is to say of the file."""

    words: str
    style: str
    is_taken: bool = False
    """Whether the session now has what the file says."""


class FleetFile:
    """The file a session's fleet was read from.

    A file that was changed is read once it stood still from one look to the next, so that half of one is never taken.
    What gpudeck writes there itself says nothing new, and is passed over.
    """

    def __init__(self, session: Session) -> None:
        """As it is now, which is what the session has of it."""
        self._session = session
        self._read = self._last = self._stamp()

    def look(self) -> News | None:
        """Take a file that was changed, or say why not; None where there is nothing to say. Looking costs one `stat`.

        Over a draft it is not taken, only told of.
        """
        before, self._last = self._last, self._stamp()
        if self._last in (None, self._read) or self._last != before:
            return None
        self._read = self._last
        return self._take(over_draft=False)

    def reload(self) -> News:
        """Take what the file says now. The draft stays over it, unless it makes no sense there any more."""
        self._read = self._last = self._stamp()
        return self._take(over_draft=True) or News(f"{self._name} says nothing new.", "text")

    def _take(self, *, over_draft: bool) -> News | None:
        """Have the session follow the file; None where it says what the session has."""
        try:
            file = self._load()
        except FleetFileError as error:
            return News(f"{self._problems(error)} What it said before still holds.", "error")
        what = what_differs(self._session.inventory, file)
        if not what:
            return None
        changed = f"{self._name} was changed ({what})"
        if _read_at_start(file) != _read_at_start(self._session.inventory):
            return News(f"{changed}, in what is read when gpudeck starts: leave, and start it again.", "warning")
        draft, lost = self._draft_over(file)
        if self._session.changes and not over_draft:
            then = f"drops the draft: {lost}" if lost else "leaves the draft as it is."
            return News(f"{changed}. The command reload takes it, and {then}", "warning")
        self._session.adopt(file, draft)
        if lost:
            return News(f"{changed}, and is taken. The draft is dropped: {lost}", "warning", is_taken=True)
        return News(f"{changed}, and is taken.", "good", is_taken=True)

    @property
    def _path(self) -> Path | None:
        return self._session.inventory.path

    @property
    def _name(self) -> str:
        return self._path.name if self._path else "The fleet"

    def _stamp(self) -> Stamp | None:
        """None while there is no file: editors take the old one away before they put the new one there."""
        try:
            found = self._path.stat() if self._path else None
        except OSError:
            return None
        return (found.st_ino, found.st_size, found.st_mtime_ns) if found else None

    def _load(self) -> Inventory:
        return load(self._path) if self._path else self._session.inventory

    def _problems(self, error: FleetFileError) -> str:
        """The first of them with its place in the file, and how many more there are."""
        first, *others = error.problems
        place = f":{first.line}:{first.column}" if first.line else ""
        return f"{self._name}{place}: {first.message}" + (f" There are {len(others)} more." if others else "")

    def _draft_over(self, file: Inventory) -> tuple[Draft, str]:
        """The draft over what the file says; an empty one, and why, where it makes no sense there."""
        draft = replace(self._session.draft, undone=())
        try:
            draft.after(file)
        except UsageError as error:
            return Draft(), error.message
        return draft, ""


def what_differs(before: Inventory, after: Inventory) -> str:
    """Whose entries two readings of a file differ in, by name; empty where they say the same."""
    then, now = _entries(before), _entries(after)
    names = [key[1] for key in {**then, **now} if then.get(key) != now.get(key)]
    if not names:
        return "" if before == after else "its settings"
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def _entries(fleet: Inventory) -> dict[tuple[str, str], Host | Model]:
    hosts = {("host", host.name): host for host in fleet.hosts}
    return {**hosts, **{("model", model.name): model for model in fleet.models}}


def _read_at_start(fleet: Inventory) -> tuple[object, ...]:
    """What connections, watchers and files are made from when gpudeck starts."""
    return fleet.fleet, fleet.ssh_config, fleet.prometheus, fleet.alerts, fleet.autopilot, *map(_reached, fleet.hosts)


def _reached(host: Host) -> tuple[object, ...]:
    return host.name, host.address, host.accelerator_name, host.gpus, host.become
