"""One person's session: the fleet file, the connections, what is read from the hosts, and the draft over it.

No screen is known here; the console, the wallboard and the command line each hold one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from fleet.calibration.known import known_starts
from fleet.errors import UnreachableError, UsageError
from fleet.findings import Finding, Tense, worst_first
from fleet.findings.assessment import Assessment, GpuOutlook
from fleet.inventory import Host, Inventory
from fleet.inventory.changes import Change, apply
from fleet.model import GpuId
from fleet.planning.draft import Draft
from fleet.readings import HostSnapshot, Link
from fleet.state import FleetState
from fleet.state.joining import join, totals
from fleet.telemetry.board import Board

if TYPE_CHECKING:
    from console.operating import Operating
    from console.readers import Readers
    from fleet.live.load import Peaks
    from fleet.ssh.connection import HostConnection
    from fleet.ssh.operator import Operator
    from fleet.ssh.probe_only import ProbeOnly
    from fleet.startup import ModelStart


_EMPTY = Draft()
READING_SECONDS = 20.0
"""How long a host may take to be read whole for the first time."""


class ReadOnlyError(UsageError):
    """Something that takes an operator was asked of who can only look."""

    title = "Read-only"

    def __init__(self, way_out: str = "") -> None:
        super().__init__("This gpudeck is read-only: whatever takes an operator is not in it.", way_out)


class Session:
    """State of one run of gpudeck over one fleet."""

    def __init__(
        self,
        inventory: Inventory,
        *,
        operating: Operating | None = None,
        state_folder: Path | None = None,
        interval: float = 1.0,
    ) -> None:
        """A session over a fleet; what is kept of it is in ``state_folder``, by default the user's own.

        Without ``operating`` it is a viewer's: whatever is drafted in it, no host can be changed through it.
        """
        self.inventory = inventory
        self._operating = operating
        self.state_folder = state_folder
        self.draft = Draft()
        self.when_drafted: Callable[[Draft], None] = lambda draft: None
        """Told of every new draft."""
        self.board = Board()
        self._interval = interval
        self._now: Assessment | None = None
        self._after: Assessment | None = None
        self._totals: dict[GpuId, int] = {}
        self._starts: dict[str, ModelStart] = {}
        self._watts: Mapping[GpuId, float] = {}
        self.peaks: Peaks | None = None
        """What was recorded of the fleet's last hours, for whoever looks back to say."""
        self.proposed: tuple[Finding, ...] = ()
        """What the autopilot would do, for whoever looks at the fleet as it does to say."""

    @property
    def is_read_only(self) -> bool:
        """Whether it is a viewer's: there is nothing to operate with."""
        return self._operating is None

    @property
    def operating(self) -> Operating:
        """What an operator has. Raises ReadOnlyError in a viewer's session."""
        if self._operating is None:
            raise ReadOnlyError
        return self._operating

    def settle(self, inventory: Inventory) -> None:
        """Take the fleet as its file says it whole, where only its outline was known; before anything is read."""
        self.inventory = inventory

    @cached_property
    def _connections(self) -> dict[str, HostConnection]:
        from fleet.ssh.connection import HostConnection
        from fleet.ssh.jumps import Jumps

        fleet, jumps = self.inventory, Jumps()
        return {host.name: HostConnection(host.name, host.address, fleet.ssh_config, jumps) for host in fleet.hosts}

    @cached_property
    def _readers(self) -> Readers:
        from console import readers  # and with them asyncio's and the probes' modules, after the first paint

        return readers.Readers(self.inventory, self._connections, self.board.publish, self._interval)

    def probe(self, host: str) -> ProbeOnly:
        """A way to look at that host, over the one connection that all share who talk to it."""
        from fleet.ssh.probe_only import ProbeOnly

        return ProbeOnly(self._connections[host])

    def operator(self, host: str) -> Operator:
        """A way to change that host, over the same connection. Raises ReadOnlyError in a viewer's session."""
        return self.operating.operator(self._connections[host])

    async def watch(self, ready: Awaitable[object] | None = None) -> None:
        """Read all hosts until cancelled, once ``ready`` is done; then close the connections."""
        try:
            if ready is not None:
                await ready
            await self._readers.run()
        finally:
            await asyncio.gather(*(c.close() for c in self._connections.values()), return_exceptions=True)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Read all hosts inside the block."""
        task = asyncio.create_task(self.watch())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def first_readings(self) -> None:
        """Wait until every host has been read whole once, or has failed.

        Raises UnreachableError where the time runs out with nothing to show for a host, never for one that said why.
        """

        for host in self.inventory.hosts:
            await self._first_reading(host)

    async def reach(self, hosts: Collection[str]) -> None:
        """Have these hosts read over SSH from now on, if they are not: who changes one must know what runs there.

        Raises UnreachableError where one of them is not reached.
        """
        left = [host for host in self.inventory.hosts if host.name in hosts and not self._readers.over_ssh(host.name)]
        await self._readers.move_to_ssh([host.name for host in left])
        for host in left:
            await self._first_reading(host)

    async def _first_reading(self, host: Host) -> None:
        def answered(snapshot: HostSnapshot) -> bool:
            if snapshot.link in (Link.UNREACHABLE, Link.LOST):
                return True
            return snapshot.reading is not None and self._asked_all(snapshot)

        try:
            await self.board.until(host.name, answered, READING_SECONDS)
        except TimeoutError:
            snapshot = self.board.latest(host.name)
            if snapshot is None or snapshot.reading is None:
                where = f" ({host.address})" if host.address else ""
                raise UnreachableError(
                    f"{host.name}{where} did not send a reading within {READING_SECONDS:.0f} s."
                ) from None

    def _asked_all(self, snapshot: HostSnapshot) -> bool:
        if snapshot.reading is not None and snapshot.reading.exporter:  # which says all it ever will
            return not self._readers.over_ssh(snapshot.host)
        here = [m for m in self.inventory.placed if m.place and m.place.host == snapshot.host]
        services = all(model.name in snapshot.services for model in here if model.service)
        engines = all(
            model.name in snapshot.engines
            for model in here
            if model.url and snapshot.services.get(model.name) and snapshot.services[model.name].main_pid
        )
        return services and engines

    # the fleet, now and after the draft

    def now(self) -> Assessment:
        """What we reckon of the running placement."""
        self._refresh_measured()
        if self._now is None:
            self._now = self._assess(self.inventory, tense=Tense.NOW)
        return self._now

    def after(self) -> Assessment | None:
        """What we reckon of the placement after the draft; None without a draft."""
        self._refresh_measured()
        if self._after is None and self.changes:
            drafted = self.draft.after(self.inventory)
            self._after = self._assess(drafted, tense=Tense.DRAFT)
        return self._after

    def _refresh_measured(self) -> None:
        snapshots = self.board.snapshots
        watts = self.peaks.watts if self.peaks else {}
        found = totals(self.inventory, snapshots), known_starts(self.inventory, snapshots), watts
        if found != (self._totals, self._starts, self._watts):
            (self._totals, self._starts, self._watts), self._now, self._after = found, None, None

    @property
    def totals(self) -> dict[GpuId, int]:
        """Measured memory of each GPU that was read."""
        self._refresh_measured()
        return self._totals

    @property
    def starts(self) -> dict[str, ModelStart]:
        """What the newest start of each model measured, where it was read."""
        self._refresh_measured()
        return self._starts

    def state(self, now: float | None = None) -> FleetState:
        """The fleet at this moment, with the findings of the draft behind those of the running placement."""
        from fleet.live import live_findings  # rules for what is read

        state = join(self.now(), self.board.snapshots, time.monotonic() if now is None else now)
        after = self.after()
        drafted = self.only_in(after) if after else ()
        found = worst_first((*state.findings, *live_findings(state, self.inventory, self.peaks), *self.proposed))
        return replace(state, findings=(*found, *drafted))

    def blank_state(self) -> FleetState:
        """The fleet as the file names it, before anything is reckoned or read: enough for a first paint."""
        outlooks = {
            gpu: GpuOutlook(
                total_bytes=host.accelerator.total_bytes,
                driver_bytes=0,
                resident_bytes=0,
                peak_bytes=0,
                high_bytes=0,
                shares=(),
            )
            for host in self.inventory.hosts
            for gpu in host.gpu_ids
        }
        return join(Assessment(self.inventory, {}, outlooks, ()), {}, 0.0)

    @property
    def is_late(self) -> bool:
        """Whether some host's readings have stopped coming, so that their age is worth showing."""
        return any(snapshot.link in (Link.STALE, Link.LOST) for snapshot in self.board.snapshots.values())

    def only_in(self, after: Assessment) -> tuple[Finding, ...]:
        """The findings that the running placement does not have."""
        known = {(finding.code, finding.subject, finding.message) for finding in self.now().findings}
        return tuple(f for f in after.findings if (f.code, f.subject, f.message) not in known)

    def findings_with(self, state: FleetState, after: Assessment) -> tuple[Finding, ...]:
        """The findings of now in that state, then those that only the other placement has."""
        now = tuple(finding for finding in state.findings if finding.tense is Tense.NOW)
        return (*now, *self.only_in(after))

    def drafted(self) -> Inventory:
        """The fleet after the draft."""
        return self.draft.after(self.inventory)

    def what_if(self, *changes: Change) -> Assessment:
        """What we would reckon of the draft with these changes more. Raises UsageError where one makes no sense."""
        self._refresh_measured()
        return self._assess(apply(self.drafted(), changes), tense=Tense.DRAFT)

    def _assess(self, inventory: Inventory, *, tense: Tense) -> Assessment:
        from fleet.findings.assess import assess  # the estimators; the first screen is painted without them
        from fleet.findings.power import still_holds

        watts = still_holds(self._watts, self.inventory, inventory)
        return assess(inventory, tense=tense, totals=self._totals, starts=self._starts, watts=watts)

    # the draft

    def stage(self, *changes: Change) -> None:
        """Add changes to the draft. Raises UsageError, and leaves the draft alone, where one makes no sense."""
        draft = self.draft.stage(*changes)
        draft.after(self.inventory)
        self._set(draft)

    @property
    def changes(self) -> tuple[Change, ...]:
        """The draft's changes that really change what runs."""
        return self.draft.in_effect(self.inventory)

    def undo(self) -> bool:
        """Take the last change back; False where there is none."""
        return self._set(self.draft.undo())

    def redo(self) -> bool:
        """Stage the last change taken back; False where there is none."""
        return self._set(self.draft.redo())

    def offer(self, changes: tuple[Change, ...]) -> None:
        """Let redo stage these, as if they had been taken back."""
        self.draft = Draft((), (changes,))

    def clear(self) -> None:
        """Throw the draft away; redo brings it back."""
        self._set(self.draft.clear())

    def adopt(self, inventory: Inventory, draft: Draft = _EMPTY) -> None:
        """What was a draft, or what the fleet file says now, is what runs; ``draft`` stays over it."""
        self.inventory = inventory
        self._now = self._after = None
        self.draft = draft
        self.when_drafted(draft)
        self._readers.watch(inventory.models)

    def _set(self, draft: Draft) -> bool:
        changed = draft != self.draft
        self.draft, self._after = draft, None
        if changed:
            self.when_drafted(draft)
        return changed
