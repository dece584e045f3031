"""Hints for somebody's first minutes: one at a time, each gone for good once its key was used, all once dismissed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from console.fleets import state_folder
from console.keys import KEYS, key_of
from fleet.files import replace

_FILE = "hints"
"""In the state folder: the ids of what is known, one list for all fleets."""


@dataclass(frozen=True, slots=True)
class Hint:
    """What one key is good for."""

    id: str
    """Of the key's binding."""
    words: str
    """What it does, after the key."""
    drafted: bool = False
    """Worth saying only while there is a draft; others only while there is none."""


HINTS = (
    Hint("deck.carry", "picks the model up; every GPU says whether it fits"),
    Hint("deck.findings", "goes through what is wrong, and stages fixes"),
    Hint("deck.plan", "turns the draft into steps; nothing is done yet", drafted=True),
    Hint("deck.zoom", "shows everything of the GPU under the cursor"),
    Hint("deck.command", "takes commands"),
    Hint("deck.help", "lists every key"),
)
"""In the order in which they are said."""


class FirstHints:
    """What somebody has not found out yet. Where nothing can be kept, it is kept until the console ends."""

    def __init__(self, path: Path) -> None:
        """As kept in that file."""
        self._path = path
        self._known: frozenset[str] = frozenset()
        with suppress(OSError, ValueError, TypeError):
            self._known = frozenset(map(str, json.loads(path.read_text(encoding="utf-8"))))

    def words(self, changed: Mapping[str, str], *, drafted: bool) -> str:
        """The next hint, with the keys that are set; empty where there is none left."""
        hint = next((each for each in HINTS if each.drafted is drafted and each.id not in self._known), None)
        return f"{key_of(hint.id, changed)} {hint.words}" if hint else ""

    def pressed(self, key: str, changed: Mapping[str, str]) -> None:
        """A key was used, as Textual names it: what it is good for is known."""
        hinted = {hint.id for hint in HINTS}
        bound = (each for each in KEYS if each.id in hinted)
        self._learn(each.id for each in bound if key in changed.get(each.id, each.keys).split(","))

    def dismiss(self) -> None:
        """No more of them."""
        self._learn(hint.id for hint in HINTS)

    def _learn(self, ids: Iterable[str]) -> None:
        known = self._known | frozenset(ids)
        if known == self._known:
            return
        self._known = known
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            replace(self._path, json.dumps(sorted(known)))


def own_hints() -> FirstHints:
    """Those of the user."""
    return FirstHints(state_folder() / _FILE)
