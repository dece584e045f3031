"""What the operators agreed on: shares by size, headroom, redundancy, prices, maintenance windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleet.windows import Windows


@dataclass(frozen=True, slots=True)
class SizeClass:
    """What share of a GPU models of a size are agreed to have."""

    below_billions: float | None
    """Parameters up to which it holds; None for all that are larger."""
    low: float
    high: float


USUAL_SIZES = (SizeClass(10, 0.5, 0.5), SizeClass(30, 0.6, 0.7), SizeClass(None, 0.8, 0.9))


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operators agreed on, for the whole fleet."""

    sizes: tuple[SizeClass, ...] = USUAL_SIZES
    """Shares by size, ascending."""
    headroom_bytes: int | None = None
    """What every GPU in use keeps free at the high end of the estimates."""
    redundancy: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    """How many models serve a role, no GPU's loss taking more than one of them."""
    energy_price: float | None = None
    """Of a kilowatt hour, in the fleet's currency."""
    currency: str = ""
    windows: Windows | None = None
    """When what runs may be changed; None = at any time."""
