"""The only place that touches private parts of Textual; tests/console/test_textual_private.py holds the contract."""

from __future__ import annotations

from collections.abc import Mapping

from textual.app import App
from textual.binding import Binding, BindingsMap
from textual.dom import DOMNode


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
