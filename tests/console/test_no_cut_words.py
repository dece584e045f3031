"""On narrow terminals nothing that a screen says runs over its edge: it goes on in the next row, or gives way whole."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from piloting import until
from recorded_demo import RecordedSession
from views import SCREENS, STATES, VIEWS

from console.app import GpudeckApp
from fleet.findings import Finding, Severity, Tense
from widgets.findings_list import finding_row
from widgets.rows import Rows, width

NARROW = ((80, 24), (60, 20))


def too_wide(app: GpudeckApp) -> list[str]:
    """Every row that does not fit into its widget, blanks at its end apart; what is scrolled away is not made yet."""
    found = []
    for widget in app.screen.query(Rows):
        for row in widget._rows if widget._composed_for == widget.size else ():
            text = "".join(span.text for span in row)
            if width(row) > widget.size.width and text[widget.size.width :].strip():
                found.append(f"{type(widget).__name__} of {widget.size.width} cells: {text}")
    return found


async def check_at_every_size(app: GpudeckApp, keys: tuple[str, ...]) -> None:
    """Press the keys, and look at every row of what is there then, seen or scrolled away, at each size."""
    async with app.run_test(size=NARROW[0]) as pilot:
        await pilot.pause()
        await pilot.press(*keys)
        for size in NARROW:
            await pilot.resize_terminal(*size)
            await app.workers.wait_for_complete()
            await until(pilot, lambda: not too_wide(app), f"nothing is cut, as is {too_wide(app)[:3]}")


@pytest.mark.parametrize(("screen", "state"), VIEWS, ids=["-".join(view) for view in VIEWS])
async def test_a_screen_cuts_nothing_at_its_edge(
    console_app: GpudeckApp, session: RecordedSession, screen: str, state: str
) -> None:
    STATES[state](session)
    await check_at_every_size(console_app, SCREENS[screen])


@pytest.mark.parametrize("screen", ["deck", "findings", "detail", "difference"])
async def test_a_screen_of_the_past_cuts_nothing_at_its_edge(
    console_app: GpudeckApp, past: Callable[[int], None], screen: str
) -> None:
    await check_at_every_size(console_app, ("left_square_bracket", *SCREENS[screen]))


@pytest.mark.parametrize("cells", [60, 80, 100, 120, 160])
def test_a_findings_sentence_ends_between_words(cells: int) -> None:
    words = "some of what is shown is its last reading: the connection was closed by the other side while it was read"
    finding = Finding("LIVE005", Severity.ERROR, Tense.NOW, words, host="gpu01")
    row = finding_row(finding, cells)
    told = row[-1].text.strip().removesuffix("…").strip()
    assert width(row) <= cells
    assert told.split() == words.split()[: len(told.split())]
