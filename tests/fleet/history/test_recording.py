"""Readings come back as they were, finer or coarser, whatever clocks, processes and disks do meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleet.history.file import open_file
from fleet.history.reading import History, history
from fleet.history.recording import Recording
from fleet.history.values import DAY, Frame, Kind, Sample, Subject

NOON = 1_800_000_000 // DAY * DAY + DAY // 2
GPU = Subject(Kind.GPU, "gpu01/3")
MODEL = Subject(Kind.MODEL, "llama")
GIB = 1 << 30


def gpu(used: float | None, busy: float | None = 50, pci: str = "gpu01 0000:5c:00.0", name: str = "gpu01/3") -> Sample:
    return Sample(Subject(Kind.GPU, name), pci, (used, busy, 54, 48, 391))


def model(used: float | None, kv: float | None, waiting: float | None) -> Sample:
    return Sample(MODEL, "llama", (used, kv, 1, waiting, None, None, None))


class Kept:
    """A file with one recording process, and a reader."""

    def __init__(self, path: Path) -> None:
        self.database = open_file(path)
        self.recording = Recording(self.database)
        self.history = History(self.database)

    def record(self, at: int, *samples: Sample) -> None:
        self.recording.write([Frame(at, samples)])

    def count(self, table: str) -> int:
        (found,) = self.database.execute(f"SELECT count(*) FROM {table}").fetchone()
        return int(found)


@contextmanager
def opened(path: Path) -> Iterator[Kept]:
    kept = Kept(path)
    try:
        yield kept
    finally:
        kept.database.close()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    with opened(tmp_path / "fleet.history") as found:
        yield found


def test_a_reading_comes_back_to_the_byte(kept: Kept) -> None:
    kept.record(NOON, gpu(98 * GIB + 1), model(97 * GIB, 0.4125, 2))
    (bucket,) = kept.history.series(GPU, "used_bytes", NOON, NOON + 1, 1)
    assert bucket == (NOON, 98 * GIB + 1, 98 * GIB + 1, 98 * GIB + 1)
    (kv,) = kept.history.series(MODEL, "kv_usage", NOON, NOON + 1, 1)
    assert kv is not None
    assert kv.peak == 0.4125


def test_what_was_not_measured_is_a_gap(kept: Kept) -> None:
    kept.record(NOON, gpu(None))
    kept.record(NOON + 2, gpu(5))
    series = kept.history.series(GPU, "used_bytes", NOON, NOON + 4, 4)
    assert [bucket.peak if bucket else None for bucket in series] == [None, None, 5, None]
    assert kept.history.series(Subject(Kind.GPU, "gpu09/9"), "used_bytes", NOON, NOON + 4, 2) == (None, None)


def test_a_peak_of_one_second_is_there_after_a_day_and_after_a_month(kept: Kept) -> None:
    for second in range(7200):
        kept.record(NOON + second, gpu(190 * GIB if second == 4000 else 90 * GIB))
    kept.recording.roll(NOON + 7200)
    for points in (7200, 120, 2, 1):
        series = kept.history.series(GPU, "used_bytes", NOON, NOON + 7200, points)
        assert max(bucket.peak for bucket in series if bucket) == 190 * GIB
        assert min(bucket.low for bucket in series if bucket) == 90 * GIB
    kept.database.execute("DELETE FROM gpu_raw")
    kept.database.execute("DELETE FROM gpu_minute")
    whole = kept.history.series(GPU, "used_bytes", NOON, NOON + 7200, 2)
    assert [bucket.peak for bucket in whole if bucket] == [90 * GIB, 190 * GIB]
    assert whole[1] is not None
    assert whole[1].mean == pytest.approx((90 * 3599 + 190) * GIB / 3600)


def test_where_seconds_are_no_longer_kept_a_minute_stands_for_each_of_them(kept: Kept) -> None:
    for second in range(150):
        kept.record(NOON + second, gpu(second))
    kept.recording.roll(NOON + 150)
    kept.database.execute("DELETE FROM gpu_raw WHERE key < ?", ((NOON + 120) << 20,))
    series = kept.history.series(GPU, "used_bytes", NOON, NOON + 180, 18)
    peaks = [bucket.peak if bucket else None for bucket in series]
    assert peaks == [*[59] * 6, *[119] * 6, 129, 139, 149, None, None, None]


def test_the_minute_and_hour_that_are_not_over_count_already(kept: Kept) -> None:
    for second in range(0, 5400, 30):
        kept.record(NOON + second, gpu(second))
        kept.recording.roll(NOON + second)
    series = kept.history.series(GPU, "used_bytes", NOON, NOON + 7200, 2)
    assert [bucket.peak for bucket in series if bucket] == [3570, 5370]


def test_readings_of_a_day_minutes_of_eight_and_hours_of_four_hundred_are_kept(kept: Kept) -> None:
    for day in range(12):
        for minute in range(4):
            kept.record(NOON + day * DAY + minute * 60, gpu(day))
            kept.recording.roll(NOON + day * DAY + minute * 60)
    for later in range(20):
        kept.record(NOON + 11 * DAY + 600 + later * 60, gpu(11))
        kept.recording.roll(NOON + 11 * DAY + 600 + later * 60)
    raw, minutes = kept.count("gpu_raw"), kept.count("gpu_minute")
    assert raw <= 2 * 4 + 20
    assert minutes <= 9 * 4 + 20
    assert kept.count("gpu_hour") == 11
    series = kept.history.series(GPU, "used_bytes", NOON, NOON + 12 * DAY, 12)
    assert [bucket.peak for bucket in series if bucket] == list(range(12))


def test_beyond_its_limit_the_oldest_readings_go_first(tmp_path: Path) -> None:
    database = open_file(tmp_path / "fleet.history")
    recording = Recording(database, limit_bytes=0)
    for minute in range(120):
        recording.write([Frame(NOON + minute * 60 + second, (gpu(minute),)) for second in range(60)])
        recording.roll(NOON + minute * 60 + 59)
    (raw,) = database.execute("SELECT count(*) FROM gpu_raw").fetchone()
    (minutes,) = database.execute("SELECT count(*) FROM gpu_minute").fetchone()
    assert raw <= 5 * 60
    assert minutes == 119
    database.close()


def test_a_clock_set_back_neither_doubles_nor_breaks_a_series(kept: Kept) -> None:
    for second in range(600):
        kept.record(NOON + second, gpu(100))
        kept.recording.roll(NOON + second)
    for second in range(600):
        kept.record(NOON + 300 + second, gpu(200))
        kept.recording.roll(NOON + 300 + second)
    series = kept.history.series(GPU, "used_bytes", NOON, NOON + 900, 15)
    assert [bucket.mean for bucket in series if bucket] == [100] * 5 + [200] * 10
    (whole,) = kept.history.series(GPU, "used_bytes", NOON, NOON + 900, 1)
    assert whole is not None
    assert whole.mean == pytest.approx((5 * 100 + 10 * 200) / 15)


def test_a_clock_that_is_years_ahead_for_a_minute_costs_no_history(kept: Kept) -> None:
    for minute in range(60):
        kept.record(NOON + minute * 60, gpu(minute))
        kept.recording.roll(NOON + minute * 60)
    for minute in range(2):
        kept.record(NOON + 2000 * DAY + minute * 60, gpu(1))
        kept.recording.roll(NOON + 2000 * DAY + minute * 60)
    series = kept.history.series(GPU, "used_bytes", NOON, NOON + 3600, 60)
    assert sum(bucket is not None for bucket in series) >= 50


def test_two_consoles_that_record_one_reading_record_it_once(tmp_path: Path) -> None:
    path = tmp_path / "fleet.history"
    with opened(path) as one, opened(path) as other:
        for second in range(120):
            one.record(NOON + second, gpu(100), model(50, 0.5, 3))
            other.record(NOON + second, gpu(100), model(50, 0.5, 3))
            one.recording.roll(NOON + second)
            other.recording.roll(NOON + second)
        one.recording.roll(NOON + 120)
        other.recording.roll(NOON + 120)
        assert one.count("gpu_raw") == 120
        assert one.database.execute("SELECT used_bytes_n, used_bytes_sum FROM gpu_minute").fetchall() == [
            (60, 6000),
            (60, 6000),
        ]
        assert other.history.series(MODEL, "waiting", NOON, NOON + 120, 1)[0] == (NOON, 3, 3, 3)


def test_a_process_killed_before_it_rolled_up_is_made_good_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "fleet.history"
    with opened(path) as first:
        for second in range(180):
            first.record(NOON + second, gpu(second))
    with opened(path) as second_process:
        second_process.recording.roll(NOON + DAY // 2)
        assert second_process.count("gpu_minute") == 3
        assert second_process.count("gpu_hour") == 1
        assert second_process.count("unrolled") == 0


def test_a_gpu_keeps_its_history_when_its_index_changes(kept: Kept) -> None:
    one, other = "gpu01 0000:5c:00.0", "gpu01 0000:9d:00.0"
    kept.record(NOON, gpu(1, pci=one, name="gpu01/3"), gpu(2, pci=other, name="gpu01/4"))
    kept.record(NOON + 60, gpu(4, pci=other, name="gpu01/3"))
    series = kept.history.series(GPU, "used_bytes", NOON, NOON + 120, 2)
    assert [bucket.peak for bucket in series if bucket] == [2, 4]
    kept.record(NOON + 120, gpu(8, pci=one, name="gpu01/3"), gpu(16, pci=other, name="gpu01/4"))
    series = kept.history.series(GPU, "used_bytes", NOON, NOON + 180, 3)
    assert [bucket.peak if bucket else None for bucket in series] == [1, None, 8]
    assert kept.history.subjects(Kind.GPU) == (GPU, Subject(Kind.GPU, "gpu01/4"))


def test_a_host_that_is_somebody_else_every_second_is_not_followed_for_ever(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.history.recording._SUBJECTS", 10)
    for second in range(100):
        kept.record(NOON + second, gpu(1, pci=f"gpu01 0000:{second:02x}:00.0"))
    assert kept.count("subject") == 10
    assert kept.count("gpu_raw") == 10


def test_impossible_values_are_not_kept(kept: Kept) -> None:
    kept.record(NOON, gpu(1 << 80, float("nan")), model(-float("inf"), 0.5, 1))
    assert kept.history.at(NOON).values == {
        GPU: {"temperature_c": 54, "memory_temperature_c": 48, "power_w": 391},
        MODEL: {"kv_usage": 0.5, "running": 1, "waiting": 1},
    }


def test_peaks_under_load_say_when_they_were(kept: Kept) -> None:
    for second in range(3600):
        kept.record(NOON + second, model(90 * GIB, 0.98 if second == 1234 else 0.2, 7 if second == 2000 else 0))
        kept.recording.roll(NOON + second)
    peaks = kept.history.peaks(MODEL, NOON, NOON + 3600)
    assert peaks["kv_usage"] == (0.98, NOON + 1200)
    assert peaks["waiting"] == (7, NOON + 1980)
    assert peaks["used_bytes"].value == 90 * GIB
    assert kept.history.peaks(MODEL, NOON + 2400, NOON + 3600)["kv_usage"].value == 0.2


def test_a_moment_of_the_past_is_shown_as_it_was(kept: Kept) -> None:
    for second in range(7200):
        kept.record(NOON + second, gpu(second), model(second, 0.5, 0))
    kept.recording.roll(NOON + 7200)
    assert kept.history.at(NOON + 4000).values[GPU]["used_bytes"] == 4000
    kept.database.execute("DELETE FROM gpu_raw")
    minute = kept.history.at(NOON + 4000)
    assert minute.values[GPU]["used_bytes"] == pytest.approx(3960 + 29.5)
    assert minute.values[MODEL]["used_bytes"] == 4000
    assert not kept.history.at(NOON - 60).values


def test_a_fleet_never_recorded_has_an_empty_history(tmp_path: Path) -> None:
    with history(tmp_path / "none.history") as found:
        assert found.subjects(Kind.GPU) == ()
        assert found.events(0, NOON) == ()
        assert found.starts("llama") == ()
    assert not (tmp_path / "none.history").exists()
