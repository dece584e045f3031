"""A rollout that stands still where a test wants it: no host is touched, only told of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from fleet.planning.plan import Plan
from fleet.rollout.events import Event, Kind, Outcome, Result


class StandingRollout:
    """Tells of a first step done and a second begun; then waits for ever, or ends as it is told to."""

    paused = False

    def __init__(self, plan: Plan, tell: Callable[[Event], None], outcome: Outcome | None) -> None:
        self._plan = plan
        self._tell = tell
        self._outcome = outcome

    async def run(self) -> Result:
        first, second, *_ = self._plan.steps
        self._tell(Event(Kind.STARTED, step=first))
        self._tell(Event(Kind.DONE, step=first))
        self._tell(Event(Kind.STARTED, step=second))
        if self._outcome is None:
            self._tell(Event(Kind.PROGRESS, "3 of 5 checks are well; the memory of the old place is free", step=second))
            await asyncio.get_running_loop().create_future()
        self._tell(Event(Kind.FAILED, "The unit failed: Result=exit-code, status=1.", step=second))
        assert self._outcome is not None
        return Result(self._outcome, f"{second.model} did not start; what it touched is back as it was.")

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def single_step(self) -> None: ...

    def roll_back(self) -> None: ...

    def leave(self, *, at_once: bool = False) -> None: ...


class _NoJournal:
    def close(self) -> None: ...


def stand_still(patch: pytest.MonkeyPatch, outcome: Outcome | None) -> None:
    """Have the rollout screen carry out such rollouts: None = for ever under way."""

    def begun(session: Any, plan: Plan, journal: Any, tell: Callable[[Event], None], **_: Any) -> StandingRollout:
        return StandingRollout(plan, tell, outcome)

    patch.setattr("console.screens.rollout.rollout_of", begun)
    patch.setattr("console.screens.rollout.open_journal", lambda session: _NoJournal())
