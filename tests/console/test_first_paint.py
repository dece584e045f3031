"""The first picture has the names of the fleet file, costs next to nothing, and is taken back where the file is bad."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from svg_text import svg_text
from terminal import Terminal
from textual.geometry import Region

from console.app import GpudeckApp
from console.fleets import at_a_glance
from console.session import Session

ROOT = Path(__file__).parents[2]
DEMO_FLEET = ROOT / "fleet" / "simulator" / "fleet.yaml"
MOST_MODULES = 86
"""Of our own, at the first paint; each is about a millisecond."""
AT_THE_FIRST_PAINT = """
import sys
from pathlib import Path
from console.session_app import SessionApp

file = Path(sys.argv.pop(1))

def on_ready(self):
    file.write_text(" ".join(sys.modules))
    self.exit()

SessionApp.on_ready = on_ready
from console.cli import main
main(sys.argv[1:])
"""


def environment(folder: Path) -> dict[str, str]:
    """That of a terminal, with records in a folder of its own."""
    terminal = {"TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
    return {**os.environ, **terminal, "XDG_STATE_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}


@pytest.fixture(
    scope="module",
    params=[[str(DEMO_FLEET)], ["demo"], ["wall", str(DEMO_FLEET)]],
    ids=["console", "demo", "wallboard"],
)
def held(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The modules of a console that has painted its first picture."""
    folder = tmp_path_factory.mktemp("first")
    words = [sys.executable, "-c", AT_THE_FIRST_PAINT, str(folder / "modules"), *request.param]
    with Terminal(words, columns=160, rows=48, environment=environment(folder)) as terminal:
        assert terminal.wait() == 0, terminal.text
    return set((folder / "modules").read_text(encoding="utf-8").split())


def test_it_is_painted_without_schema_connection_history_and_estimators(held: set[str]) -> None:
    assert not held & {
        *("pydantic", "asyncssh", "sqlite3", "h11", "highspy", "prometheus_client", "zoneinfo", "hashlib"),
        *("fleet.inventory.schema", "fleet.inventory.fields", "fleet.inventory.alerts", "fleet.inventory.autopilot"),
        *("fleet.windows", "fleet.secrets", "fleet.startup", "fleet.ssh.connection", "fleet.live"),
        *("fleet.findings.assess", "fleet.estimate", "fleet.telemetry.watcher", "fleet.history.reading"),
        *("console.screens.edit", "console.screens.plan", "console.screens.rollout", "console.screens.detail"),
        *("fleet.rollout", "fleet.simulator.child"),
    }


def test_it_is_painted_with_few_modules_of_our_own(held: set[str]) -> None:
    ours = {name for name in held if name.partition(".")[0] in ("console", "widgets", "fleet")}
    assert len(ours) <= MOST_MODULES


async def test_it_names_the_fleet_before_the_file_is_checked() -> None:
    named, whole = at_a_glance(DEMO_FLEET)
    shown: list[str] = []

    class Console(GpudeckApp):
        def _open(self) -> None:
            shown.append(svg_text(self.export_screenshot()))
            super()._open()

    app = Console(Session(named), check=whole, live=False)
    async with app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
    (first,) = shown
    assert all(f"{gpu}  MI300X" in first for gpu in range(8))
    assert all(model.name in first for model in named.models)
    assert app.session.inventory == whole()


@pytest.mark.parametrize("size", [(160, 48), (120, 36), (100, 30), (80, 24)], ids=str)
async def test_its_parts_stay_where_they_are_painted_first(size: tuple[int, int]) -> None:
    places: list[list[Region]] = []

    class Console(GpudeckApp):
        def _open(self) -> None:
            places.append(self.places())
            super()._open()

        def places(self) -> list[Region]:
            return [part.region for part in self.screen.query("GpuPane, Shelf, FindingsList, Hints")]

    app = Console(Session(at_a_glance(DEMO_FLEET)[0]), live=False)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        assert places == [app.places()]


@pytest.mark.parametrize("words", [[], ["wall"]], ids=["console", "wallboard"])
def test_a_file_that_is_bad_beyond_its_names_ends_the_console_with_its_problems(
    tmp_path: Path, words: list[str]
) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(DEMO_FLEET.read_text(encoding="utf-8").replace("role: chat", "rolle: chat", 1), encoding="utf-8")
    argv = [sys.executable, "-m", "console.cli", *words, str(path)]
    with Terminal(argv, columns=160, rows=48, environment=environment(tmp_path)) as terminal:
        assert terminal.wait() == 2
        assert f"{path.name}:21:5" in terminal.text
