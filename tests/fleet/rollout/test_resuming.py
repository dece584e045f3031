"""Rollouts whose console ended, or whose line was cut, before they did."""

from __future__ import annotations

import asyncio
import re

import pytest
from bench import Bench
from fake_host import Killed

from fleet.errors import GpudeckError, UnreachableError
from fleet.inventory.changes import Change, Disable, Enable, Move
from fleet.model import Place
from fleet.rollout.events import Event, Kind, Outcome
from fleet.rollout.executor import Rollout

CHANGES: tuple[Change, ...] = (
    Move("a", Place.parse("gpu01/1")),
    Move("b", Place.parse("gpu01/0")),
    Disable("c"),
    Enable("d"),
)
"""A swap, whose one model is stopped early, one model stopped for good, and one started."""
COMMANDS = 14


@pytest.fixture
def swap(bench: Bench) -> Bench:
    bench.add("a", "gpu01/0", 150)
    bench.add("b", "gpu01/1", 150)
    bench.add("c", "gpu01/2", 150)
    bench.add("d", "gpu01/3", 150, enabled=False)
    return bench


async def interrupted(bench: Bench, number: int, after: bool, fault: BaseException) -> None:
    """Carry CHANGES out until the fault strikes at that command."""
    bench.host.fault = (number, after, fault)
    try:
        await bench.run(*CHANGES)
    except (Killed, asyncio.CancelledError):
        return


async def test_the_commands_of_the_plan_are_as_many_as_the_tests_below_interrupt(swap: Bench) -> None:
    assert (await swap.run(*CHANGES)).outcome is Outcome.DONE
    assert len(swap.host.commands) == COMMANDS


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(COMMANDS))
async def test_a_console_killed_at_any_command_carries_on(swap: Bench, number: int, after: bool) -> None:
    await interrupted(swap, number, after, Killed())
    result = await swap.resumed()
    assert result.outcome is Outcome.DONE
    assert {name: (runs, gpus) for name, (runs, _, gpus) in swap.host.state.items()} == {
        "a": (True, (1,)),
        "b": (True, (0,)),
        "c": (False, ()),
        "d": (True, (3,)),
    }
    assert swap.unfinished() is None


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(COMMANDS))
async def test_a_console_killed_at_any_command_takes_everything_back(swap: Bench, number: int, after: bool) -> None:
    before = swap.host.state
    await interrupted(swap, number, after, Killed())
    result = await swap.undone()
    assert result.outcome is Outcome.ROLLED_BACK
    assert swap.host.state == before
    assert swap.unfinished() is None


def lose(bench: Bench, number: int) -> None:
    """At the command of that number the line goes down, and stays so."""

    def cut(_: str) -> None:
        bench.host.lost = bench.host.lost or len(bench.host.commands) == number

    bench.host.before_write = cut


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(COMMANDS))
async def test_a_line_cut_at_any_command_is_waited_for(swap: Bench, number: int, after: bool) -> None:
    swap.host.fault = (number, after, UnreachableError("gpu01 was lost."))
    result = await swap.run(*CHANGES)
    assert (result.outcome, len(swap.host.commands)) == (Outcome.DONE, COMMANDS)
    assert "the line to gpu01 is lost; what was begun there goes on" in swap.said(Kind.PROGRESS)
    assert (swap.host.scripts, swap.host.lock.held) == ({}, {})


@pytest.mark.parametrize("question", range(0, 40, 3))
async def test_a_line_cut_at_any_question_is_waited_for(swap: Bench, question: int) -> None:
    """Not only a step's commands: what is said in the lock and in the log before it as well."""
    plan, journal = await swap.plan(*CHANGES), swap.journal()

    def begin(event: Event) -> None:
        swap.events.append(event)
        if event.kind is Kind.PAUSED:
            swap.host.lost_at_question = question
            rollout.resume()

    rollout = Rollout(plan, {"gpu01": swap.host}, swap.host, journal, begin, operator="ops@here")
    rollout.pause()
    result = await rollout.run()
    journal.close()
    assert (result.outcome, len(swap.host.commands)) == (Outcome.DONE, COMMANDS)


