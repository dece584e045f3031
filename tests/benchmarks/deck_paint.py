"""How long the deck takes to its first paint, by GPUs: ``python tests/benchmarks/deck_paint.py``.

Processor time, headless, of the deck with the names of a fleet file and nothing read; least of three. Beside it, what
Textual takes for a screen of as many bare widgets in the same grid: no deck of widgets can be faster.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import process_time

from textual.app import App, ComposeResult
from textual.containers import Container, VerticalScroll
from textual.widget import Widget

from console.app import GpudeckApp
from console.session import Session
from fleet.inventory import Inventory
from fleet.inventory.loading import load_text

SIZE = (160, 48)
TIMES = 3


def fleet(hosts: int) -> Inventory:
    """Hosts of eight MI300X."""
    text = "fleet: bench\nhosts:\n" + "".join(
        f"  gpu{number:02}: {{address: ops@gpu{number:02}, accelerator: MI300X, gpus: 8}}\n" for number in range(hosts)
    )
    return load_text(text + "models: {}\n", Path("bench.yaml"))


class Bare(App[None]):
    """As many widgets that draw nothing."""

    CSS = "Container { layout: grid; grid-size: 4; grid-rows: 7; height: auto; }"

    def __init__(self, widgets: int) -> None:
        super().__init__()
        self._widgets = widgets

    def compose(self) -> ComposeResult:
        """A grid in a scrolling container, as the deck is."""
        with VerticalScroll(), Container():
            yield from (Widget() for _ in range(self._widgets))


async def first_paint(app: App[None]) -> float:
    """Seconds of processor time until the app has nothing left to paint."""
    began = process_time()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        return process_time() - began


def main() -> None:
    """Print the table."""
    print(f"{'GPUs':>5} {'deck s':>7} {'bare s':>7} {'ratio':>6}")
    for hosts in (1, 4, 16, 32):
        inventory = fleet(hosts)
        deck = min(
            asyncio.run(first_paint(GpudeckApp(Session(inventory), live=False, environment={"COLORTERM": "truecolor"})))
            for _ in range(TIMES)
        )
        bare = min(asyncio.run(first_paint(Bare(8 * hosts))) for _ in range(TIMES))
        print(f"{8 * hosts:>5} {deck:>7.2f} {bare:>7.2f} {deck / bare:>6.1f}")


if __name__ == "__main__":
    main()
