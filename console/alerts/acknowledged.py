"""Acknowledgements: which alerts the operators know of, and until when; one small file per fleet, shared by all.

It is kept beside the fleet's journal and history, is read again when it changed, and is replaced as a whole, so that
it is never seen half written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from fleet.errors import GpudeckError
from fleet.files import replace
from fleet.text import clean

_MOST = 1000
_LIMIT_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Somebody knows."""

    until: int
    """Unix seconds."""
    by: str = ""
    note: str = ""


class Acknowledgements:
    """The acknowledgements of one fleet, by `console.alerts.Alert.key`."""

    def __init__(self, path: Path) -> None:
        """Of the file there is, or will be, at that path."""
        self._path = path
        self._read_as: tuple[int, int] | None = None
        self._found: Mapping[str, Acknowledgement] = {}

    def of(self, key: str, at: float) -> Acknowledgement | None:
        """Who knows of that alert at that time, in Unix seconds."""
        return self.all(at).get(key)

    def all(self, at: float) -> Mapping[str, Acknowledgement]:
        """Those that have not run out at that time. A file that cannot be read has none."""
        self._refresh()
        return {key: each for key, each in self._found.items() if each.until > at}

    def acknowledge(self, key: str, acknowledgement: Acknowledgement, at: float) -> None:
        """Keep it until it runs out; one that has run out already takes an earlier one back. Raises GpudeckError."""
        kept = {**self.all(at), clean(key): acknowledgement}
        soonest = sorted(kept.items(), key=lambda item: item[1].until)[-_MOST:]
        document = {name: asdict(each) for name, each in soonest if each.until > at}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            replace(self._path, json.dumps(document, ensure_ascii=False))
        except OSError as error:
            raise GpudeckError(f"{self._path} cannot be written: {error.strerror}.") from None

    def _refresh(self) -> None:
        try:
            stat = self._path.stat()
            seen = stat.st_mtime_ns, stat.st_ino
            if seen == self._read_as:
                return
            text = self._path.read_text(encoding="utf-8", errors="replace")[:_LIMIT_BYTES]
        except OSError:
            self._read_as, self._found = None, {}
            return
        self._read_as, self._found = seen, {}
        with suppress(ValueError, TypeError, AttributeError, KeyError):
            self._found = {
                clean(key): Acknowledgement(int(each["until"]), clean(str(each["by"])), clean(str(each["note"])))
                for key, each in json.loads(text).items()
            }
