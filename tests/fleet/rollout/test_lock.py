"""One operator at a time on a host, whoever tries, in whatever order, and whoever comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations

import pytest
from bench import Bench
from fake_host import LockFolders
from hypothesis import given
from hypothesis import strategies as st

from fleet.commands import Answer, Read, Write
from fleet.errors import GpudeckError
from fleet.inventory.changes import Move, Restart
from fleet.model import Place
from fleet.planning.plan import Action, Step
from fleet.rollout.events import Outcome
from fleet.rollout.journal import Journal
from fleet.rollout.lock import HostLock, LockedError, LockLostError, kept
from fleet.services.holder import (
    EXPIRES_SECONDS,
    STEP_SECONDS,
    Holder,
    folder,
    holder_text,
    parse_holder,
    parse_look,
    who_holds,
)
from fleet.services.systemd import Systemd

FOLDER = folder("sudo")
ANNA = Holder("1a", "anna@desk", "a", begun=0.0, steps=4)
STOP = Step(2, Action.STOP, "a", "gpu01", "systemd:a.service", (), (Systemd("a.service", "sudo").stop(),))
BOB = Holder("2b", "bob@laptop", "b", begun=0.0, steps=2)


class SlowHost(LockFolders):
    """A host that lets others in between any two commands, in an order of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.uptime = 1000.0

    async def read(self, command: Read, timeout: float = 0) -> Answer:
        await asyncio.sleep(0)
        return self.cat(command.words, self.uptime)

    async def write(self, command: Write, timeout: float = 0) -> Answer:
        await asyncio.sleep(0)
        return self.do(command)

    def lock(self, holder: Holder) -> HostLock:
        return HostLock("gpu01", self, "sudo", holder)

    @property
    def holder(self) -> Holder | None:
        return parse_holder(self.held.get(FOLDER, ""))


@pytest.fixture
def host() -> SlowHost:
    return SlowHost()


async def test_whoever_has_it_is_told_to_everyone(host: SlowHost) -> None:
    lock = host.lock(ANNA)
    await lock.acquire()
    await lock.renew(STOP)
    said, uptime = parse_look((await host.read(who_holds("sudo"))).stdout)
    assert uptime == host.uptime
    assert said == replace(ANNA, step=2, doing="stop a", touching=True, uptime=1000.0)
    assert said.words == "anna@desk (step 2 of 4: a)"
    await lock.release()
    assert host.held == {}


@pytest.mark.parametrize("order", list(permutations([ANNA, BOB, replace(BOB, token="3c", who="eve")])))
async def test_of_several_who_try_at_once_one_has_it(host: SlowHost, order: tuple[Holder, ...]) -> None:
    results = await asyncio.gather(*(host.lock(holder).acquire() for holder in order), return_exceptions=True)
    assert [type(result) for result in results].count(type(None)) == 1
    (winner,) = [holder for holder, result in zip(order, results, strict=True) if result is None]
    assert host.holder and host.holder.token == winner.token
    assert set(host.held) == {FOLDER}


async def test_another_is_refused_with_who_and_since_when(host: SlowHost) -> None:
    await host.lock(ANNA).acquire()
    host.uptime += 200
    with pytest.raises(LockedError, match=r"anna@desk \(step 0 of 4: a\), last heard of 3 min 20 s ago") as error:
        await host.lock(BOB).acquire()
    assert error.value.way_out == (
        "Add --take-over anna@desk to take it over now; "
        "unless it is heard of again, 11 min 40 s from now its lock expires."
    )


async def test_by_the_name_of_its_holder_it_is_taken_over_and_the_holder_finds_out(host: SlowHost) -> None:
    anna, bob = host.lock(ANNA), host.lock(BOB)
    await anna.acquire()
    with pytest.raises(LockedError):
        await bob.acquire(take_over="anna")
    await bob.acquire(take_over="anna@desk")
    with pytest.raises(LockLostError, match="taken over by bob@laptop"):
        await anna.renew(STOP)
    await anna.release()
    assert host.holder and host.holder.who == "bob@laptop"


