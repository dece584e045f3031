"""The deck: every GPU of the fleet as a pane, one cursor over all of them, and a shelf of disabled models.

It is one focusable widget with a plain variable as cursor: eight focusable panes would repaint the whole screen at
every key, and over SSH that is what an operator feels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.geometry import Region
from textual.layout import Layout
from textual.message import Message
from textual.widget import Widget

from fleet.model import GpuId
from widgets.deck_layout import DeckLayout, PanesLayout, columns
from widgets.gpu_pane import GpuPane
from widgets.pane_view import PaneView
from widgets.shelf import Shelf, ShelfItem

Way = Literal["left", "right", "up", "down"]

MOST_PANES = 64
"""GPUs drawn as panes at most; of a larger fleet one host at a time."""


def page_of(views: Sequence[PaneView], index: int) -> range:
    """The panes drawn with that one: all, or those of its host where they would be too many."""
    if len(views) <= MOST_PANES:
        return range(len(views))
    host = views[index].gpu.gpu.host
    first = last = index
    while first > 0 and views[first - 1].gpu.gpu.host == host:
        first -= 1
    while last + 1 < len(views) and views[last + 1].gpu.gpu.host == host:
        last += 1
    return range(first, last + 1)


class Panes(VerticalScroll, can_focus=False):
    """The panes of a deck, which scroll where they do not fit."""

    DEFAULT_CSS = "Panes { scrollbar-size-vertical: 1; }"

    @property
    def layout(self) -> Layout:
        """In rows."""
        return PanesLayout()


class Deck(Widget, can_focus=True):
    """Panes, a detail of the GPU under the cursor where panes are single lines, and the shelf."""

    DEFAULT_CSS = "Deck { height: 1fr; }"

    class CursorMoved(Message):
        """The cursor is on another GPU or model."""

        def __init__(self, gpu: GpuId | None, model: str | None) -> None:
            super().__init__()
            self.gpu = gpu
            """None on the shelf."""
            self.model = model

    def __init__(self, views: Sequence[PaneView], shelf: Sequence[ShelfItem] = ()) -> None:
        super().__init__()
        self._views = list(views)
        self._shelf = tuple(shelf)
        self._pane = 0
        self._row = 0
        self._on_shelf = False
        self._by_pane_only = False
        self._page = page_of(self._views, 0)
        self._panes = [GpuPane(self._views[index]) for index in self._page]

    def compose(self) -> ComposeResult:
        """The panes, the detail, the shelf."""
        yield Panes(*self._panes)
        yield GpuPane(self._views[0], id="detail")
        yield Shelf(id="shelf")

    @property
    def layout(self) -> Layout:
        """One under the other."""
        return DeckLayout()

    def on_mount(self) -> None:
        """Show the cursor."""
        self._show_all()

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the GPU under the mouse, and on the model where its row was meant."""
        clicked, region = self.screen.get_widget_at(event.screen_x, event.screen_y)
        if isinstance(clicked, GpuPane) and clicked in self._panes:
            pane = self._page[self._panes.index(clicked)]
            row = clicked.row_at(event.screen_y - region.y)
            named = [name for name in self._names_of(pane) if any(span.text == name for span in row)]
            self.go_to(self._views[pane].gpu.gpu, named[0] if named else None)

    # what it shows

    def show(self, views: Sequence[PaneView], shelf: Sequence[ShelfItem]) -> None:
        """Show these panes, in the deck's order, and this shelf; the cursor stays on its model, else in its row."""
        here = self.model
        self._views, self._shelf = list(views), tuple(shelf)
        names = self._names()
        self._row = names.index(here) if here in names else min(self._row, max(0, len(names) - 1))
        self._show_all()

    def _show_all(self) -> None:
        for index in self._page:
            self._show_pane(index)
        self._show_rest()

    def _turn(self) -> bool:
        """Draw the page the cursor is on, if it is another; a host may have more GPUs than the one before."""
        if self._pane in self._page:
            return False
        self._page = page_of(self._views, self._pane)
        missing = [GpuPane(self._views[index]) for index in self._page[len(self._panes) :]]
        if missing:
            self._panes += missing
            self.query_one(Panes).mount(*missing)
        for number, pane in enumerate(self._panes):
            pane.display = number < len(self._page)
        self._show_all()
        return True

    def _show_pane(self, index: int) -> None:
        if index not in self._page:
            return
        here = index == self._pane and not self._on_shelf
        selected = self.model if here and not self._by_pane_only else None
        self._panes[index - self._page.start].show(replace(self._views[index], is_cursor=here, selected=selected))

    def _show_rest(self) -> None:
        detail = self.query_one("#detail", GpuPane)
        here = not self._on_shelf
        detail.show(replace(self._views[self._pane], is_cursor=here, selected=self.model if here else None))
        self.query_one(Shelf).show(self._shelf, self.model if self._on_shelf else None)

    # where the cursor is

    @property
    def gpu(self) -> GpuId | None:
        """The GPU under the cursor; None on the shelf."""
        return None if self._on_shelf else self.pane

    @property
    def pane(self) -> GpuId:
        """The GPU whose pane the cursor is on, or was on before it went to the shelf."""
        return self._views[self._pane].gpu.gpu

    @property
    def model(self) -> str | None:
        """The model under the cursor; None where there is none."""
        names = self._names()
        return names[self._row] if self._row < len(names) else None

    def _names(self) -> list[str]:
        if self._on_shelf:
            return [item.name for item in self._shelf]
        return self._names_of(self._pane)

    def _names_of(self, pane: int) -> list[str]:
        view = self._views[pane]
        names = [model.name for model in view.gpu.models]
        coming = view.after.shares if view.after else ()
        return names + [name for name, _ in coming if name not in names]

    @property
    def drawn(self) -> tuple[GpuId, ...]:
        """The GPUs that have panes."""
        return tuple(self._views[index].gpu.gpu for index in self._page)

    @property
    def shows_all(self) -> bool:
        """Whether every GPU has its pane; else those of one host have."""
        return len(self._page) == len(self._views)

    def carry(self, carrying: bool) -> None:
        """While something is carried the cursor goes from pane to pane and never onto the shelf."""
        self._by_pane_only = carrying
        if carrying and self._on_shelf:
            self._on_shelf, self._row = False, 0
        self._show_all()

    def targets(self) -> list[tuple[GpuId, str]]:
        """Everything the cursor can go to, what is drawn first: models, and under the empty name GPUs without any."""
        found = []
        for index in (*self._page, *(index for index in range(len(self._views)) if index not in self._page)):
            view = self._views[index]
            found += [(view.gpu.gpu, name) for name in self._names_of(index) or [""]]
        return found

    def go(self, way: Way) -> None:
        """Move the cursor one step."""
        before = self._pane, self._row, self._on_shelf
        if self._by_pane_only:
            self._step_pane(way)
        elif self._on_shelf:
            self._step_on_shelf(way)
        elif way in ("left", "right"):
            self._step_pane(way)
        else:
            self._step_row(way)
        self._moved(before)

    def go_to(self, gpu: GpuId, model: str | None = None) -> None:
        """Put the cursor on that GPU, and that model of it."""
        before = self._pane, self._row, self._on_shelf
        for index, view in enumerate(self._views):
            if view.gpu.gpu == gpu:
                self._pane, self._row, self._on_shelf = index, 0, False
        if model in self._names():
            self._row = self._names().index(model)
        self._moved(before)

    @property
    def _side_by_side(self) -> int:
        return max(1, columns(self.size.width, self.size.height - 1, len(self._page)))

    def _step_pane(self, way: Way) -> None:
        step = {"left": -1, "right": 1, "up": -self._side_by_side, "down": self._side_by_side}[way]
        target = self._pane + step
        if 0 <= target < len(self._views):
            self._pane = target
            self._row = min(self._row, max(0, len(self._names()) - 1))

    def _step_row(self, way: Way) -> None:
        names = self._names()
        down = way == "down"
        if (down and self._row + 1 < len(names)) or (not down and self._row > 0):
            self._row += 1 if down else -1
            return
        target = self._pane + (1 if down else -1) * self._side_by_side
        if 0 <= target < len(self._views):
            self._pane = target
            self._row = 0 if down else max(0, len(self._names()) - 1)
        elif down and self._shelf:
            self._on_shelf, self._row = True, 0

    def _step_on_shelf(self, way: Way) -> None:
        if way == "up":
            self._on_shelf = False
            self._row = max(0, len(self._names()) - 1)
        elif way in ("left", "right"):
            self._row = max(0, min(len(self._shelf) - 1, self._row + (1 if way == "right" else -1)))

    def _moved(self, before: tuple[int, int, bool]) -> None:
        if before == (self._pane, self._row, self._on_shelf):
            return
        if not self._turn():
            for index in {before[0], self._pane}:
                self._show_pane(index)
            self._show_rest()
        pane = self._panes[self._pane - self._page.start]
        self.query_one(Panes).scroll_to_region(
            Region(0, pane.virtual_region.y, 1, pane.size.height), animate=False, force=True
        )
        self.post_message(self.CursorMoved(self.gpu, self.model))
