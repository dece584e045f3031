"""Telling somebody at a terminal: its bell, and the escape sequences that many show as a desktop notification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from console.alerts.alert import Alert
from fleet.text import clean

_SILENT = ("", "dumb", "linux")
"""Terminals that would print the sequence, or take it for another."""
_MOST = 160
_END = "\x07"


def notification(alerts: Sequence[Alert], environment: Mapping[str, str]) -> str:
    """One notification of all these, for the terminal of that environment; nothing where it would do harm.

    OSC 9, which iTerm2, kitty, WezTerm, Ghostty, Konsole and Windows Terminal take, and the others overlook; OSC 777
    for rxvt, foot and terminals of VTE. Inside tmux it is wrapped, and comes through where ``allow-passthrough`` is on.
    """
    terminal = environment.get("TERM", "")
    if terminal in _SILENT or not alerts:
        return ""
    title = harmless(f"gpudeck {alerts[0].fleet}")
    text = harmless(summary(alerts))
    if terminal.startswith(("rxvt", "foot")) or "VTE_VERSION" in environment:
        sequence = f"\x1b]777;notify;{title};{text}{_END}"
    else:
        sequence = f"\x1b]9;{title}: {text}{_END}"
    if "TMUX" in environment:
        return f"\x1bPtmux;{sequence.replace(chr(27), chr(27) * 2)}\x1b\\"
    return sequence


def summary(alerts: Sequence[Alert]) -> str:
    """Several alerts in a line: the first, and how many more."""
    more = f" (and {len(alerts) - 1} more)" if len(alerts) > 1 else ""
    return f"{alerts[0].text}{more}"


def harmless(text: str) -> str:
    """A text that ends no sequence and is no further parameter of one."""
    return clean(text, _MOST).replace(";", ",")
