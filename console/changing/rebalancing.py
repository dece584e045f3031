"""A better placement asked for on the command line, beside changes the operator names: found, told, and as JSON."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from fleet.errors import UsageError
from fleet.inventory import Inventory
from fleet.inventory.changes import Change
from fleet.model import GpuId
from fleet.planning.cordons import cordoned, gpus_named
from fleet.planning.json import change_json

if TYPE_CHECKING:
    from console.session import Session
    from fleet.planning.rebalance.rebalancing import Proposal
    from fleet.planning.rebalance.search import Progress


def add_rebalance_options(parser: argparse.ArgumentParser) -> None:
    """Let a command look for a better placement too."""
    parser.add_argument(
        "--rebalance", action="store_true", help="place the models so that all fit, with as few restarts as can be"
    )
    parser.add_argument(
        "--evacuate", action="append", default=[], metavar="HOST/GPU", help="move every model off a GPU, or off a HOST"
    )


def wants_rebalancing(options: argparse.Namespace) -> bool:
    """Whether a placement is to be found."""
    return getattr(options, "rebalance", False) or bool(getattr(options, "evacuate", ()))


def read_evacuated(options: argparse.Namespace, inventory: Inventory) -> frozenset[GpuId]:
    """The GPUs to empty. Raises UsageError with the option's own words."""
    found: set[GpuId] = set()
    for name in options.evacuate:
        try:
            found |= set(gpus_named(inventory, name))
        except UsageError as error:
            raise UsageError(f"--evacuate: {error.message}", error.way_out) from None
    return frozenset(found)


async def propose(
    session: Session,
    changes: Iterable[Change],
    *,
    emptied: frozenset[GpuId] = frozenset(),
    only_empties: bool = False,
    goes_on: Callable[[], bool] = lambda: True,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Proposal:
    """A placement for the fleet with these changes, found in a thread of its own. Raises UsageError."""
    from fleet.planning.rebalance.rebalancing import rebalance

    return await asyncio.to_thread(
        rebalance,
        session.inventory,
        tuple(changes),
        emptied=emptied,
        closed=cordoned(session.board.snapshots) - emptied,
        only_empties=only_empties,
        totals=session.totals,
        starts=session.starts,
        requests=requests_at(session),
        goes_on=goes_on,
        on_progress=on_progress,
    )


def requests_at(session: Session) -> dict[str, int]:
    """Running or waiting, by model."""
    engines = [item for snapshot in session.board.snapshots.values() for item in snapshot.engines.items()]
    return {name: (engine.running or 0) + (engine.waiting or 0) for name, engine in engines}


async def propose_as_asked(session: Session, changes: Iterable[Change], options: argparse.Namespace) -> Proposal:
    """The same for a command with `add_rebalance_options`, told on standard error while it is looked for."""
    emptied = read_evacuated(options, session.inventory)
    shows = sys.stderr.isatty()
    proposal = await propose(
        session,
        changes,
        emptied=emptied,
        only_empties=not options.rebalance,
        on_progress=_print_progress if shows else lambda _: None,
    )
    if shows:
        print(file=sys.stderr)
    return proposal


def _print_progress(progress: Progress) -> None:
    print(f"\r\033[K{progress_words(progress)}", end="", file=sys.stderr, flush=True)


def progress_words(progress: Progress) -> str:
    """The best answer so far: ``best after 0.2 s: 3 restarts``."""
    left_out = f", {progress.score.unplaced} without a place" if progress.score.unplaced else ""
    plural = "" if progress.restarts == 1 else "s"
    return f"best after {progress.seconds:.1f} s: {progress.restarts} restart{plural}{left_out}"


def proposal_lines(proposal: Proposal) -> list[str]:
    """What a proposal comes to, and why each model moves, as plain text."""
    more = [proposal.costs] if proposal.costs else []
    if proposal.offer:
        taken = " ".join(f"--set {serve.model}.source={serve.source}" for serve in proposal.offer.serves)
        more.insert(0, f"{proposal.offer.sentence} To take that: --rebalance {taken}")
    return [proposal.summary, *more, *(f"  {reason}" for reason in proposal.reasons.values())]


def proposal_json(proposal: Proposal) -> dict[str, Any]:
    """What a plan document says of the proposal it was made of."""
    return {
        "summary": proposal.summary,
        "restarts": proposal.restarts,
        "fewest_restarts": proposal.fewest_restarts,
        "proved": proposal.proved,
        "unplaced": list(proposal.unplaced),
        "reasons": dict(proposal.reasons),
        "offer": proposal.offer.sentence if proposal.offer else None,
        "offered": [change_json(change) for change in proposal.offer.changes] if proposal.offer else [],
        "costs": proposal.costs or None,
    }
