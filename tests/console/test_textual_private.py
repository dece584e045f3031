"""The private parts of Textual we touch are where we think they are."""

from __future__ import annotations

import asyncio
import queue
import types
from collections.abc import Callable

from rich.console import RenderableType
from textual import __version__
from textual._compositor import CompositorUpdate
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingsMap
from textual.drivers._writer_thread import WriterThread
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Static

from console.textual_private import FirstPicture, FirstPictureOnce, output_backlog, rebind, write_sequence


def test_textual_is_the_version_this_was_read_in() -> None:
    assert __version__ == "8.2.8"


def test_the_writer_thread_still_has_its_queue() -> None:
    class Nowhere:
        def write(self, text: str) -> int:
            return len(text)

        def flush(self) -> None: ...

        def fileno(self) -> int:
            return -1

    thread = WriterThread(Nowhere())  # type: ignore[arg-type]
    assert isinstance(thread._queue, queue.Queue)
    app: App[None] = App()
    app._driver = types.SimpleNamespace(_writer_thread=thread)  # type: ignore[assignment]
    thread._queue.put("frame")
    assert output_backlog(app) == 1


async def test_a_headless_app_has_no_backlog() -> None:
    app: App[None] = App()
    async with app.run_test():
        assert output_backlog(app) == 0


def test_a_sequence_goes_to_the_terminal_behind_what_was_sent_before() -> None:
    sent: list[str] = []
    app: App[None] = App()
    write_sequence(app, "\x07")
    app._driver = types.SimpleNamespace(is_headless=False, write=sent.append, flush=lambda: None)  # type: ignore[assignment]
    write_sequence(app, "\x1b]9;hot\x07")
    assert sent == ["\x1b]9;hot\x07"]


async def test_a_headless_app_has_no_terminal_to_write_to() -> None:
    app: App[None] = App()
    async with app.run_test():
        write_sequence(app, "\x07")


class TwoModes(App[None]):
    """Two bindings of one key, each for a mode of its own, as the deck has them."""

    BINDINGS = [Binding("f", "find", id="one.find"), Binding("f", "fit", id="two.fit"), Binding("a,b", "all", id="all")]  # noqa: RUF012


def test_a_nodes_bindings_are_its_own_and_can_be_exchanged() -> None:
    app, other = TwoModes(), TwoModes()
    assert isinstance(app._bindings, BindingsMap)
    rebind(app, {"one.find": "g,h", "all": "b"})
    assert {
        key: [each.action for each in found] for key, found in app._bindings.key_to_bindings.items() if key in "abfgh"
    } == {
        "g": ["find"],
        "h": ["find"],
        "f": ["fit"],
        "b": ["all"],
    }
    assert [each.action for each in other._bindings.key_to_bindings["f"]] == ["find", "fit"]


class Sending(App[None]):
    """Two words, and what a terminal would be sent of them."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str] = []

    def compose(self) -> ComposeResult:
        yield Static("still")
        yield Static("moving", id="moving")

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        if isinstance(renderable, CompositorUpdate):
            self.sent.append(renderable.render_segments(self.console))

    def times(self, word: str) -> int:
        return "".join(self.sent).count(word)


class SendingOnce(FirstPictureOnce, Sending):
    """The same, frugally."""


async def shown(pilot: Pilot[None], holds: Callable[[], bool]) -> None:
    """Wait until what was sent is so."""
    async with asyncio.timeout(20):
        while not holds():
            await pilot.pause()


async def test_textual_sends_its_first_picture_more_than_once() -> None:
    app = Sending()
    async with app.run_test() as pilot:
        await shown(pilot, lambda: app.times("still") > 1)  # else `FirstPictureOnce` is needless


async def test_the_first_picture_is_sent_once_and_what_changes_in_it_again() -> None:
    app = SendingOnce()
    app.first_picture = FirstPicture()
    async with app.run_test() as pilot:
        await shown(pilot, lambda: app.times("moving") > 0)
        app.query_one("#moving", Static).update("moved")
        await shown(pilot, lambda: app.times("moved") > 0)
        assert app.times("still") == 1


async def test_later_pictures_are_sent_as_they_come() -> None:
    app = SendingOnce()
    app.first_picture = FirstPicture()
    async with app.run_test() as pilot:
        await shown(pilot, lambda: app.times("still") == 1)
        app.first_picture = None
        app.screen.refresh()
        await shown(pilot, lambda: app.times("still") > 1)
