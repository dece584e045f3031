"""Models that are down: which comes next under the cursor, and why a start failed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fleet.model import GpuId
from fleet.readings import HostSnapshot
from fleet.state import FleetState, ModelWord

_DOWN = (ModelWord.FAILED, ModelWord.STOPPED)


def next_down(
    state: FleetState, targets: Sequence[tuple[GpuId, str]], here: tuple[GpuId | None, str | None]
) -> tuple[GpuId, str] | None:
    """Of the places of models on the deck, the next after ``here`` whose model failed or stopped; None without any."""
    down = {model.name for model in state.models if model.model.enabled and model.word in _DOWN}
    found = [target for target in targets if target[1] in down]
    at = next((number for number, target in enumerate(found) if target == here), -1)
    return found[(at + 1) % len(found)] if found else None


def failures(snapshots: Iterable[HostSnapshot]) -> dict[str, str]:
    """By model, why its last start failed, in the engine's words, where its log said so."""
    return {
        name: start.startup.sentence
        for snapshot in snapshots
        for name, start in snapshot.failures.items()
        if start.startup.sentence
    }
