"""Rebalances drawn by seed, each planned and carried out on the simulated host over real SSH, one after the other.

Every seed begins with the placement that the one before it left, so the fleet is shuffled ever more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

import pytest

from console.changing.carrying_out import follow, open_journal, rollout_of
from console.changing.planning import plan_changes
from console.changing.rebalancing import propose
from console.operating import Operating
from console.session import Session
from fleet.findings import Finding, Severity
from fleet.inventory import Inventory
from fleet.inventory.changes import Change, Disable, Enable, SetArgument, apply
from fleet.inventory.loading import load
from fleet.inventory.policy import Goals, Policy
from fleet.model import Arguments, GpuId, Handling, Model, Place
from fleet.planning.rebalance.rebalancing import Proposal
from fleet.rollout.events import Outcome
from fleet.simulator.child import Demo
from fleet.state import ModelState, ModelWord

PATIENCE = 60
DRAWS = 20
SEARCH_SECONDS = 2.0
SHARES = {
    "llama-3.1-8b": (0.3, 0.5),
    "deepcoder-14b": (0.35, 0.5),
    "mistral-small-24b": (0.3, 0.4),
    "gemma-3-27b": (0.5, 0.6),
}
"""Shares with which these start and serve."""
AT_ONCE = Handling(drain_seconds=0.1)


DEMO_OPTIONS = {"speed": 1000}


@pytest.fixture
async def session(demo: Demo, tmp_path: Path) -> AsyncIterator[Session]:
    """In front of the host as the seed before left it, every enabled model serving."""
    inventory = load(demo.fleet_file)
    inventory = replace(inventory, models=tuple(replace(model, handling=AT_ONCE) for model in inventory.models))
    session = Session(inventory, operating=Operating(), state_folder=tmp_path / "state", interval=0.1)
    async with session.watching():
        await session.first_readings()
        await until(session, lambda: all(map(is_settled, session.state().models)))
        yield session


def is_settled(model: ModelState) -> bool:
    """Whether it serves if it is to, and holds nothing if it is not."""
    if model.model.enabled:
        return model.word is ModelWord.SERVING and held(model) == frozenset(places(model))
    return model.word is ModelWord.DISABLED and not held(model)


def held(model: ModelState) -> frozenset[GpuId]:
    """The GPUs on which it was measured to hold memory."""
    return frozenset(gpu for gpu, used in model.used_by_gpu.items() if used)


def places(model: ModelState) -> Collection[GpuId]:
    return model.model.place.gpu_ids if model.model.place else ()


async def until(session: Session, holds: Callable[[], bool]) -> None:
    """Wait until this holds, looking at each new reading."""
    news = asyncio.Event()
    unsubscribe = session.board.subscribe(lambda _: news.set())
    try:
        async with asyncio.timeout(PATIENCE):
            while not holds():
                news.clear()
                await news.wait()
    finally:
        unsubscribe()


def is_before(until: float) -> bool:
    """Whether it is not yet that late by the monotonic clock."""
    return time.monotonic() < until


async def drawn(session: Session, chance: Random) -> Proposal:
    """A proposal that moves something and leaves nothing out: for a GPU to be emptied, a model more, or other goals."""
    for _ in range(DRAWS):
        goals = Goals(
            free_gpu=chance.choice((0.0, 1.5)),
            role_apart=chance.choice((0.0, 1.5)),
            decode_apart=chance.choice((0.0, 1.5)),
            even=chance.choice((0.0, 0.5)),
        )
        session.settle(replace(session.inventory, policy=Policy(goals=goals)))
        mover = session.inventory.model(chance.choice(list(SHARES)))
        emptied = mover.place.gpu_ids if mover.place and chance.random() < 0.5 else ()
        proposal = await propose(
            session,
            asked(session.inventory, chance),
            emptied=frozenset(emptied),
            goes_on=partial(is_before, time.monotonic() + SEARCH_SECONDS),
        )
        if proposal.moves and not proposal.unplaced:
            return proposal
    raise AssertionError("nothing was drawn that could be moved")


def asked(inventory: Inventory, chance: Random) -> Iterator[Change]:
    """What an operator wants besides: one model more or less, or another share for one."""
    if chance.random() < 0.4:
        spare = inventory.model("qwen3-32b")
        yield Disable(spare.name) if spare.enabled else Enable(spare.name)
    for name, shares in SHARES.items():
        if chance.random() < 0.2:
            yield SetArgument(name, "gpu-memory-utilization", chance.choice(shares))


def stands(model: Model) -> tuple[str, Place | None, Arguments]:
    """What a fleet file that follows a rollout says of a model."""
    return model.name, model.place, model.args


def errors(findings: Collection[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity is Severity.ERROR]


@pytest.mark.parametrize("seed", range(4))
async def test_a_proposal_is_carried_out_as_it_was_proposed(session: Session, demo: Demo, seed: int) -> None:
    proposal = await drawn(session, Random(seed))
    wanted = apply(session.inventory, proposal.changes)
    plan = await plan_changes(session, proposal.changes)
    assert plan.steps
    assert plan.unproven == ()
    assert errors(plan.findings) == []

    told: list[str] = []
    with closing(open_journal(session)) as journal:
        result = await rollout_of(session, plan, journal, lambda event: told.append(event.message)).run()
    assert result.outcome is Outcome.DONE, "\n".join(told)
    assert follow(session, plan, result) == ""
    await until(session, lambda: all(map(is_settled, session.state().models)))

    assert session.inventory == wanted
    assert [stands(model) for model in load(demo.fleet_file).placed] == [stands(model) for model in wanted.placed]
