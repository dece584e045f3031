"""The private parts of Textual we touch are where we think they are."""

from __future__ import annotations

import queue
import types

from textual import __version__
from textual.app import App
from textual.binding import Binding, BindingsMap
from textual.drivers._writer_thread import WriterThread

from console.textual_private import output_backlog, rebind, write_sequence


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
