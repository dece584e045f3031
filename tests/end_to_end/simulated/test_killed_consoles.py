"""A console that ends in the middle of a rollout over real SSH: whatever step it was in, both ways out end well."""

from __future__ import annotations

import signal
from itertools import cycle

import pytest
from simulated_rollouts import Site, Way

from console.changing.carrying_out import carry_on, undo
from fleet.planning.plan import Action

pytestmark = pytest.mark.asyncio(loop_scope="module")


WAYS = dict(zip(Action, cycle((undo, carry_on)), strict=False))
"""In turn, since a rollout over SSH takes its time: in memory every kind of step is left in both ways."""


@pytest.mark.parametrize(("kind", "way"), WAYS.items(), ids=lambda part: getattr(part, "__name__", part))
async def test_a_console_killed_in_a_step_is_gone_on_from_or_taken_back(here: Site, kind: Action, way: Way) -> None:
    assert (await here.struck(await here.plan_with(kind), kind, "kill")).status == -signal.SIGKILL
    await here.check_way_out(way)