async def test_a_step_that_does_not_end_is_left_to_its_host_and_found_there_later(swap: Bench) -> None:
    swap.host.slow = True
    result = await swap.run(*CHANGES)
    assert result.outcome is Outcome.UNKNOWN
    assert "gpu01 has not ended the step within 600 s; what runs there goes on." in result.message
    assert "it is still at work on gpu01" in swap.said(Kind.PROGRESS)
    swap.host.slow = False
    assert (await swap.resumed()).outcome is Outcome.DONE


async def test_whoever_interrupts_is_told_what_is_under_way_and_how_to_go_on(swap: Bench) -> None:
    await interrupted(swap, 1, True, asyncio.CancelledError())
    (said,) = swap.said(Kind.ENDED)
    assert re.match(
        r"Interrupted; gpu01 finishes \w+ \w, the step under way, if begun\. `gpudeck apply --resume`", said
    )
    assert (await swap.undone()).outcome is Outcome.ROLLED_BACK


async def test_a_line_that_stays_down_leaves_the_result_unknown_and_the_rollout_unfinished(swap: Bench) -> None:
    lose(swap, 3)
    result = await swap.run(*CHANGES)
    assert result.outcome is Outcome.UNKNOWN
    assert result.message.startswith("gpu01 was lost. What the last step did is not known")
    found = swap.unfinished()
    assert found is not None
    assert found.touches[-1].outcome is None
    assert found.touches[-1].n not in found.done
    swap.host.lost = False
    assert (await swap.resumed()).outcome is Outcome.DONE


async def test_a_way_back_that_was_cut_is_gone_again(swap: Bench) -> None:
    before = swap.host.state
    await interrupted(swap, 10, True, Killed())
    lose(swap, 14)
    assert (await swap.undone()).outcome is Outcome.UNKNOWN
    swap.host.lost = False
    assert (await swap.undone()).outcome is Outcome.ROLLED_BACK
    assert swap.host.state == before


async def test_a_model_somebody_started_meanwhile_is_stopped_again(swap: Bench) -> None:
    await interrupted(swap, 2, False, Killed())
    stopped = [unit for unit in swap.host.units.values() if unit.model in "ab" and not unit.gpus]
    assert stopped
    for unit in stopped:
        swap.host.start(unit)
    assert (await swap.resumed()).outcome is Outcome.DONE
    assert swap.host.state["a"][2] == (1,)


async def test_an_overlay_somebody_removed_meanwhile_is_written_again(swap: Bench) -> None:
    await interrupted(swap, 6, False, Killed())
    written = [unit for unit in swap.host.units.values() if unit.overlay]
    assert written
    for unit in written:
        unit.overlay = None
    assert (await swap.resumed()).outcome is Outcome.DONE
    assert [swap.host.state[name][2] for name in "ab"] == [(1,), (0,)]


async def test_what_a_host_finished_by_itself_is_not_done_again(swap: Bench) -> None:
    await interrupted(swap, 5, True, Killed())
    done = list(swap.host.commands)
    assert (await swap.resumed()).outcome is Outcome.DONE
    assert len(swap.host.commands) == COMMANDS
    assert swap.host.commands[: len(done)] == done
    assert any("gpu01 has finished write" in said for said in swap.said(Kind.PROGRESS))


@pytest.mark.parametrize("number", range(COMMANDS))
async def test_a_step_that_its_host_cut_off_is_taken_again_or_back(swap: Bench, number: int) -> None:
    before = swap.host.state
    swap.host.cut_off = number
    result = await swap.run(*CHANGES)
    assert result.outcome is Outcome.RESTORED
    assert "was cut off: it was killed there, or the host came up anew" in result.message
    assert swap.unfinished() is None
    assert all(swap.host.state[name] == before[name] for name in before if name not in result.done)


async def test_nothing_new_is_begun_before_the_unfinished_rollout_has_ended(swap: Bench) -> None:
    await interrupted(swap, 2, False, Killed())
    with pytest.raises(GpudeckError, match="not finished"):
        await swap.run(Disable("c"))
