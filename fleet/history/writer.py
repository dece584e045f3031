"""Recording in the background, so that nobody who reads hosts or draws screens ever waits for a disk."""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from threading import Event as Signal
from threading import Thread

from fleet.errors import GpudeckError
from fleet.history.file import is_spoilt, open_file, set_aside
from fleet.history.recording import LIMIT_BYTES, Recording
from fleet.history.values import Entry, Frame

FLUSH_SECONDS = 5.0
"""Between two transactions: what a killed process loses."""
_MOST_WAITING = 20_000
_END_SECONDS = 10.0


class Writer:
    """Records what it is given in one file. Where that fails it says so, and tries again at the next flush.

    Anybody may `add`; one thread does the rest.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time, limit_bytes: int = LIMIT_BYTES) -> None:
        """Over a file that is made when there is something to record; ``clock`` gives Unix seconds."""
        self._path = path
        self._clock = clock
        self._limit_bytes = limit_bytes
        self._waiting: deque[Entry] = deque(maxlen=_MOST_WAITING)
        self._database: sqlite3.Connection | None = None
        self._recording: Recording | None = None
        self._is_doubted = False
        self.trouble = ""
        """Why nothing is recorded at the moment, as a sentence; empty where all is well."""
        self.notice = ""
        """A sentence about a file that was set aside; empty where none was."""

    def add(self, entry: Entry) -> None:
        """Have it recorded by the next flush."""
        self._waiting.append(entry)

    def flush(self) -> None:
        """Record what is waiting. While the file cannot be written, readings are lost and all else is kept back."""
        entries = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not entries and self._recording is None:
            return
        try:
            if entries:
                self._opened().write(entries)
                entries = []
            if self._recording is not None:
                self._recording.roll(self._clock())
            self.trouble = ""
        except GpudeckError as error:
            self.trouble = str(error)
        except sqlite3.Error as error:
            if _code(error) == sqlite3.SQLITE_BUSY:
                self._waiting.extendleft(reversed(entries))
                return
            self._fail(error)
        except OSError as error:
            self.trouble = f"Readings are not recorded: {self._path} cannot be written: {error.strerror}."
        self._waiting.extendleft(entry for entry in reversed(entries) if not isinstance(entry, Frame))

    def close(self) -> None:
        """Close the file."""
        if self._database is not None:
            self._database.close()
        self._database = self._recording = None

    def _opened(self) -> Recording:
        if self._recording is None:
            try:
                self._database = open_file(self._path, check=self._is_doubted)
            except sqlite3.DatabaseError as error:
                if not is_spoilt(error):
                    raise
                self.notice = set_aside(self._path, str(error), self._clock())
                self._database = open_file(self._path)
            self._is_doubted = False
            self._recording = Recording(self._database, limit_bytes=self._limit_bytes)
        return self._recording

    def _fail(self, error: sqlite3.Error) -> None:
        """Let go of the file. A spoilt one is looked at whole, and set aside, when it is next opened."""
        self.close()
        self._is_doubted = is_spoilt(error)
        if _code(error) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            self.trouble = f"Recording has paused: there is no room for {self._path}; it goes on when there is."
        else:
            self.trouble = f"Readings are not recorded: {self._path} cannot be written: {error}."


class WriterThread:
    """A writer in a thread of its own, which flushes it every few seconds."""

    def __init__(self, writer: Writer, *, interval: float = FLUSH_SECONDS) -> None:
        """Begins at once."""
        self._writer = writer
        self._interval = interval
        self._end = Signal()
        self._thread = Thread(target=self._run, name="history", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Record what is still waiting, and end."""
        self._end.set()
        self._thread.join(_END_SECONDS)

    def _run(self) -> None:
        while not self._end.wait(self._interval):
            self._writer.flush()
        self._writer.flush()
        self._writer.close()


def record(path: Path, *entries: Entry) -> str:
    """Record these entries now; why that was not possible, as a sentence, or nothing."""
    writer = Writer(path)
    for entry in entries:
        writer.add(entry)
    writer.flush()
    writer.close()
    return writer.trouble


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 where the error is our own."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
