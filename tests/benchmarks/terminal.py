"""What the console costs on a real terminal of 160x48: ``python tests/benchmarks/terminal.py``.

First paint beside a bare Textual app, btop and htop (where installed), medians of five runs that take turns; then
bytes, delays and memory of one console each, against its budget, and the same of those monitors. k9s shows nothing but
its logo without a cluster, and is left out. Takes four minutes; nothing else should run.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median, quantiles
from types import MappingProxyType

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from metered import Key, Run, run  # noqa: E402

from fleet.readings import HostSnapshot  # noqa: E402
from fleet.units import GiB  # noqa: E402

FLEET = ROOT / "fleet" / "simulator" / "fleet.yaml"
GPUDECK = [sys.executable, "-m", "console.cli"]
A_MODEL = "kb-whisper-large"
TIMES = 5
LINE = 12_500.0
"""Bytes a second of a bad line: 100 kbit/s."""
BARE = """
from textual.app import App
from textual.widgets import Static

class Bare(App):
    def compose(self):
        yield Static("nothing but a word")

Bare().run()
"""
FIRST_PAINTS = {
    "bare Textual app": ([sys.executable, "-c", BARE], "nothing but a word"),
    "gpudeck demo": ([*GPUDECK, "demo"], A_MODEL),
    "gpudeck FLEET": ([*GPUDECK, str(FLEET)], A_MODEL),
    "btop": (["btop", "--utf-force"], "cpu"),
    "htop": (["htop"], "Load average"),
}
"""What is started, and what stands on the screen once it is painted."""
MONITORS = {"btop": ["btop", "--utf-force"], "htop": ["htop", "-d10"]}
"""Other monitors, at one picture a second; btop is told so by its settings."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table."""

    what: str
    measured: float
    unit: str
    budget: float | None = None
    """At most; None = shown for comparison."""


def environment(folder: Path) -> dict[str, str]:
    """A terminal of 24-bit colour on this machine, and folders of its own; modules are compiled once, as installed."""
    foreign = ("LINES", "COLUMNS", "TMUX", "NO_COLOR", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if name not in foreign}
    terminal = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
    folders = {"TMPDIR": folder, "XDG_STATE_HOME": folder / "state", "XDG_CONFIG_HOME": folder / "settings"}
    return {**kept, **terminal, "PYTHONPATH": str(ROOT), **{name: str(path) for name, path in folders.items()}}


def first_paints(world: dict[str, str]) -> Iterator[Figure]:
    """Milliseconds from the start to the first picture, and for ours the multiple of a bare Textual app.

    The first turn, in which modules are compiled and files come from the disk, does not count.
    """
    programs = {name: each for name, each in FIRST_PAINTS.items() if shutil.which(each[0][0])}
    taken: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(1 + TIMES):
        for name, (argv, words) in programs.items():
            painted = run(argv, seconds=2.0, environment=world).first(lambda text, words=words: words in text)  # type: ignore[misc]
            taken[name].append(1e3 * (painted or float("nan")))
    counted = {name: times[1:] for name, times in taken.items()}
    bare = median(counted["bare Textual app"])
    for name, times in counted.items():
        yield Figure(f"first paint: {name}", median(times), f"ms, {min(times):.0f} to {max(times):.0f}")
        if name.startswith("gpudeck"):
            yield Figure(f"first paint: {name}", median(times) / bare, "x bare", 2.0)


