"""What recording costs, what it takes on disk, and how soon it is read back.

Run with ``python tests/benchmarks/history.py``; about a minute.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter, process_time

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from recorded_demo import READ_AT, RecordedSession, recorded_snapshot  # noqa: E402

from console.history.recording import Recorder  # noqa: E402
from fleet.history.file import open_file  # noqa: E402
from fleet.history.reading import History  # noqa: E402
from fleet.history.recording import Recording  # noqa: E402
from fleet.history.values import DAY, Frame, Kind, Sample, Subject  # noqa: E402
from fleet.history.window import window  # noqa: E402
from fleet.history.writer import FLUSH_SECONDS, Writer  # noqa: E402
from fleet.inventory.loading import load  # noqa: E402
from fleet.units import GiB, MiB  # noqa: E402

MIDNIGHT = 1_800_000_000 // DAY * DAY
_CHANCE = Random(0)


def frame(at: int, gpus: int, models: int) -> Frame:
    """Readings such as a busy fleet has: every figure moves all the time."""
    noise = _CHANCE.randrange
    samples = [
        Sample(
            Subject(Kind.GPU, f"gpu{n // 8:03}/{n % 8}"),
            f"gpu{n // 8:03} 0000:{n % 8:02x}:00.0",
            (98 * GiB + noise(GiB), noise(100), 54 + noise(9), 48 + noise(9), 300 + noise(400)),
        )
        for n in range(gpus)
    ]
    samples += [
        Sample(
            Subject(Kind.MODEL, f"model-{n}"),
            f"model-{n}",
            (97 * GiB + noise(GiB), noise(1000) / 1000, noise(30), noise(3), noise(9000), noise(90), noise(3)),
        )
        for n in range(models)
    ]
    return Frame(at, tuple(samples))


def session_cost(folder: Path, seconds: int = 600) -> tuple[float, float]:
    """Shares of one core that recording the demo's host takes: all of it, and the writer's part.

    A second has one frame of 8 GPUs and 13 models, and a snapshot more for services or endpoints.
    """
    session = RecordedSession(load(ROOT / "fleet" / "simulator" / "fleet.yaml"), folder)
    now = MIDNIGHT
    writer = Writer(folder / "cost.history", clock=lambda: now)
    Recorder(session, writer, clock=lambda: now)
    snapshot = recorded_snapshot()
    session.board.publish(snapshot)
    begun, written = process_time(), 0.0
    for second in range(seconds):
        now += 1
        newest = replace(snapshot, read_at=READ_AT + second)
        session.board.publish(newest)
        session.board.publish(newest)
        if second % FLUSH_SECONDS == 0:
            before = process_time()
            writer.flush()
            written += process_time() - before
    took = process_time() - begun
    writer.close()
    return took / seconds, written / seconds


def rows_a_second(path: Path, gpus: int, models: int, seconds: int) -> float:
    """How many readings a second of one core's time are written and rolled up, in transactions of five seconds."""
    database = open_file(path)
    recording = Recording(database)
    took = 0.0
    for at in range(MIDNIGHT, MIDNIGHT + seconds, 5):
        frames = [frame(second, gpus, models) for second in range(at, at + 5)]
        before = process_time()
        recording.write(frames)
        recording.roll(at + 5)
        took += process_time() - before
    database.close()
    return seconds * (gpus + models) / took


def bytes_a_row(path: Path) -> dict[str, float]:
    """Bytes on disk of a row of each table that has any."""
    database = open_file(path)
    found = {}
    for kind in Kind:
        for tier in ("raw", "minute", "hour"):
            name = f"{kind}_{tier}"
            (rows,) = database.execute(f"SELECT count(*) FROM {name}").fetchone()
            (size,) = database.execute("SELECT sum(pgsize) FROM dbstat WHERE name = ?", (name,)).fetchone()
            found[name] = size / max(1, rows)
    database.close()
    return found


def a_week(path: Path, gpus: int) -> None:
    """A week of that many GPUs: a reading a minute, which makes the same minutes and hours as one a second."""
    database = open_file(path)
    recording = Recording(database)
    for at in range(MIDNIGHT, MIDNIGHT + 7 * DAY, 3600):
        for minute in range(at, at + 3600, 60):
            recording.write([frame(minute, gpus, 0)])
        recording.roll(at + 3600)
    database.close()


def milliseconds(action: Callable[[], object], rounds: int = 5) -> float:
    """The median time of an action."""
    times = []
    for _ in range(rounds):
        begun = perf_counter()
        action()
        times.append(perf_counter() - begun)
    return median(times) * 1e3


def main() -> None:
    """Print every figure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        share, writing = session_cost(folder)
        print(
            f"recording 8 GPUs + 13 models at 1 Hz   {100 * share:8.3f} % of a core; {100 * writing:.3f} % is writing"
        )
        for gpus, models, seconds in ((8, 13, 7200), (256, 400, 120)):
            path = folder / f"{gpus}.history"
            speed = rows_a_second(path, gpus, models, seconds)
            print(f"rows a second, {gpus:>3} GPUs + {models:>3} models    {speed:8,.0f}")
        row = bytes_a_row(folder / "8.history")
        for kind in Kind:
            raw, minute, hour = row[f"{kind}_raw"] * DAY, row[f"{kind}_minute"] * 1440, row[f"{kind}_hour"] * 24
            print(f"a {kind} and day, raw                 {raw / MiB:8.2f} MiB, {row[f'{kind}_raw']:.0f} B a reading")
            print(f"a {kind} and day, minutes and hours   {(minute + hour) / MiB:8.2f} MiB")
        path = folder / "week.history"
        a_week(path, 256)
        database = open_file(path)
        history = History(database)
        subjects = history.subjects(Kind.GPU)
        end = MIDNIGHT + 7 * DAY - 1

        def read(span: int, names: tuple[Subject, ...]) -> None:
            over = window(end, span, 60)
            for subject in names:
                history.series(subject, "used_bytes", over.since, over.until, over.points)

        def peaks() -> None:
            for subject in subjects:
                history.peaks(subject, end - 7 * DAY, end)

        print(f"a week of 256 GPUs on disk             {path.stat().st_size / MiB:8.1f} MiB")
        print(f"a week of one GPU                      {milliseconds(lambda: read(7 * DAY, subjects[:1])):8.2f} ms")
        print(f"a week of 256 GPUs                     {milliseconds(lambda: read(7 * DAY, subjects)):8.1f} ms")
        print(f"a day of one GPU, from its minutes     {milliseconds(lambda: read(DAY, subjects[:1])):8.2f} ms")
        print(f"a week's peaks of 256 GPUs             {milliseconds(peaks):8.1f} ms")
        print(f"256 GPUs as they were at one time      {milliseconds(lambda: history.at(end - 4 * DAY)):8.1f} ms")
        database.close()


if __name__ == "__main__":
    main()