async def test_in_the_middle_of_a_step_nobody_takes_it_over(host: SlowHost) -> None:
    anna = host.lock(ANNA)
    await anna.acquire()
    await anna.renew(STOP)
    host.uptime += STEP_SECONDS - 1
    with pytest.raises(LockedError, match=r"by anna@desk, in the middle of step 2 of 4 \(stop a\), last") as error:
        await host.lock(BOB).acquire(take_over="anna@desk")
    assert "--take-over anna@desk takes the host over 1 s from now, and 13 min 31 s from now its lock expires" in str(
        error.value
    )
    host.uptime += 2
    await host.lock(BOB).acquire(take_over="anna@desk")


@pytest.mark.parametrize("passes", [EXPIRES_SECONDS + 1, -900.0])
async def test_one_that_expired_or_is_of_before_a_reboot_is_anybodys(host: SlowHost, passes: float) -> None:
    await host.lock(ANNA).acquire()
    host.uptime += passes
    await host.lock(BOB).acquire()
    assert host.holder and host.holder.who == "bob@laptop"


async def test_a_holder_of_several_words_is_named_as_a_shell_takes_it(host: SlowHost) -> None:
    await host.lock(replace(ANNA, who="autopilot of anna@desk")).acquire()
    with pytest.raises(LockedError, match="--take-over 'autopilot of anna@desk' to take it over now"):
        await host.lock(BOB).acquire()


