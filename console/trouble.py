"""Models that are down: which comes next under the cursor."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.model import GpuId
from fleet.state import FleetState


def next_down(
    state: FleetState, targets: Sequence[tuple[GpuId, str]], here: tuple[GpuId | None, str | None]
) -> tuple[GpuId, str] | None:
    """Of the places of models on the deck, the next after ``here`` whose model does not come up; None without any."""
    down = {model.name for model in state.models if model.is_down or model.comes_up_again}
    found = [target for target in targets if target[1] in down]
    at = next((number for number, target in enumerate(found) if target == here), -1)
    return found[(at + 1) % len(found)] if found else None
