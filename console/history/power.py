"""What GPUs were recorded to draw, for findings about power made without a console."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from console.fleets import history_path, state_folder
from fleet.errors import GpudeckError
from fleet.inventory import Inventory
from fleet.model import GpuId

if TYPE_CHECKING:
    from fleet.history.reading import History

_HOURS = 24


def recorded_watts(inventory: Inventory, folder: Path | None = None) -> dict[GpuId, float]:
    """The highest each GPU drew in the last day; nothing where no host has a power cap, or nothing was recorded.

    ``folder`` holds what is kept of fleets; None = the user's own.
    """
    if all(host.power_cap_watts is None for host in inventory.hosts):
        return {}
    from fleet.history.reading import history  # and SQLite with it

    until = time.time()
    try:
        with history(history_path(inventory, folder or state_folder())) as past:
            return peak_watts(past, inventory.gpu_ids, until - _HOURS * 3600, until)
    except GpudeckError:
        return {}


def peak_watts(past: History, gpus: Iterable[GpuId], since: float, until: float) -> dict[GpuId, float]:
    """The highest power of each GPU that was read in that time."""
    from fleet.history.values import Kind, Subject

    found = ((gpu, past.peaks(Subject(Kind.GPU, str(gpu)), since, until, only="power_w")) for gpu in gpus)
    return {gpu: peaks["power_w"].value for gpu, peaks in found if "power_w" in peaks and peaks["power_w"].value}
