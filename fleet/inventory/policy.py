"""What the operators agreed on: shares by size, headroom, redundancy, prices, windows, goals of a rebalance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

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
class Goals:
    """What a better placement is worth to the operators. Everything counts in restarts of a usual model."""

    restart_of: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    """What restarting a model of a role costs; of the others 1."""
    busy: float = 0.5
    """What it costs more where many requests run or wait on it."""
    even: float = 0.0
    """What it is worth that the fullest GPU is a tenth less full. Among answers as good as each other, always."""
    free_gpu: float = 0.0
    """What it is worth that a GPU is left empty: more than nothing packs the models."""
    reserve: int = 0
    """GPUs to keep empty for trials; each that is not counts as much as five restarts."""
    role_apart: float = 0.0
    """What it is worth that two models of one role do not share a GPU."""
    decode_apart: float = 0.0
    """The same of two models that write text, and divide a GPU's bandwidth."""

    RESERVED: ClassVar[float] = 5.0

    @property
    def beyond_restarts(self) -> bool:
        """Whether anything but restarts counts."""
        return self.most(1, 1) > 0

    def most(self, items: int, gpus: int) -> float:
        """What all of them together can count for at most."""
        neighbours = (self.role_apart + self.decode_apart) * items
        return neighbours + self.free_gpu * gpus + self.RESERVED * self.reserve + 10 * self.even


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
    goals: Goals = field(default_factory=Goals)
