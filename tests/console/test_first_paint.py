"""The first picture has the names of the fleet file, costs next to nothing, and is taken back where the file is bad."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from svg_text import svg_text
from terminal import Terminal

from console.app import GpudeckApp
from console.fleets import at_a_glance
from console.session import Session

ROOT = Path(__file__).parents[2]
DEMO_FLEET = ROOT / "fleet" / "simulator" / "fleet.yaml"
MOST_MODULES = 80
"""Of our own, at the first paint; each is about a millisecond."""
AT_THE_FIRST_PAINT = """
import sys
from pathlib import Path
from console.app import GpudeckApp
from console.operating import Operating
from console.fleets import at_a_glance
from console.session import Session
from console.settings_file import own_settings

class First(GpudeckApp):
    def _open(self):
        self.exit()

First(Session(at_a_glance(Path(sys.argv[1]))[0], operating=Operating()), live=False).run(headless=True)
print(*sys.modules)
"""


@pytest.fixture(scope="module")
def held() -> set[str]:
    """The modules of a console that has painted its first picture."""
    words = [sys.executable, "-c", AT_THE_FIRST_PAINT, str(DEMO_FLEET)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def test_it_is_painted_without_schema_connection_history_and_estimators(held: set[str]) -> None:
    assert not held & {
        *("pydantic", "asyncssh", "sqlite3", "h11", "highspy", "prometheus_client"),
        *("fleet.inventory.schema", "fleet.ssh.connection", "fleet.live", "fleet.history.reading"),
        *("fleet.findings.assess", "fleet.estimate.estimating", "fleet.telemetry.watcher", "fleet.rollout"),
        *("console.screens.edit", "console.screens.plan", "console.screens.rollout", "console.screens.detail"),
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


@pytest.mark.parametrize("words", [[], ["wall"]], ids=["console", "wallboard"])
def test_a_file_that_is_bad_beyond_its_names_ends_the_console_with_its_problems(
    tmp_path: Path, words: list[str]
) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(DEMO_FLEET.read_text(encoding="utf-8").replace("role: chat", "rolle: chat", 1), encoding="utf-8")
    environment = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(tmp_path)}
    argv = [sys.executable, "-m", "console.cli", *words, str(path)]
    with Terminal(argv, columns=160, rows=48, environment=environment) as terminal:
        assert terminal.wait() == 2
        assert f"{path.name}:21:5" in terminal.text