async def test_a_lock_that_the_host_does_not_let_us_take_is_said_to_be_so_with_how_to_remove_it(
    host: SlowHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    await host.lock(ANNA).acquire()
    host.uptime += EXPIRES_SECONDS + 60
    do = host.do

    def refusing(command: Write) -> Answer:
        refuses = command.words[3:6] == ("mv", "-T", FOLDER)
        return Answer(1, "", f"mv: cannot move '{FOLDER}': Operation not permitted") if refuses else do(command)

    monkeypatch.setattr(host, "do", refusing)
    with pytest.raises(GpudeckError, match="last heard of 16 min ago, and that lock cannot be taken: mv") as error:
        await host.lock(BOB).acquire()
    assert f"rm -r {FOLDER}" in error.value.way_out
    assert set(host.held) == {FOLDER}


async def test_a_lock_that_says_nothing_is_told_with_how_to_remove_it(host: SlowHost) -> None:
    host.held[FOLDER] = ""
    with pytest.raises(GpudeckError, match=r"Who has it cannot be read\. .* `rm -r /run/gpudeck-rollout`"):
        await host.lock(BOB).acquire(take_over="anna@desk")


async def test_a_holder_that_lives_is_heard_of_between_two_steps_and_while_another_host_has_its_turn(
    host: SlowHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.rollout.lock.RENEW_SECONDS", 0.0)
    other = SlowHost()
    locks = host.lock(ANNA), other.lock(ANNA)
    for lock in locks:
        await lock.acquire()
    async with kept(locks):
        await locks[0].renew(STOP)
        host.uptime = other.uptime = 1000.0 + 2 * EXPIRES_SECONDS
        for each, touching in ((host, True), (other, False)):
            await until(lambda each=each: each.holder and each.holder.uptime == each.uptime)  # type: ignore[misc]
            assert each.holder
            assert (each.holder.touching, each.holder.step) == (touching, 2 * touching)
        locks[0].rest()
        await until(lambda: host.holder and not host.holder.touching)
    await host.lock(BOB).acquire(take_over="anna@desk")


async def until(holds: Callable[[], object]) -> None:
    for _ in range(10_000):
        if holds():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never became true")


@pytest.mark.parametrize(
    ("passes", "said"),
    [
        (30.0, "is being changed by her."),
        (200.0, "is being changed by her, not heard of for 3 min 20 s."),
        (960.0, "was being changed by her, not heard of for 16 min: its lock expired."),
        (
            -1.0,
            "was being changed by her, not heard of since the host came up: its lock expired.",
        ),
    ],
)
def test_others_are_told_for_how_long_a_holder_was_not_heard_of(passes: float, said: str) -> None:
    sentence = replace(ANNA, uptime=1000.0).sentence("gpu01", 1000.0 + passes)
    assert sentence.replace("anna@desk (step 0 of 4: a)", "her") == f"gpu01 {said}"


def test_of_two_holders_written_at_once_one_is_read() -> None:
    whole = holder_text(replace(ANNA, what="a longer list of models"))
    short = holder_text(BOB)
    assert parse_holder(short + whole[len(short) :]) == BOB


async def test_the_same_rollout_has_it_again_when_it_is_resumed(host: SlowHost) -> None:
    await host.lock(ANNA).acquire()
    await host.lock(replace(ANNA, steps=7)).acquire()
    assert host.holder and host.holder.steps == 7


async def test_two_who_take_over_at_once_are_one(host: SlowHost) -> None:
    await host.lock(ANNA).acquire()
    host.uptime += EXPIRES_SECONDS + 1
    eve = replace(BOB, token="3c", who="eve")
    results = await asyncio.gather(host.lock(BOB).acquire(), host.lock(eve).acquire(), return_exceptions=True)
    assert [type(result) for result in results].count(type(None)) == 1


@given(st.text(max_size=300))
def test_no_file_breaks_the_reader(text: str) -> None:
    parse_holder(text)
    parse_look(text)
    parse_holder(
        '{"token": "a", "who": "b", "what": "c", "begun": 1, "step": 1, "steps": 1, "touching": 1, "uptime":' + text
    )


async def test_a_rollout_that_finds_a_host_locked_does_nothing(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 90)
    lock = HostLock("gpu01", bench.host, "sudo", BOB)
    await lock.acquire()
    result = await bench.run(Restart("a"))
    assert result.outcome is Outcome.FAILED
    assert result.message.startswith("Nothing was done: gpu01 is being changed by bob@laptop")
    assert (bench.host.commands, bench.unfinished()) == ([], None)
    await lock.release()
    assert (await bench.run(Restart("a"))).outcome is Outcome.DONE
    assert bench.host.lock.held == {}


async def test_a_rollout_whose_lock_is_taken_touches_nothing_more(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 90)

    def taken(line: str) -> None:
        if "systemctl stop" in line:
            bench.host.lock.held[FOLDER] = (
                bench.host.lock.held[FOLDER].replace("ops@here", "bob").replace('"token": "', '"token": "x')
            )

    bench.host.before_write = taken
    result = await bench.run(Restart("a"))
    assert result.outcome is Outcome.UNKNOWN
    assert "gpu01 was taken over by bob" in result.message
    assert len(bench.host.commands) == 1
    assert bench.unfinished() is not None


async def test_whoever_is_interrupted_while_locking_leaves_nothing_locked(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 90)
    locking = bench.host.lock.do

    def interrupted(command: Write) -> Answer:
        answer = locking(command)
        if command.words[3] == "mv" and answer.ok:
            bench.host.lock.do = locking  # type: ignore[method-assign]
            raise asyncio.CancelledError
        return answer

    bench.host.lock.do = interrupted  # type: ignore[method-assign]
    with pytest.raises(asyncio.CancelledError):
        await bench.run(Restart("a"))
    assert bench.said("ended") == ["Interrupted; nothing was done."]
    assert (bench.host.lock.held, bench.unfinished()) == ({}, None)


@pytest.mark.parametrize("first", [0, 1])
async def test_of_two_consoles_with_conflicting_drafts_exactly_one_proceeds(bench: Bench, first: int) -> None:
    """Each is on a machine of its own, with a journal of its own."""
    bench.add("a", "gpu01/0", 90)
    bench.add("b", "gpu01/1", 90)
    drafts = [(Move("a", Place.parse("gpu01/2")),), (Move("b", Place.parse("gpu01/2")), Restart("a"))]
    plans = [await bench.plan(*draft) for draft in drafts]
    journals = [Journal(bench.path.parent / name, lambda: bench.clock) for name in ("anna", "bob")]
    rollouts = [
        bench.rollout(plan, journal, operator=who)
        for plan, journal, who in zip(plans, journals, ("anna", "bob"), strict=True)
    ]
    results = await asyncio.gather(rollouts[first].run(), rollouts[1 - first].run())
    assert [result.outcome for result in results] == [Outcome.DONE, Outcome.FAILED]
    assert results[1].message.startswith(f"Nothing was done: gpu01 is being changed by {('anna', 'bob')[first]}")
    assert bench.host.state["ab"[first]][2] == (2,)
    assert (bench.host.state["ab"[1 - first]][2], bench.host.lock.held) == ((1 - first,), {})
    assert all(journal.unfinished() is None for journal in journals)
    for journal in journals:
        journal.close()
