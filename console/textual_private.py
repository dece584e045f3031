"""The only place that touches private parts of Textual; tests/console/test_textual_private.py holds the contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.app import App
from textual.binding import Binding, BindingsMap
from textual.dom import DOMNode
from textual.strip import Strip

if TYPE_CHECKING:
    from rich.console import RenderableType
    from textual.screen import Screen


class FirstPicture:
    """What of an application's first picture the terminal was sent, by line."""

    def __init__(self) -> None:
        self._lines: dict[int, Strip] = {}

    def still_to_send(self, update: CompositorUpdate) -> CompositorUpdate | None:
        """What of an update the terminal does not show yet; None where it shows all of it."""
        if isinstance(update, LayoutUpdate):
            before, width = self._lines, update.region.width
            self._lines = {y: Strip.join(line).simplify() for y, line in enumerate(update.strips)}
            lines = [(y, 0, width) for y, line in self._lines.items() if line != before.get(y)]
            chops = [{0: line} for line in self._lines.values()]
            return ChopsUpdate(chops, lines, [[width]] * len(chops)) if lines else None
        if isinstance(update, ChopsUpdate):
            spans = [span for span in update.spans if not self._shows(update, *span)]
            for y, _, _ in spans:
                self._lines.pop(y, None)
            return ChopsUpdate(update.chops, spans, update.chop_ends) if spans else None
        return update

    def _shows(self, update: ChopsUpdate, y: int, left: int, right: int) -> bool:
        line = self._lines.get(y)
        return line is not None and all(
            line.crop(x, end).simplify() == strip.simplify()
            for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=True)
            if strip is not None and x < right and left < end
        )


class FirstPictureOnce(App[None]):
    """An application whose first picture goes over the line once.

    Textual 8.2.8 paints a new screen when it is laid out, and again as widgets, their sizes and the screen itself tell
    that they are new: four times 23 kB at 160x48, for which a line of 12.5 kB/s takes seven seconds.
    """

    first_picture: FirstPicture | None = None
    """What was sent of it; None = every update is sent as it comes."""

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        if self.first_picture is not None and isinstance(renderable, CompositorUpdate):
            renderable = self.first_picture.still_to_send(renderable)
        super()._display(screen, renderable)


def output_backlog(app: App[None]) -> int:
    """Writes the terminal has not taken yet; 0 where the driver has no queue (headless).

    Textual 8.2.8 hands output to a writer thread through a queue of 30, and blocks the event loop when it is full:
    skipping a data tick while anything waits keeps the keys alive on a slow line.
    """
    writer = getattr(app._driver, "_writer_thread", None)
    return 0 if writer is None else int(writer._queue.qsize())


def write_sequence(app: App[None], sequence: str) -> None:
    """Send the terminal a sequence that draws nothing, behind what it was sent before; nothing where there is none."""
    if app._driver is not None and not app.is_headless:
        app._driver.write(sequence)
        app._driver.flush()


def rebind(node: DOMNode, changed: Mapping[str, str]) -> None:
    """Give the node's bindings with these ids these keys instead of their own.

    Textual's own keymap drops every binding of a key that one binding gives up, also those that mean something else in
    another mode of the same screen.
    """
    if not changed:
        return
    kept: list[Binding] = []
    for found in node._bindings.key_to_bindings.values():
        for binding in found:
            names = changed.get(binding.id or "")
            if names is None:
                kept.append(binding)
            elif all(binding.id != other.id for other in kept):
                kept += [binding.with_key(name) for name in names.split(",")]
    node._bindings = BindingsMap(kept)