@contextlib.contextmanager
def served(folder: Path, world: dict[str, str]) -> Iterator[Path]:
    """The simulated host, served apart; its fleet file."""
    words = [*GPUDECK, "demo", "--serve", str(folder)]
    child = subprocess.Popen(words, env=world, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        fleet_file = folder / "fleet.yaml"
        while not fleet_file.exists():
            time.sleep(0.05)
        yield fleet_file
    finally:
        child.terminate()
        child.wait(10)


def headless_status(fleet_file: Path, world: dict[str, str]) -> Iterator[Figure]:
    """What `status --json` imports of a terminal, and how long it takes."""
    code = (
        "import sys; from console.cli import main; main(sys.argv[1:]);"
        "print(sum(name.split('.')[0] in ('textual', 'rich') for name in sys.modules), file=sys.stderr)"
    )
    began = time.monotonic()
    words = [sys.executable, "-c", code, "status", str(fleet_file), "--json"]
    done = subprocess.run(words, env=world, capture_output=True, text=True, check=True)
    json.loads(done.stdout)
    yield Figure("status --json: modules of Textual", float(done.stderr.split()[-1]), "", 0)
    yield Figure("status --json: until it is there", 1e3 * (time.monotonic() - began), "ms")


def memory(world: dict[str, str]) -> Iterator[Figure]:
    """Resident memory of the console on one host, the host itself not counted."""
    took = run([*GPUDECK, "demo"], seconds=20.0, environment=world)
    yield Figure("resident memory, one host", max(size for _, _, size in took.usage) / 1e6, "MB", 90)


def taped(mode: str, folder: Path, world: dict[str, str], *, seconds: float, **how: object) -> tuple[Run, Path]:
    """A console on recorded readings, which it is given anew every second; see `play`."""
    log = folder / f"{mode}.log"
    words = [sys.executable, __file__, "--play", mode, "--log", str(log)]
    return run(words, seconds=seconds, environment=world, **how), log  # type: ignore[arg-type]


def keys(folder: Path, world: dict[str, str]) -> Iterator[Figure]:
    """Cursor keys: bytes, and milliseconds until the last of them is painted."""
    pressed = [Key(4 + 0.4 * n, f"\x1b[{'CCCDDDBBAA'[n % 10]}") for n in range(60)]
    took, _ = taped("idle", folder, world, seconds=30.0, keys=pressed)
    painted = [took.painted(key, key.at + 0.35) for key in took.typed]
    sizes, delays = zip(*[each for each in painted if each[0]], strict=True)
    yield Figure("cursor key", max(sizes) / 1e3, "kB", 9)
    yield Figure("cursor key, 95th percentile", 1e3 * quantiles(delays, n=20)[-1], "ms", 50)


def idle(folder: Path, world: dict[str, str]) -> Iterator[Figure]:
    """Readings come and no shown value changes."""
    took, _ = taped("idle", folder, world, seconds=34.0)
    yield Figure("idle", took.bytes_between(4, 34) / 30, "B/s", 50)
    yield Figure("idle, of one core", 100 * took.core_share(4, 34), "%", 1)


def updates(folder: Path, world: dict[str, str]) -> Iterator[Figure]:
    """Every second a fifth of the values are others."""
    took, _ = taped("fifth", folder, world, seconds=34.0)
    yield Figure("a fifth of the values change every second", took.bytes_between(4, 34) / 30e3, "kB/s", 4)


def monitors(folder: Path, world: dict[str, str]) -> Iterator[Figure]:
    """What other monitors send at one picture a second, and what they take; no second is idle to them."""
    settings = folder / "settings" / "btop" / "btop.conf"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text("update_ms = 1000\n", encoding="ascii")
    for name, argv in MONITORS.items():
        if shutil.which(name):
            took = run(argv, seconds=34.0, environment=world)
            yield Figure(f"{name}, idle or not, at one picture a second", took.bytes_between(4, 34) / 30e3, "kB/s")
            yield Figure(f"{name}, of one core", 100 * took.core_share(4, 34), "%")
            yield Figure(f"{name}, resident memory", max(size for _, _, size in took.usage) / 1e6, "MB")


def slow_line(folder: Path, world: dict[str, str]) -> Iterator[Figure]:
    """The same over 12.5 kB/s, with keys: how long the loop hangs, and how old the picture is."""
    pressed = [Key(20 + 1.3 * n, f"\x1b[{'CD'[n % 2]}") for n in range(15)]
    took, log = taped("fifth", folder, world, seconds=45.0, keys=pressed, line=LINE)
    stalls, published = [], {}
    for entry in map(json.loads, log.read_text(encoding="ascii").splitlines()):
        if "stall" in entry:
            stalls.append(entry["stall"])
        else:
            published[entry["value"]] = entry["at"] - took.began
    late, shown = [], ""
    for at, lines in took.screens():
        value = next((line[2:].partition("°C")[0].split()[-1] for line in lines if line.startswith("╭ 0")), "")
        if value != shown and value in published and at > 20:
            late.append(at - published[value])
        shown = value
    yield Figure("a line of 12.5 kB/s: longest stall of the loop", 1e3 * max(stalls), "ms", 150)
    yield Figure("a line of 12.5 kB/s: age of the picture", max(late), "s", 2)
    yield Figure("a line of 12.5 kB/s: first picture whole", took.first(lambda t: "? help" in t) or float("nan"), "s")


def play(mode: str, log: Path) -> None:
    """Be a console on recorded readings: every second the same (``idle``) or a fifth of them changed (``fifth``).

    Logs when it published which value of GPU 0's temperature, and when its loop came late.
    """
    from recorded_demo import RecordedSession, recorded_snapshot

    from console.app import GpudeckApp
    from fleet.inventory.loading import load

    snapshot = recorded_snapshot()

    def frame(number: int) -> HostSnapshot:
        return with_a_fifth_changed(snapshot, number)

    class Played(GpudeckApp):
        def _begin(self) -> None:
            super()._begin()
            self.run_worker(self._publish())
            self.run_worker(self._watch())

        async def _publish(self) -> None:
            for number in range(1_000_000):
                await asyncio.sleep(1)
                self.session.board.publish(frame(number) if mode == "fifth" else snapshot)
                note({"value": str(20 + number % 70), "at": time.monotonic()})

        async def _watch(self) -> None:
            await asyncio.sleep(3)
            worst = 0.0
            while mode == "fifth":
                before = time.monotonic()
                await asyncio.sleep(0.01)
                late = time.monotonic() - before - 0.01
                if late > worst:
                    worst = late
                    note({"stall": worst})

    with log.open("w", encoding="ascii", buffering=1) as file, tempfile.TemporaryDirectory() as folder:

        def note(entry: dict[str, object]) -> None:
            file.write(json.dumps(entry) + "\n")

        Played(RecordedSession(load(FLEET), Path(folder)), live=False, time_of_day=lambda: "14:02").start()


def with_a_fifth_changed(snapshot: HostSnapshot, number: int) -> HostSnapshot:
    """The same where every value goes up at every fifth ``number``, each at its own, and GPU 0's temperature always."""

    def turn(place: int, value: float) -> float:
        return value + (place + number) // 5 % 7

    reading = snapshot.reading
    assert reading is not None
    gpus = tuple(
        replace(
            gpu,
            temperature_c=20.0 + number % 70 if place == 0 else turn(3 * place, gpu.temperature_c or 0.0),
            power_w=turn(3 * place + 1, gpu.power_w or 0.0),
            used_bytes=round(turn(3 * place + 2, (gpu.used_bytes or 0) / GiB) * GiB),
        )
        for place, gpu in enumerate(reading.gpus)
    )
    engines = {
        name: replace(
            engine,
            kv_usage=None if engine.kv_usage is None else turn(2 * place, 100 * engine.kv_usage) / 120,
            tokens_per_second=turn(2 * place + 1, engine.tokens_per_second or 0.0)
            if engine.tokens_per_second
            else None,
        )
        for place, (name, engine) in enumerate(snapshot.engines.items())
    }
    return replace(snapshot, reading=replace(reading, gpus=gpus, sequence=number), engines=MappingProxyType(engines))


def rows(figures: Sequence[Figure]) -> Iterator[str]:
    """The table."""
    yield f"{'':<52} {'measured':>9} {'budget':>8} {'ratio':>6}"
    for figure in figures:
        line = f"{figure.what:<52} {figure.measured:>9.2f}"
        if figure.budget is not None:
            ratio = figure.measured / figure.budget if figure.budget else figure.measured
            line += f" {figure.budget:>8g} {ratio:>6.2f}"
        else:
            line += " " * 16
        yield f"{line} {figure.unit}"


def main() -> None:
    """Print the table, a row as soon as it is known."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world = environment(folder)
        figures += first_paints(world)
        with served(folder / "demo", world) as fleet_file:
            figures += headless_status(fleet_file, world)
        figures += memory(world)
        for measure in (keys, idle, updates, slow_line, monitors):
            figures += measure(folder, world)
    print("\n".join(rows(figures)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--play", choices=("idle", "fifth"), help=argparse.SUPPRESS)
    parser.add_argument("--log", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.play:
        play(options.play, options.log)
    else:
        main()
