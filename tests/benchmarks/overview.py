"""What a thousand GPUs cost the console: ``python tests/benchmarks/overview.py [--hosts N]``.

125 hosts of 8 GPUs with a model each, from fixed states, no sockets. At every tick a fifth of the GPUs has other
readings: a little higher or lower (drift), or anything at all (jump), which no fleet does. Printed are processor
milliseconds and bytes written to a terminal of each size, for a tick and for a key.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import process_time

from textual.app import App
from textual.drivers.headless_driver import HeadlessDriver
from textual.pilot import Pilot

from console.app import GpudeckApp
from console.screens.overview import OverviewScreen
from console.session import Session
from fleet.findings.assessment import GpuOutlook
from fleet.inventory import Inventory
from fleet.inventory.loading import load_text
from fleet.model import GpuId
from fleet.readings import EngineReading, GpuIdentity, GpuReading, Link
from fleet.state import FleetState, GpuState, HostState, ModelState, ModelWord

TICKS = 20
SIZES = ((80, 24), (160, 48))
CHANGING = 0.2
READINGS = {"drift": 0.02, "jump": 1.0}
"""By how much of its range a reading changes at most."""


class CountedApp(GpudeckApp):
    """A console that takes its terminal for a real one, so that it sends what it draws."""

    @property
    def is_headless(self) -> bool:
        """No."""
        return False


written = 0


def count(driver: HeadlessDriver, data: str) -> None:
    """Count what the terminal is sent."""
    global written
    written += len(data.encode())


def inventory(hosts: int) -> Inventory:
    """Hosts of eight MI300X with a model on every GPU."""
    names = [f"gpu{number:03}" for number in range(1, hosts + 1)]
    lines = [f"  {name}: {{address: ops@{name}, accelerator: MI300X, gpus: 8}}\n" for name in names]
    models = [
        f"  m-{name}-{gpu}: {{engine: other, memory: 90 GB, place: {name}/{gpu}, service: 'systemd:m{gpu}.service'}}\n"
        for name in names
        for gpu in range(8)
    ]
    return load_text(f"fleet: wide\nhosts:\n{''.join(lines)}models:\n{''.join(models)}", Path("wide.yaml"))


def states(fleet: Inventory, number: int, drift: float) -> list[FleetState]:
    """The fleet at so many moments; most hosts live, some stale, some lost."""
    chance = random.Random(0)
    found = [_state(fleet, chance)]
    while len(found) < number:
        found.append(_later(found[-1], chance, drift))
    return found


def _state(fleet: Inventory, chance: random.Random) -> FleetState:
    models = {
        model.place.gpu_ids[0]: ModelState(
            model, ModelWord.SERVING, None, None, {}, EngineReading(kv_usage=chance.random(), waiting=0)
        )
        for model in fleet.placed
        if model.place
    }
    hosts = []
    for position, host in enumerate(fleet.hosts):
        link = Link.LOST if position % 41 == 7 else Link.STALE if position % 41 == 19 else Link.LIVE
        gpus = tuple(_gpu(gpu, models[gpu], chance) for gpu in host.gpu_ids)
        hosts.append(HostState(host.name, link, "", 1.0 if link is Link.LIVE else 75.0, gpus))
    return FleetState(fleet.fleet, tuple(hosts), tuple(models.values()), ())


def _gpu(gpu: GpuId, model: ModelState, chance: random.Random) -> GpuState:
    total = 206_141_652_992
    peak = round(chance.uniform(0.4, 0.99) * total)
    identity = GpuIdentity(f"0000:{gpu.index:02x}:00.0", 0, "1", None, gpu.index, total_bytes=total)
    outlook = GpuOutlook(total, 0, peak, peak, peak, ())
    return GpuState(gpu, "MI300X", _reading(GpuReading(identity), total, chance), outlook, (model,), unheld_bytes=0)


def _reading(reading: GpuReading, total: int, chance: random.Random, drift: float = 1.0) -> GpuReading:
    def near(now: float | None, low: float, high: float) -> float:
        if now is None:
            return chance.uniform(low, high)
        return min(high, max(low, now + chance.uniform(-drift, drift) * (high - low)))

    return replace(
        reading,
        used_bytes=round(near(reading.used_bytes, 0.1 * total, total)),
        temperature_c=float(round(near(reading.temperature_c, 35, 99))),
        power_w=float(round(near(reading.power_w, 140, 750))),
    )


def _later(state: FleetState, chance: random.Random, drift: float) -> FleetState:
    """A moment later: other readings on a fifth of the GPUs."""

    def gpu(each: GpuState) -> GpuState:
        if each.reading is None or chance.random() >= CHANGING:
            return each
        return replace(each, reading=_reading(each.reading, each.total_bytes, chance, drift))

    return replace(state, hosts=tuple(replace(host, gpus=tuple(map(gpu, host.gpus))) for host in state.hosts))


class FixedSession(Session):
    """A session that shows one given state after the other."""

    def __init__(self, fleet: Inventory, moments: Sequence[FleetState]) -> None:
        super().__init__(fleet)
        self.moments = moments
        self.at = 0

    def state(self, now: float | None = None) -> FleetState:
        """The moment that is shown."""
        del now
        return self.moments[self.at]


def wide_app(hosts: int, moments: int, drift: float) -> GpudeckApp:
    """The console over such a fleet."""
    fleet = inventory(hosts)
    session = FixedSession(fleet, states(fleet, moments, drift))
    return CountedApp(session, live=False, time_of_day=lambda: "14:02", environment={"COLORTERM": "truecolor"})


async def measured(app: App[None], pilot: Pilot[None], act: object) -> tuple[float, int]:
    """Milliseconds of processor time and bytes written until nothing is left to paint after an act."""
    before, began = written, process_time()
    assert callable(act)
    result = act()
    if result is not None:
        await result
    await pilot.pause()
    return 1000 * (process_time() - began), written - before


async def run(hosts: int, size: tuple[int, int], readings: str) -> list[str]:
    """A line for ticks and one for keys, on the deck and on the overview."""
    lines = []
    app = wide_app(hosts, TICKS, READINGS[readings])
    session = app.session
    assert isinstance(session, FixedSession)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        for screen in ("deck", "overview"):
            if screen == "overview":
                app.open_overview(None)
                await pilot.pause()
                assert isinstance(app.screen, OverviewScreen)

            def tick() -> None:
                session.at = (session.at + 1) % TICKS
                app.show_state()

            ticks = [await measured(app, pilot, tick) for _ in range(TICKS)]
            keys = [await measured(app, pilot, lambda: pilot.press("right")) for _ in range(TICKS)]
            for what, found in (("tick", ticks), ("key", keys)):
                milliseconds, sizes = zip(*found, strict=True)
                name = f"{size[0]}x{size[1]}"
                lines.append(
                    f"{name:<8} {readings:<8} {screen:<9} {what:<5} {median(milliseconds):>8.1f} {median(sizes):>8.0f}"
                )
    return lines


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=125)
    hosts = parser.parse_args().hosts
    HeadlessDriver.write = count  # type: ignore[method-assign, assignment]
    print(f"{hosts} hosts, {8 * hosts} GPUs, a fifth changing")
    print(f"{'size':<8} {'readings':<8} {'screen':<9} {'what':<5} {'ms':>8} {'bytes':>8}")
    for size in SIZES:
        for readings in READINGS:
            print("\n".join(asyncio.run(run(hosts, size, readings))))


if __name__ == "__main__":
    main()
