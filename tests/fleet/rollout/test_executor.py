"""Plans carried out on a host in memory, with a journal really on disk."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Callable

import pytest
from bench import Bench

from fleet.inventory.changes import Disable, Enable, Move, Restart
from fleet.model import Place
from fleet.rollout.events import Kind, Outcome


def move(model: str, place: str) -> Move:
    return Move(model, Place.parse(place))


async def test_a_move_is_pinned_by_identity_and_serves_in_its_new_place(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    bench.add("b", "gpu01/1", 50)
    result = await bench.run(move("a", "gpu01/1"))
    assert (result.outcome, result.done) == (Outcome.DONE, ("a",))
    running, overlay, gpus = bench.host.state["a"]
    assert running
    assert overlay is not None
    assert "Environment=ROCR_VISIBLE_DEVICES=GPU-0000000000000001" in overlay
    assert gpus == (1,)
    assert bench.unfinished() is None


async def test_moving_back_home_removes_the_overlay(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    before = bench.host.state
    await bench.run(move("a", "gpu01/1"))
    bench.follow(move("a", "gpu01/1"))
    result = await bench.run(move("a", "gpu01/0"))
    assert result.outcome is Outcome.DONE
    assert bench.host.state == before


async def test_two_models_change_places_one_at_a_time(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 150)
    bench.add("b", "gpu01/1", 150)
    result = await bench.run(move("a", "gpu01/1"), move("b", "gpu01/0"))
    assert result.outcome is Outcome.DONE
    assert [bench.host.state[name][2] for name in "ab"] == [(1,), (0,)]


async def test_a_model_over_several_gpus_moves_as_a_block(bench: Bench) -> None:
    bench.add("big", "gpu01/0-1", 150)
    result = await bench.run(move("big", "gpu01/2-3"))
    assert result.outcome is Outcome.DONE
    assert bench.host.state["big"][2] == (2, 3)


async def test_a_disabled_model_is_started_and_an_enabled_one_stopped(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 150)
    bench.add("b", "gpu01/0", 150, enabled=False)
    result = await bench.run(Disable("a"), Enable("b"))
    assert result.outcome is Outcome.DONE
    assert [bench.host.state[name][0] for name in "ab"] == [False, True]


async def test_every_step_is_on_disk_before_the_host_is_touched(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    seen: list[tuple[str, str | None]] = []
    journal = bench.journal()

    def look(_: str) -> None:
        with sqlite3.connect(bench.path) as reader:
            seen.append(reader.execute("SELECT action, outcome FROM touch ORDER BY id DESC LIMIT 1").fetchone())

    bench.host.before_write = look
    await bench.rollout(await bench.plan(move("a", "gpu01/1")), journal).run()
    journal.close()
    assert [action for action, _ in seen] == ["stop", "write", "write", "write", "write", "start"]
    assert {outcome for _, outcome in seen} == {None}


async def test_a_refused_start_is_told_in_the_engines_words_and_taken_back(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    bench.add("b", "gpu01/2", 100)
    before = bench.host.state
    bench.host.units["a.service"].log.append("ValueError: of an earlier start")
    sentence = "ValueError: The model's max seq len (40960) is larger than the KV cache."
    bench.host.refuses["a.service"] = sentence
    bench.host.faulty_starts = 1
    result = await bench.run(move("a", "gpu01/1"), move("b", "gpu01/3"))
    assert (result.outcome, result.failed) == (Outcome.RESTORED, "a")
    assert sentence in result.message
    assert "back as it was" in result.message
    assert bench.host.state == before
    assert bench.unfinished() is None


async def test_what_was_done_before_a_refused_start_stands(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 50)
    bench.add("b", "gpu01/1", 50, enabled=False)
    bench.host.refuses["b.service"] = "ValueError: no"
    result = await bench.run(move("a", "gpu01/2"), Enable("b"))
    assert (result.outcome, result.done) == (Outcome.RESTORED, ("a",))
    assert "stopped, as it was" in result.message
    assert bench.host.state["a"][2] == (2,)
    assert not bench.host.state["b"][0]


@pytest.mark.parametrize("refusing", ["a", "b"])
async def test_a_swap_whose_one_start_refuses_is_undone_for_both(bench: Bench, refusing: str) -> None:
    bench.add("a", "gpu01/0", 150)
    bench.add("b", "gpu01/1", 150)
    before = bench.host.state
    bench.host.refuses[f"{refusing}.service"] = "RuntimeError: no"
    bench.host.faulty_starts = 1
    result = await bench.run(move("a", "gpu01/1"), move("b", "gpu01/0"))
    assert (result.outcome, result.done) == (Outcome.RESTORED, ())
    assert bench.host.state == before


async def test_a_start_that_hangs_times_out_and_is_taken_back(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    before = bench.host.state
    bench.host.units["a.service"].log.append("ValueError: of an earlier start")
    bench.host.hangs.add("a.service")
    bench.host.faulty_starts = 1
    result = await bench.run(move("a", "gpu01/1"))
    assert result.outcome is Outcome.RESTORED
    assert "waits for its endpoint to answer" in result.message
    assert "earlier" not in result.message
    assert bench.host.state == before


async def test_a_crash_loop_is_stopped_not_awaited(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100, enabled=False)
    bench.host.units["a.service"].restarts = 3
    bench.host.tick()
    bench.host.loops.add("a.service")
    result = await bench.run(Enable("a"))
    assert result.outcome is Outcome.RESTORED
    assert "ended and was started again" in result.message
    assert not bench.host.state["a"][0]
    assert bench.host.now < 60


async def test_a_process_that_ends_by_itself_is_a_failure(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100, enabled=False)
    bench.host.ends.add("a.service")
    result = await bench.run(Enable("a"))
    assert result.outcome is Outcome.RESTORED
    assert "its process ended" in result.message
    assert bench.host.now < 60


async def test_memory_on_a_gpu_that_was_not_meant_is_a_failure(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    bench.host.strays["a.service"] = (3,)
    bench.host.faulty_starts = 1
    result = await bench.run(move("a", "gpu01/1"))
    assert result.outcome is Outcome.RESTORED
    assert "GPU 3" in result.message
    assert bench.host.state["a"][2] == (0,)


async def test_a_stop_that_is_forbidden_changes_nothing_and_says_so(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    before = bench.host.state
    bench.host.forbids = "stop"
    result = await bench.run(move("a", "gpu01/1"))
    assert result.outcome is Outcome.RESTORED
    assert "a password is required" in result.message
    assert bench.host.state == before


async def test_a_way_back_that_fails_says_what_stands(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    bench.host.refuses["a.service"] = "RuntimeError: broken"
    result = await bench.run(move("a", "gpu01/1"))
    assert (result.outcome, result.failed) == (Outcome.FAILED, "a")
    assert "could not be restored" in result.message
    assert "Half way: a (wait begun, not done on the way back)." in result.message


async def test_a_drain_waits_for_requests_and_cuts_them_at_its_deadline(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    bench.host.units["a.service"].running = 4
    bench.host.tick()
    result = await bench.run(Restart("a"))
    assert result.outcome is Outcome.DONE
    assert any("4 requests" in said for said in bench.said(Kind.DONE))


async def test_a_rollout_pauses_after_the_step_and_goes_on_step_by_step(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    journal = bench.journal()
    rollout = bench.rollout(await bench.plan(move("a", "gpu01/1")), journal)
    rollout.pause()
    task = asyncio.create_task(rollout.run())
    await _until(lambda: bench.said(Kind.PAUSED) != [])
    assert bench.host.commands == []
    rollout.single_step()
    await _until(lambda: len(bench.said(Kind.PAUSED)) == 2)
    assert len(bench.host.commands) == 1
    rollout.resume()
    assert (await task).outcome is Outcome.DONE
    journal.close()


async def test_rolling_back_in_the_middle_leaves_everything_as_it_was(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    bench.add("b", "gpu01/2", 100)
    before = bench.host.state
    journal = bench.journal()
    rollout = bench.rollout(await bench.plan(move("a", "gpu01/1"), move("b", "gpu01/3")), journal)
    bench.host.before_write = lambda line: rollout.roll_back() if "stop b" in line else None
    result = await rollout.run()
    journal.close()
    assert result.outcome is Outcome.ROLLED_BACK
    assert bench.host.state == before


async def test_rolling_back_does_not_wait_for_a_start_that_hangs(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    before = bench.host.state
    journal = bench.journal()
    rollout = bench.rollout(await bench.plan(move("a", "gpu01/1")), journal)
    bench.host.hangs.add("a.service")
    bench.host.faulty_starts = 1
    task = asyncio.create_task(rollout.run())
    await _until(lambda: any("endpoint" in said for said in bench.said(Kind.PROGRESS)))
    rollout.roll_back()
    assert (await task).outcome is Outcome.ROLLED_BACK
    journal.close()
    assert bench.host.state == before
    assert bench.host.now < 60


async def _until(true: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if true():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never became true")


async def test_the_hosts_own_log_says_who_touched_it_and_how(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 90)
    await bench.run(Move("a", Place.parse("gpu01/1")))
    stop, write, start = bench.host.audit
    assert stop.startswith("ops@here rollout ") and stop.endswith(": stop a (systemd:a.service)")
    assert re.search(r": write a \(systemd:a\.service\), overlay none -> sha256:[0-9a-f]{12}$", write)
    assert start.endswith(": start a (systemd:a.service)")


async def test_the_hosts_own_log_says_of_the_way_back_which_overlay_it_found_and_left(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 90)
    await bench.run(Move("a", Place.parse("gpu01/1")))
    first = overlays(bench.host.audit[-2])
    bench.host.refuses["a.service"] = "ValueError: No available memory for the cache blocks."
    bench.host.faulty_starts = 2
    before = len(bench.host.audit)
    await bench.run(Move("a", Place.parse("gpu01/2")))
    there, back = [overlays(line) for line in bench.host.audit[before:] if "overlay" in line]
    assert there == (first[1], there[1])
    assert back == (there[1], first[1])


def overlays(line: str) -> tuple[str, str]:
    """The overlay that a line of the host's own log says was found, and the one that was left."""
    found = re.search(r", overlay (\S+) -> (\S+)$", line)
    assert found
    return found[1], found[2]
