"""The journal, really on disk."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from bench import Bench

from fleet.errors import GpudeckError
from fleet.inventory.changes import Move
from fleet.model import Place
from fleet.planning.plan import Plan
from fleet.rollout.events import Outcome, Phase
from fleet.rollout.journal import Journal


async def a_plan(bench: Bench) -> Plan:
    bench.add("a", "gpu01/0", 100)
    return await bench.plan(Move("a", Place.parse("gpu01/1")))


async def test_what_was_begun_is_found_by_the_next_process(bench: Bench) -> None:
    plan = await a_plan(bench)
    first = bench.journal()
    rollout = first.begin(plan, "ops@here")
    first.touched(first.touch(rollout, Phase.PLAN, plan.steps[0]), "done")
    first.touch(rollout, Phase.PLAN, plan.steps[1])
    first.close()
    found = bench.unfinished()
    assert found is not None
    assert (found.id, found.operator, found.plan.steps) == (rollout, "ops@here", plan.steps)
    assert found.done == {1}
    assert (found.touches[-1].n, found.touches[-1].outcome) == (2, None)


async def test_a_rollout_that_ended_is_not_unfinished(bench: Bench) -> None:
    journal = bench.journal()
    rollout = journal.begin(await a_plan(bench), "ops@here")
    journal.end(rollout, "done", "")
    assert journal.unfinished() is None
    journal.close()


async def test_two_processes_cannot_carry_out_at_once(bench: Bench) -> None:
    plan = await a_plan(bench)
    one, other = bench.journal(), bench.journal()
    rollout = one.begin(plan, "ops@here")
    with pytest.raises(GpudeckError, match="Another gpudeck on this machine"):
        await bench.rollout(plan, other).go_on_from(rollout, ())
    one.close()
    assert (await bench.rollout(plan, other).go_on_from(rollout, ())).outcome is Outcome.DONE
    other.close()


async def test_environment_values_are_not_in_it(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    bench.host.units["a.service"].own += "Environment=HF_TOKEN=hf_secret\n"
    await bench.run(Move("a", Place.parse("gpu01/1")))
    assert b"hf_secret" not in bench.path.read_bytes()


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    Journal(tmp_path / "state" / "fleet.sqlite", lambda: 0).close()
    assert (tmp_path / "state" / "fleet.sqlite").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


def test_a_journal_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(GpudeckError, match="cannot be written"):
        Journal(tmp_path / "file" / "fleet.sqlite", lambda: 0)


def test_a_journal_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "fleet.sqlite") as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(GpudeckError, match="version 99"):
        Journal(tmp_path / "fleet.sqlite", lambda: 0)


async def test_rollouts_are_told_as_they_went_and_by_model(bench: Bench) -> None:
    bench.add("b", "gpu01/2", 100)
    plan = await a_plan(bench)
    journal = bench.journal()
    first = journal.begin(plan, "ops@here")
    journal.touched(journal.touch(first, Phase.PLAN, plan.steps[0]), "done")
    journal.end(first, Outcome.DONE, "Every step is done.")
    journal.begin(plan, "anna@there")
    told = journal.rollouts(10)
    assert [(past.operator, past.outcome, len(past.touches)) for past in told] == [
        ("ops@here", "done", 1),
        ("anna@there", None, 0),
    ]
    assert len({past.token for past in told}) == 2
    assert [past.operator for past in journal.rollouts(10, "a")] == ["ops@here"]
    assert journal.rollouts(10, "b") == ()
    assert [past.operator for past in journal.rollouts(1)] == ["anna@there"]
