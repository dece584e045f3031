"""The draft of a fleet, kept on disk while it is made: a line that drops takes no work along."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from fleet.errors import GpudeckError, UsageError
from fleet.files import replace
from fleet.inventory import Inventory
from fleet.inventory.changes import Change, apply, sentence
from fleet.planning.draft import Draft
from fleet.planning.json import change_from_json, change_json

SCHEMA = "gpudeck/draft/1"
_SPOILT = (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, UsageError)
"""What a file that holds no draft, or one that makes no sense, leads to."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What an earlier console left: changes that may be staged again, and what is said about it."""

    changes: tuple[Change, ...] = ()
    words: str = ""


class KeptDraft:
    """One fleet's draft in a file. It is offered to the next console, and never staged by itself."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        """The draft in that file; ``clock`` gives Unix seconds."""
        self._path = path
        self._clock = clock

    def keep(self, draft: Draft, inventory: Inventory) -> None:
        """Let the file hold this draft over this fleet; none where it is empty. Raises GpudeckError."""
        try:
            if draft.changes:
                self._write(_document(draft, inventory, self._clock()))
            else:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            raise GpudeckError(
                f"The draft cannot be kept in {self._path}: {error.strerror}.", "It ends with this console."
            ) from None

    def offer(self, inventory: Inventory, redo: str) -> Offer:
        """What the file holds for this fleet; ``redo`` is the key that stages it again.

        A draft of a fleet that is another by now is dropped with a word.
        """
        try:
            kept, over, changes = self._read()
            when = datetime.fromtimestamp(kept).astimezone().strftime("%Y-%m-%d %H:%M")
            if over != _fingerprint(inventory):
                return self._dropped(f"The draft of {when} is dropped: the fleet file has moved on since.")
            apply(inventory, changes)
        except FileNotFoundError:
            return Offer()
        except _SPOILT:
            return self._dropped(f"The draft kept in {self._path} cannot be read, and is dropped.")
        more = f" and {len(changes) - 1} more" if len(changes) > 1 else ""
        return Offer(changes, f"Kept from {when}: {sentence(changes[0])}{more}. {redo} stages it again.")

    def _read(self) -> tuple[float, str, tuple[Change, ...]]:
        document = json.loads(self._path.read_text(encoding="utf-8"))
        if document["schema"] != SCHEMA or not document["changes"]:
            raise ValueError("this is no draft")
        changes = tuple(change_from_json(entry) for entry in document["changes"])
        return float(document["kept"]), str(document["over"]), changes

    def _dropped(self, words: str) -> Offer:
        with suppress(OSError):
            self._path.unlink()
        return Offer(words=words)

    def _write(self, document: dict[str, Any]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace(self._path, json.dumps(document))


def _document(draft: Draft, inventory: Inventory, now: float) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "fleet": inventory.fleet,
        "over": _fingerprint(inventory),
        "kept": now,
        "changes": [change_json(change) for change in draft.ordered],
    }


def _fingerprint(inventory: Inventory) -> str:
    """Of what the fleet file says of hosts and models, whatever its comments and layout."""
    return sha256(repr((inventory.hosts, inventory.models)).encode()).hexdigest()
