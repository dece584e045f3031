"""How warm a GPU is and how much power it draws, from how busy it is."""

from __future__ import annotations

import random

from fleet.simulator.cards import Card

_IDLE_WATTS = 135.0
_STILL_CELSIUS, _CELSIUS_PER_WATT = 33.0, 0.054
_SAMPLES = 1000
"""Looks of the firmware in one step."""
_LIMITED_FROM = 0.85
"""Busier than this, a GPU runs into its power limit in some of them, and in all when it never rests."""
_INERTIA = 0.12
"""Share of the way to the steady temperature in one step."""


class Heat:
    """The sensors of one GPU."""

    def __init__(self, card: Card, seed: random.Random) -> None:
        self._card = card
        self._random = seed
        self.busy = 0.0
        """Share of the last second, 0..1."""
        self.watts = _IDLE_WATTS
        self.celsius = _STILL_CELSIUS + _CELSIUS_PER_WATT * _IDLE_WATTS
        """At the junction."""
        self.samples = 0
        """How often the firmware looked whether a limit was reached, since the host came up."""
        self.power_limited = 0
        """In how many of them that of power was."""

    @property
    def memory_celsius(self) -> float:
        """At the memory."""
        return self.celsius - 5

    @property
    def memory_busy(self) -> float:
        """Share of the last second in which memory was read or written, 0..1."""
        return self.busy * 0.62

    @property
    def megahertz(self) -> int:
        """Shader clock."""
        return 132 if self.busy < 0.005 else round(900 + 1200 * self.busy)

    def step(self, busy: float) -> None:
        """Let a second pass at this load."""
        noise = self._random.gauss(0, 0.02) if busy else 0.0
        self.busy = min(1.0, max(0.0, busy + noise))
        reach = self._card.accelerator.power_watts * 0.93 - _IDLE_WATTS
        self.watts = _IDLE_WATTS + reach * self.busy**0.9
        self.celsius += _INERTIA * (_STILL_CELSIUS + _CELSIUS_PER_WATT * self.watts - self.celsius)
        self.samples += _SAMPLES
        self.power_limited += round(_SAMPLES * max(0.0, self.busy - _LIMITED_FROM) / (1 - _LIMITED_FROM))
