"""What a wallboard holds after 24 hours: every snapshot of a simulated day, shown by an injected clock.

python tests/benchmarks/wall_day.py [--hours 24] [--every 10]

A day of readings that never repeat is published, with a model that fails and a host that is lost now and then, so that
banners, orders and styles change. Growth is counted from the end of the first hour, when every cache has filled.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from recorded_demo import READ_AT, RecordedSession, recorded_snapshot  # noqa: E402

from console.wall import WallApp  # noqa: E402
from fleet.inventory.loading import load  # noqa: E402
from fleet.readings import HostSnapshot, Link, ServiceReading, ServiceWord  # noqa: E402

SIZE = (160, 48)


def day(hours: float, every: float, chance: random.Random) -> Iterator[tuple[float, HostSnapshot]]:
    """Seconds since the morning, and what is read then."""
    snapshot = recorded_snapshot()
    assert snapshot.reading is not None
    models = tuple(snapshot.services)
    for tick in range(round(hours * 3600 / every)):
        gpus = tuple(
            replace(gpu, used_bytes=chance.randrange(1 << 30, 190 << 30), power_w=chance.uniform(100, 750))
            for gpu in snapshot.reading.gpus
        )
        services = dict(snapshot.services)
        if tick % 50 < 5:
            services[models[tick // 50 % len(models)]] = ServiceReading(ServiceWord.FAILED)
        link = Link.LOST if tick % 400 < 10 else Link.LIVE
        at = tick * every
        reading = replace(snapshot.reading, gpus=gpus, sequence=tick)
        yield (
            at,
            replace(snapshot, link=link, reading=reading, read_at=READ_AT + at, services=MappingProxyType(services)),
        )


def resident() -> int:
    """Bytes of this process in memory."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * 4096


async def run(hours: float, every: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        session = RecordedSession(load(ROOT / "fleet" / "simulator" / "fleet.yaml"), Path(folder))
        now = [0.0]
        app = WallApp(session, live=False, environment={"COLORTERM": "truecolor"})
        app.monotonic = lambda: now[0]
        app.time_of_day = lambda: f"{int(now[0] // 3600) % 24:02}:{int(now[0] // 60) % 60:02}"
        told: list[tuple[float, int, int]] = []
        began = time.monotonic()
        async with app.run_test(size=SIZE) as pilot:
            for at, snapshot in day(hours, every, random.Random(0)):
                if at % 3600 == 0:
                    gc.collect()
                    told.append((at / 3600, resident(), len(gc.get_objects())))
                now[0] = at
                session.board.publish(snapshot)
                app.show_state()
                await asyncio.sleep(0)
                if at % 600 == 0:
                    await pilot.pause()
            gc.collect()
            told.append((hours, resident(), len(gc.get_objects())))
    print(f"{'hour':>6} {'RSS MiB':>9} {'objects':>9}")
    for hour, rss, objects in told:
        print(f"{hour:>6.0f} {rss / 2**20:>9.1f} {objects:>9}")
    first, last = told[1], told[-1]
    frames = round(hours * 3600 / every)
    print(f"{frames} frames in {time.monotonic() - began:.0f} s; since the first hour RSS x {last[1] / first[1]:.3f},")
    print(f"objects x {last[2] / first[2]:.3f}; above 1.05 it grows")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--every", type=float, default=10, metavar="SECONDS", help="between two readings")
    options = parser.parse_args()
    asyncio.run(run(options.hours, options.every))
