"""Every screen in every state a fleet can be in, at 160x48 and 80x24, looks as it was when somebody last looked.

Of each screen there is a picture too, in screenshots/.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from animation import still
from cells import snapshot
from recorded_demo import RecordedSession
from standing_rollout import stand_still
from textual.app import App
from textual.pilot import Pilot
from views import MOVED, SCREENS, STATES, VIEWS

from console.app import GpudeckApp
from console.session_app import SessionApp
from console.settings import Settings
from console.themes import THEMES
from console.wall import WallApp
from fleet.rollout.events import Outcome

KEPT = Path(__file__).with_name("snapshots")
PICTURES = Path(__file__).parents[2] / "screenshots"
PICTURED = {**{f"{screen}-live": screen for screen in SCREENS}, "wall-live": "wall", "rollout-applying": "rollout"}
SIZES = ((160, 48), (80, 24))
DECK_SIZES = ((200, 60), (160, 48), (120, 36), (80, 24), (60, 20))
READ_ONLY_SCREENS = ("deck", "after", "detail", "overview", "plan", "rollouts", "help")
"""Those that a viewer sees otherwise than an operator."""
Compare = Callable[[str, App[None]], None]


@pytest.fixture
def compare(request: pytest.FixtureRequest) -> Compare:
    def check(name: str, app: App[None]) -> None:
        width, height = app.size
        svg = app.export_screenshot()
        same(KEPT / f"{name}-{width}x{height}.txt", snapshot(svg, width, height))
        if name in PICTURED and (width, height) == SIZES[0]:
            same(PICTURES / f"{PICTURED[name]}.svg", still(svg, width, height))

    def same(path: Path, shown: str) -> None:
        if request.config.getoption("--update-screenshots"):
            path.write_text(shown, encoding="utf-8")
        assert path.exists(), f"there is no {path.name}; run pytest --update-screenshots"
        assert shown == path.read_text(encoding="utf-8"), f"{path.name} differs; run pytest --update-screenshots"

    return check


async def settled(pilot: Pilot[None], *, waits: bool = True) -> None:
    await pilot.pause()
    if waits:
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()


async def both_sizes(
    app: SessionApp, name: str, pressed: tuple[str, ...], compare: Compare, waits: bool = True
) -> None:
    async with app.run_test(size=SIZES[0]) as pilot:
        await settled(pilot)
        for key in pressed:
            await pilot.press(key)
            await settled(pilot, waits=waits)
        for size in SIZES:
            await pilot.resize_terminal(*size)
            await settled(pilot, waits=waits)
            compare(name, app)


@pytest.mark.parametrize(("screen", "state"), VIEWS, ids=["-".join(view) for view in VIEWS])
async def test_a_screen_looks_as_it_did(
    console_app: GpudeckApp, session: RecordedSession, utc: None, compare: Compare, screen: str, state: str
) -> None:
    STATES[state](session)
    console_app.rewind.clock = lambda: 1_800_000_000
    await both_sizes(console_app, f"{screen}-{state}", SCREENS[screen], compare)


@pytest.mark.parametrize("screen", ["deck", "findings", "detail", "difference"])
async def test_a_screen_of_the_past_looks_as_it_did(
    console_app: GpudeckApp, past: Callable[[int], None], compare: Compare, screen: str
) -> None:
    await both_sizes(console_app, f"{screen}-past", ("left_square_bracket", *SCREENS[screen]), compare)


@pytest.mark.parametrize("screen", READ_ONLY_SCREENS)
async def test_a_screen_of_a_viewer_looks_as_it_did(
    viewer_app: GpudeckApp, utc: None, compare: Compare, screen: str
) -> None:
    viewer_app.rewind.clock = lambda: 1_800_000_000
    await both_sizes(viewer_app, f"{screen}-read-only", SCREENS[screen], compare)


@pytest.mark.parametrize(("name", "outcome"), [("applying", None), ("failed", Outcome.RESTORED)])
async def test_a_rollout_looks_as_it_did(
    console_app: GpudeckApp, monkeypatch: pytest.MonkeyPatch, compare: Compare, name: str, outcome: Outcome | None
) -> None:
    stand_still(monkeypatch, outcome)
    async with console_app.run_test(size=SIZES[0]) as pilot:
        await settled(pilot)
        await pilot.press(*MOVED, "p")
        await settled(pilot)
        await pilot.press("a")
        for size in SIZES:
            await pilot.resize_terminal(*size)
            await settled(pilot, waits=False)
            compare(f"rollout-{name}", console_app)


@pytest.mark.parametrize("state", [state for state in STATES if state != "over-budget"])
async def test_the_wallboard_looks_as_it_did(
    wall_app: WallApp, session: RecordedSession, compare: Compare, state: str
) -> None:
    STATES[state](session)
    await both_sizes(wall_app, f"wall-{state}", (), compare)


@pytest.mark.parametrize(
    "size", [size for size in DECK_SIZES if size not in SIZES], ids=lambda size: f"{size[0]}x{size[1]}"
)
async def test_the_deck_looks_as_it_did_in_every_size(
    console_app: GpudeckApp, compare: Compare, size: tuple[int, int]
) -> None:
    async with console_app.run_test(size=size) as pilot:
        await settled(pilot)
        compare("deck-live", console_app)


@pytest.mark.parametrize("theme", list(THEMES))
async def test_the_deck_looks_as_it_did_in_every_theme(session: RecordedSession, compare: Compare, theme: str) -> None:
    app = GpudeckApp(session, live=False, time_of_day=lambda: "14:02", environment={}, settings=Settings(theme=theme))
    async with app.run_test(size=(160, 48)) as pilot:
        await settled(pilot)
        compare(f"theme-{theme}", app)


def test_no_snapshot_is_kept_of_what_is_no_longer_there() -> None:
    rollouts = [("rollout", "applying"), ("rollout", "failed")]
    walls = [("wall", state) for state in STATES]
    others = [(screen, state) for screen in SCREENS for state in ("past", "read-only")]
    names = {"-".join(view) for view in (*VIEWS, *rollouts, *walls, *others)} | {f"theme-{theme}" for theme in THEMES}
    assert {path.stem.rpartition("-")[0] for path in KEPT.iterdir()} <= names
