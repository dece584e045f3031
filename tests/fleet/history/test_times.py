"""The nearest time of which something is recorded, wherever it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.history.file import open_file
from fleet.history.reading import History
from fleet.history.recording import Recording
from fleet.history.values import DAY, HOUR, Event, EventKind, Frame, Kind, Sample, Subject

NOON = 1_800_000_000
HOURS = NOON - NOON % HOUR.seconds


class Kept:
    def __init__(self, path: Path) -> None:
        self.database = open_file(path)
        self.recording = Recording(self.database)
        self.history = History(self.database)

    def read(self, *times: int, kind: Kind = Kind.GPU) -> None:
        values = (1,) * (5 if kind is Kind.GPU else 7)
        self.recording.write(Frame(at, (Sample(Subject(kind, "it"), "it", values),)) for at in times)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    found = Kept(tmp_path / "fleet.history")
    yield found
    found.database.close()


def test_of_an_empty_history_there_is_none(kept: Kept) -> None:
    assert kept.history.newest(NOON) is None
    assert kept.history.oldest(0) is None


@pytest.mark.parametrize("kind", list(Kind))
def test_a_reading_is_found_from_either_side_and_on_its_second(kept: Kept, kind: Kind) -> None:
    kept.read(NOON, NOON + 7, kind=kind)
    assert [kept.history.newest(NOON + n) for n in (-1, 0, 6, 7, 900)] == [None, NOON, NOON, NOON + 7, NOON + 7]
    assert [kept.history.oldest(NOON + n) for n in (-900, 0, 1, 7, 8)] == [NOON, NOON, NOON + 7, NOON + 7, None]


def test_an_event_is_something_recorded_too(kept: Kept) -> None:
    kept.read(NOON)
    kept.recording.write([Event(NOON + 20, EventKind.LINK, "gpu01", "lost")])
    assert kept.history.newest(NOON + 30) == NOON + 20
    assert kept.history.oldest(NOON + 1) == NOON + 20


def test_where_readings_are_gone_their_minutes_and_then_their_hours_are_found(kept: Kept) -> None:
    kept.read(HOURS + 130, HOURS + 200)
    kept.recording.roll(HOURS + DAY // 2)
    kept.recording.write([])
    kept.database.execute("DELETE FROM gpu_raw")
    assert kept.history.newest(HOURS + 179) == HOURS + 120
    assert kept.history.oldest(HOURS + 121) == HOURS + 180
    kept.database.execute("DELETE FROM gpu_minute")
    assert kept.history.newest(HOURS + 900) == HOURS
    assert kept.history.oldest(HOURS - 900) == HOURS


def test_no_row_between_is_read(kept: Kept) -> None:
    kept.read(*range(NOON, NOON + 2000))
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    kept.database.set_progress_handler(count, 1)
    kept.history.newest(NOON + 1000)
    kept.history.oldest(NOON + 1000)
    assert steps < 1000
