"""A fleet with what is reckoned of it: values that screens show, apart from the rules that make them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleet.findings import Finding
from fleet.inventory import Inventory
from fleet.model import GpuId

if TYPE_CHECKING:
    from fleet.estimate import Estimate, GpuShare


@dataclass(frozen=True, slots=True)
class GpuOutlook:
    """What a GPU will hold by the estimates of the models placed on it. Bytes; the driver's own are in every sum."""

    total_bytes: int
    driver_bytes: int
    resident_bytes: int
    """While all idle."""
    peak_bytes: int
    """While all compute a full batch."""
    high_bytes: int
    """The peak at the high end of every spread."""
    shares: tuple[tuple[str, GpuShare], ...]
    """(model, its share), in the fleet file's order."""

    @property
    def spare_bytes(self) -> int:
        """What stays free at the peak and at the high end of every spread; below zero, what is missing then."""
        return self.total_bytes - max(self.peak_bytes, self.high_bytes)

    def peak_without(self, model: str) -> int:
        """The peak of the others and the driver, as one model finds the GPU."""
        return self.peak_bytes - sum(share.total_bytes for name, share in self.shares if name == model)


@dataclass(frozen=True, slots=True)
class Assessment:
    """A fleet with what we reckon of it."""

    inventory: Inventory
    estimates: Mapping[str, Estimate]
    """Of every enabled model, by name."""
    outlooks: Mapping[GpuId, GpuOutlook]
    """Of every GPU."""
    findings: tuple[Finding, ...]
    """Errors first, then in the order of the fleet file."""
    ignored: tuple[Finding, ...] = ()
    """Those the fleet file says do not count."""
