"""What readings say that the fleet file does not: the findings of a running fleet."""

from __future__ import annotations

from fleet.findings import Finding, Tense
from fleet.findings.ignoring import sorted_out
from fleet.inventory import Inventory
from fleet.live import down, drift, estimated, faults, links, load, memory, queues, remarks
from fleet.live.load import Peaks
from fleet.state import FleetState

_RULES = (links.find, down.find, faults.find, memory.find, remarks.find, estimated.find, drift.find)
_NONE = Peaks()


def live_findings(state: FleetState, inventory: Inventory, peaks: Peaks | None = None) -> tuple[Finding, ...]:
    """Everything that is wrong with the fleet as it was last read, less what its file ignores.

    ``peaks`` are what was recorded of it; a recording may have none yet.
    """
    found = (
        *(finding for find in _RULES for finding in find(state)),
        *queues.find(state, inventory),
        *load.find(state, peaks or _NONE),
    )
    counted, _ = sorted_out(inventory, found, Tense.NOW, tells_idle=False)
    return tuple(counted)
