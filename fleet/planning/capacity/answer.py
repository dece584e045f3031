"""The whole answer about models that are to be added to a fleet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from fleet.estimate import Estimate
from fleet.estimate.trial import Trial, trial
from fleet.estimate.ways_out import WayOut, ways_out
from fleet.findings import Finding, Severity, Tense
from fleet.findings.assess import assess
from fleet.findings.assessment import Assessment
from fleet.inventory import Inventory
from fleet.model import Model
from fleet.planning.capacity.buying import Offer, offers
from fleet.planning.capacity.instead import Instead, cheapest
from fleet.planning.capacity.rebalanced import SECONDS, Most, most_copies, together
from fleet.planning.capacity.spots import MOST_ON_A_GPU, Measured, Spot, spots
from fleet.planning.rebalance.rebalancing import Proposal


@dataclass(frozen=True, slots=True)
class Addition:
    """What one more model would come to."""

    model: Model
    """Disabled, and in no place."""
    accelerator: str
    """The first kind of the fleet's GPUs on which it starts; the first of all where it starts on none."""
    alone: Estimate
    """On empty GPUs of that kind."""
    spots: tuple[Spot, ...]
    """Every place, as things are."""
    proposal: Proposal | None
    """How one copy gets a place where it has none as things are; None where nothing has to move, or it has none."""
    most: Most
    """The most copies after a rebalancing."""
    instead: Instead | None
    """What would stop for it, where there is no place for it even then."""
    ways_out: tuple[WayOut, ...]
    """What to change where it does not even start alone."""
    findings: tuple[Finding, ...]
    """New warnings with one copy in its best place, as things are."""
    offers: tuple[Offer, ...]
    """Servers to buy, where that is asked."""

    @property
    def copies_now(self) -> int:
        """How many fit as things are."""
        return sum(spot.copies for spot in self.spots)

    @property
    def best(self) -> Spot | None:
        """The place with most room left after it; None where it fits nowhere as things are."""
        return _best(self.spots)

    @property
    def fits(self) -> bool:
        """Whether there is a place for it, now or once others have moved."""
        return self.most.copies > 0


@dataclass(frozen=True, slots=True)
class Capacity:
    """What there is room for."""

    now: Assessment
    """The fleet as it is."""
    additions: tuple[Addition, ...]
    """Each by itself."""
    together: Proposal | None
    """All that fit by themselves at once; None where those are fewer than two."""


def capacity(inventory: Inventory, models: Sequence[Model], measured: Measured, *, buying: bool = False) -> Capacity:
    """What these models would come to, each by itself and all together. They are disabled, and not of the fleet yet."""
    now = assess(inventory, totals=measured.totals, starts=measured.starts, with_fixes=False)
    seconds = SECONDS / max(1, len(models))
    additions = tuple(_addition(now, model, measured, seconds, buying=buying) for model in models)
    fitting = [added.model for added in additions if added.fits]
    return Capacity(now, additions, together(inventory, fitting, measured) if len(fitting) > 1 else None)


def _addition(now: Assessment, model: Model, measured: Measured, seconds: float, *, buying: bool) -> Addition:
    inventory = now.inventory
    asked, alone = _alone(inventory, model)
    found = spots(inventory, model, measured)
    copies = sum(spot.copies for spot in found)
    most = most_copies(inventory, model, copies, _bound(now, alone), measured, seconds)
    return Addition(
        model=model,
        accelerator=asked.accelerator.name,
        alone=alone,
        spots=found,
        proposal=most.first,
        most=most,
        instead=None if most.copies else cheapest(inventory, model, found, measured),
        ways_out=ways_out(asked, max(host.gpus for host in inventory.hosts)) if alone.refusal else (),
        findings=tuple(_caused(now, _best(found))),
        offers=offers(model) if buying else (),
    )


def _alone(inventory: Inventory, model: Model) -> tuple[Trial, Estimate]:
    kinds = dict.fromkeys(host.accelerator for host in inventory.hosts)
    asked = [trial(model, kind, gpus=model.args.ranks) for kind in kinds]
    tries = [(each, each.estimate()) for each in asked]
    return next((each for each in tries if each[1].refusal is None), tries[0])


def _bound(now: Assessment, alone: Estimate) -> int:
    """Copies that cannot be passed, by the bytes that no estimate takes."""
    size = sum(share.total_bytes for share in alone.shares)
    free = sum(max(0, outlook.total_bytes - outlook.peak_bytes) for outlook in now.outlooks.values())
    most = MOST_ON_A_GPU * len(now.outlooks)
    return min(most, free // size) if size and alone.refusal is None else 0


def _best(found: Sequence[Spot]) -> Spot | None:
    fitting = [spot for spot in found if spot.verdict.possible]
    return max(fitting, key=lambda spot: spot.verdict.rank, default=None)


def _caused(now: Assessment, best: Spot | None) -> Iterator[Finding]:
    """What would be found with the model in its best place that is not found now."""
    known = {(finding.code, finding.model, finding.gpu) for finding in now.findings}
    for finding in best.verdict.after.findings if best and best.verdict.after else ():
        if finding.severity is not Severity.INFO and (finding.code, finding.model, finding.gpu) not in known:
            yield replace(finding, tense=Tense.WHAT_IF)
