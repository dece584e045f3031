"""Rows draw exactly what they are given and repaint only what changed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.geometry import Region

from widgets.rows import Row, Rows, Span, ends, fit


class Board(Rows):
    DEFAULT_CSS = "Board { height: 1fr; }"

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self.lines = lines
        self.refreshed: list[Region] = []

    def compose_rows(self, width: int, height: int) -> Sequence[Row]:
        return [(Span(line),) for line in self.lines]

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Board:
        self.refreshed += regions
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)


class BoardApp(App[None]):
    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self.board = Board(lines)

    def compose(self) -> ComposeResult:
        yield self.board


async def test_only_the_row_that_changed_is_repainted() -> None:
    app = BoardApp(["one", "two", "three"])
    async with app.run_test(size=(20, 5)) as pilot:
        await pilot.pause()
        app.board.refreshed.clear()
        app.board.lines[1] = "zwei"
        app.board.redraw()
        assert [region.y for region in app.board.refreshed] == [1]
        assert app.board.render_line(1).text.rstrip() == "zwei"


async def test_the_same_rows_again_repaint_nothing() -> None:
    app = BoardApp(["one", "two"])
    async with app.run_test(size=(20, 5)) as pilot:
        await pilot.pause()
        app.board.refreshed.clear()
        app.board.redraw()
        assert app.board.refreshed == []


async def test_hostile_text_is_drawn_as_text_and_never_as_markup() -> None:
    app = BoardApp(["[red]not red[/red] $text"])
    async with app.run_test(size=(40, 3)) as pilot:
        await pilot.pause()
        assert app.board.render_line(0).text.rstrip() == "[red]not red[/red] $text"


@pytest.mark.parametrize("text", ["", "abc", "abcdefghij", "速い速い速い", "a速b速c速"])
@pytest.mark.parametrize("cells", [0, 1, 2, 5, 9])
def test_fitted_text_takes_exactly_its_cells(text: str, cells: int) -> None:
    assert cell_len(fit(text, cells)) == cells


def test_the_left_end_of_a_row_gives_way_to_the_right_end() -> None:
    row = ends((Span("a long name"),), (Span("97.0"),), 10)
    assert "".join(span.text for span in row) == "a lon…97.0"
