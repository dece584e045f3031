"""How many requests come: as ever, or in a rush hour. A factor over the traffic that each model usually gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

Demand = Callable[[str | None, float], float]
"""The factor for models of a role, so many seconds after the hosts came up."""

_RUSHED = "chat"
_PERIOD = 300.0
"""Seconds from one rush hour to the next."""
_BEGINS, _FULL, _FALLS, _OVER = 10.0, 30.0, 120.0, 150.0
_HIGHEST = 4.0


def usual(role: str | None, seconds: float) -> float:
    """As ever."""
    del role, seconds
    return 1.0


def rush_hour(role: str | None, seconds: float) -> float:
    """Four times as many ask the chat models, from ten seconds on and for two minutes, every five minutes."""
    at = seconds % _PERIOD
    if role != _RUSHED or not _BEGINS < at < _OVER:
        return 1.0
    share = min(1.0, (at - _BEGINS) / (_FULL - _BEGINS), (_OVER - at) / (_OVER - _FALLS))
    return 1.0 + (_HIGHEST - 1.0) * share


SCENARIOS: Mapping[str, Demand] = MappingProxyType({"usual": usual, "rush-hour": rush_hour})
"""Every scenario by name, the usual one first."""
