"""What an operator may set for themselves: theme, glyphs, mouse, keys. One small YAML file in the user's own folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from console.themes import THEMES

READ_ONLY = "read-only"
"""The mode of a viewer, as settings and screens say it."""


class Choice(NamedTuple):
    """A setting that takes one of a few words."""

    name: str
    words: tuple[str, ...]
    """The first is the default."""
    help: str
    """A sentence."""


CHOICES = (
    Choice(
        "theme",
        ("auto", *THEMES),
        "Colours; auto takes as many as the terminal says it has, and its light or dark background where it tells.",
    ),
    Choice(
        "glyphs",
        ("auto", "unicode", "ascii"),
        "Signs of bars, frames and verdicts; auto is ascii on terminals known to have nothing else.",
    ),
    Choice(
        "mode",
        ("operator", READ_ONLY),
        "What consoles may do; one that is read-only has nothing to change a host with, as with --read-only.",
    ),
    Choice("mouse", ("auto", "on", "off"), "Whether clicks and the wheel work; auto is off over SSH."),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """One operator's settings."""

    theme: str = "auto"
    glyphs: str = "auto"
    mode: str = "operator"
    mouse: str = "auto"
    keys: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """The keys of bindings that have others than usual, by the binding's id; as Textual names them."""

    @property
    def is_read_only(self) -> bool:
        """Whether consoles are to be those of a viewer."""
        return self.mode == READ_ONLY

    def wants_mouse(self, environment: Mapping[str, str]) -> bool:
        """Whether to ask for the mouse; unless told not over SSH, where selecting text is worth more."""
        return self.mouse == "on" or (self.mouse == "auto" and "SSH_CONNECTION" not in environment)
