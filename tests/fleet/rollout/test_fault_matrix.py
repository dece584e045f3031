"""Everything that can go wrong, in the middle of every kind of step: nothing is lost, and both ways out end well.

Two models change places, so the plan holds every kind of step. As its last step of a kind begins, the fault strikes.
Then the operator wants it done, or wants it back: where a rollout is left unfinished, the next console is asked for
that once the fault is over.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple, NoReturn

import pytest
from bench import Bench
from fake_host import LOCK, Killed, PowerLoss

from fleet.errors import GpudeckError
from fleet.inventory.changes import Move
from fleet.model import Handling, Place
from fleet.planning.plan import Action, Step
from fleet.rollout.events import Event, Kind, Outcome, Phase, Result
from fleet.rollout.executor import Rollout
from fleet.rollout.lock import HostLock
from fleet.rollout.restoring import restoring
from fleet.services.holder import EXPIRES_SECONDS, Holder, holder_text

ROUTED = Handling(router_remove="router rm {model}", router_add="router add {model}", warmup="warm {model}")
SWAP = (Move("a", Place.parse("gpu01/0")), Move("b", Place.parse("gpu01/1")))
"""Model a goes back to where its own unit places it, so its overlay is removed; that of b is written."""
BOB = Holder("2b", "bob@laptop", "b", begun=0.0, steps=2)
DAY = 86_400.0
State = dict[str, tuple[bool, str | None, tuple[int, ...]]]
"""Of each model whether it runs, its overlay, its GPUs."""


class Ends(NamedTuple):
    """How it stands before and after the swap."""

    before: State
    after: State


@dataclass
class Cell:
    """One rollout, and what is done to it."""

    bench: Bench
    step: Step | None = None
    """The step that the fault strikes."""

    @property
    def unit(self) -> str:
        assert self.step
        return f"{self.step.model}.service"

    def midway(self, act: Callable[[], object]) -> None:
        """Once, after the next command that the host runs."""

        def strike(line: str) -> None:
            self.bench.host.after_write = lambda _: None
            act()

        self.bench.host.after_write = strike


Strike = Callable[[Cell], None]


# what strikes


def killed(cell: Cell) -> None:
    raise Killed


def killed_midway(cell: Cell) -> None:
    cell.bench.host.fault = (len(cell.bench.host.commands), True, Killed())


def cut_for_seconds(cell: Cell) -> None:
    cell.midway(lambda: cell.bench.host.cut_line(9))


def cut_off(cell: Cell) -> None:
    cell.bench.host.cut_line()


def cut_for_good(cell: Cell) -> None:
    cell.midway(lambda: cell.bench.host.cut_line())


def frozen_for_seconds(cell: Cell) -> None:
    cell.bench.host.freeze(30)


def frozen_for_good(cell: Cell) -> None:
    cell.bench.host.freeze()


def frozen_midway(cell: Cell) -> None:
    cell.midway(cell.bench.host.freeze)


def rebooted(cell: Cell) -> None:
    cell.bench.host.reboot()


def rebooted_midway(cell: Cell) -> None:
    def reboot() -> NoReturn:
        cell.bench.host.reboot()
        raise PowerLoss

    cell.midway(reboot)


def host_disk_full(cell: Cell) -> None:
    cell.bench.host.no_space = True


def host_out_of_inodes(cell: Cell) -> None:
    cell.bench.host.no_steps = cell.bench.host.no_space = True


def console_disk_full(cell: Cell) -> None:
    """The system lets this process write nothing more to any file, for real."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, most))


def _next_start_goes_wrong(cell: Cell) -> None:
    cell.bench.host.faulty_starts = cell.bench.host.units[cell.unit].starts + (cell.step.action != Action.WAIT)  # type: ignore[union-attr]


def start_refused(cell: Cell) -> None:
    cell.bench.host.refuses[cell.unit] = "ValueError: the KV cache is too small."
    _next_start_goes_wrong(cell)


def start_hangs(cell: Cell) -> None:
    cell.bench.host.hangs.add(cell.unit)
    _next_start_goes_wrong(cell)


def start_dies_once_healthy(cell: Cell) -> None:
    cell.bench.host.dies.add(cell.unit)
    _next_start_goes_wrong(cell)


def sudo_asks_a_password(cell: Cell) -> None:
    cell.bench.host.no_root = "sudo: a password is required"


def sudo_is_gone(cell: Cell) -> None:
    cell.midway(lambda: setattr(cell.bench.host, "no_root", "sudo: not found"))


def lock_taken(cell: Cell) -> None:
    cell.bench.host.lock.held[LOCK] = holder_text(BOB)


def lock_taken_midway(cell: Cell) -> None:
    cell.midway(lambda: lock_taken(cell))


def lock_removed(cell: Cell) -> None:
    cell.midway(lambda: cell.bench.host.lock.held.clear())


def host_was_suspended(cell: Cell) -> None:
    cell.midway(lambda: setattr(cell.bench.host, "suspended", DAY))


def console_clock_ahead(cell: Cell) -> None:
    cell.bench.clock += DAY


def console_clock_behind(cell: Cell) -> None:
    cell.bench.clock -= 365 * DAY


# What each comes to by itself, struck in drain, stop, write, remove, start and wait: K killed, D done, R restored,
# F failed, U unknown. The last two leave it unfinished, as a killed console does.
STRIKES: dict[Strike, str] = {
    killed: "KKKKKK",
    killed_midway: "KKKKKK",
    cut_for_seconds: "DDDDDD",
    cut_for_good: "UUUUUU",
    frozen_for_seconds: "DDDDDD",
    frozen_for_good: "UUUUUU",
    frozen_midway: "UUUUUU",
    rebooted: "UUUUUU",
    rebooted_midway: "UUUUUU",
    host_disk_full: "RRRDDD",
    host_out_of_inodes: "FFFFFF",
    console_disk_full: "UUUUUU",
    start_refused: "RRRRRR",
    start_hangs: "RRRRRR",
    start_dies_once_healthy: "RRRRRR",
    sudo_asks_a_password: "FFFFFD",
    sudo_is_gone: "FFFFDD",
    lock_taken: "UUUUUU",
    lock_taken_midway: "UUUUUD",
    lock_removed: "UUUUUD",
    host_was_suspended: "DDDDDD",
    console_clock_ahead: "DDDDDD",
    console_clock_behind: "DDDDDD",
}


def write_again() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def heal(bench: Bench) -> None:
    """Whatever struck is over."""
    host = bench.host
    host.come_back()
    host.no_root, host.no_space, host.no_steps, host.faulty_starts = "", False, False, 0
    host.after_write = lambda _: None
    if "bob" in host.lock.held.get(LOCK, ""):
        host.lock.held.clear()
    write_again()


@pytest.fixture(autouse=True)
def whoever_fails_writes_again() -> Iterator[None]:
    yield
    write_again()


@pytest.fixture
async def swap(bench: Bench) -> Bench:
    """Models a and b are routed, and a has an overlay of ours; c is nobody's business."""
    bench.add("a", "gpu01/0", 150)
    away = Move("a", Place.parse("gpu01/1"))
    (overlay,) = (step.overlay for step in (await bench.plan(away)).steps if step.action is Action.WRITE)
    bench.host.units["a.service"].overlay, bench.host.units["a.service"].gpus = overlay, (1,)
    bench.follow(away)
    bench.add("b", "gpu01/0", 150)
    bench.add("c", "gpu01/3", 150)
    routed = tuple(replace(model, handling=ROUTED) for model in bench.inventory.models)
    bench.inventory = replace(bench.inventory, models=routed)
    return bench


@pytest.fixture
async def ends(swap: Bench) -> Ends:
    before = swap.host.state
    (write,) = (step for step in (await swap.plan(*SWAP)).steps if step.action is Action.WRITE)
    return Ends(before, {"a": (True, None, (0,)), "b": (True, write.overlay, (1,)), "c": before["c"]})


async def struck(bench: Bench, strike: Strike, kind: Action, *, back: bool, phase: Phase = Phase.PLAN) -> Result | None:
    """Carry the swap out until the fault strikes, and then the operator may want it back; None where it was killed.

    What is to be struck on the way back has the operator want that in the last step of the plan.
    """
    cell = Cell(bench)
    plan = await bench.plan(*SWAP)
    targets = plan.steps if phase is Phase.PLAN else restoring(plan, range(len(plan.steps) + 1))
    target = [step for step in targets if step.action is kind][-1]
    journal = bench.journal()

    def watch(event: Event) -> None:
        bench.events.append(event)
        if event.kind is not Kind.STARTED or cell.step is not None:
            return
        hit = (event.phase, event.step) == (phase, target)
        if back and (hit or event.step == plan.steps[-1]):
            rollout.roll_back()
        if hit:
            cell.step = target
            strike(cell)

    rollout: Rollout = bench.rollout(plan, journal, watch)
    try:
        return await rollout.run()
    except Killed:
        return None
    finally:
        assert cell.step, "the step that was to be struck was never begun"
        journal.close()


def check_known(bench: Bench, ends: Ends, result: Result | None) -> None:
    """The journal says how it stands, no overlay is any but the old or the new, and an end leaves no lock of ours."""
    write_again()
    state, is_open = bench.host.state, result is None or result.outcome.is_open
    assert (bench.unfinished() is not None) == is_open
    assert all(state[name][1] in (ends.before[name][1], ends.after[name][1]) for name in state)
    if result is None:
        return
    assert bench.said(Kind.ENDED)[-1] == result.message
    if not is_open:
        assert all(state[name] == (ends.after if name in result.done else ends.before)[name] for name in state)
        assert bench.host.no_root or "ops@here" not in str(bench.host.lock.held)


async def check_ended(bench: Bench, state: State) -> None:
    """It is as it should be, every router knows, nothing of ours is left behind, and the next may come."""
    host = bench.host
    assert (host.state, host.scripts, bench.unfinished()) == (state, {}, None)
    routed = [line.split() for line in host.commands if line.startswith("router")]
    assert "rm" not in {model: verb for _, verb, model in routed}.values()
    host.suspended += EXPIRES_SECONDS  # a lock that nobody was let remove
    await HostLock("gpu01", host, "sudo", BOB).acquire()


async def carry_through(bench: Bench, result: Result | None) -> None:
    """The operator wants it done, by whatever the end leaves to do."""
    if result is None or result.outcome.is_open:
        assert (await bench.resumed()).outcome is Outcome.DONE
    elif result.outcome is not Outcome.DONE:
        bench.follow(*(change for change in SWAP if change.model in result.done))
        left = [change for change in SWAP if change.model not in result.done]
        assert (await bench.run(*left)).outcome is Outcome.DONE


@pytest.mark.parametrize("kind", Action)
@pytest.mark.parametrize("strike", STRIKES)
async def test_it_is_carried_through(swap: Bench, ends: Ends, strike: Strike, kind: Action) -> None:
    result = await struck(swap, strike, kind, back=False)
    assert (result.outcome[0].upper() if result else "K") == STRIKES[strike][list(Action).index(kind)]
    check_known(swap, ends, result)
    heal(swap)
    await carry_through(swap, result)
    await check_ended(swap, ends.after)


@pytest.mark.parametrize("kind", Action)
@pytest.mark.parametrize("strike", STRIKES)
async def test_it_is_taken_back(swap: Bench, ends: Ends, strike: Strike, kind: Action) -> None:
    result = await struck(swap, strike, kind, back=True)
    check_known(swap, ends, result)
    heal(swap)
    if result is None or result.outcome.is_open:
        result = await swap.undone()
    assert result.outcome is Outcome.ROLLED_BACK
    await check_ended(swap, ends.before)


@pytest.mark.parametrize("kind", Action)
@pytest.mark.parametrize("awaits", [lock_taken, sudo_asks_a_password, cut_off, host_out_of_inodes, console_disk_full])
@pytest.mark.parametrize("back", [False, True], ids=["resume", "rollback"])
async def test_whoever_comes_back_to_a_fault_may_come_again(
    swap: Bench, ends: Ends, awaits: Strike, kind: Action, back: bool
) -> None:
    """The console was killed in the middle of the step."""
    assert await struck(swap, killed_midway, kind, back=False) is None
    comes = swap.undone if back else swap.resumed
    awaits(Cell(swap))
    with suppress(GpudeckError):
        result = await comes()
        assert result.outcome.is_open
    heal(swap)
    assert swap.unfinished() is not None
    assert (await comes()).outcome is (Outcome.ROLLED_BACK if back else Outcome.DONE)
    await check_ended(swap, ends.before if back else ends.after)


@pytest.mark.parametrize("kind", [kind for kind in Action if kind is not Action.DRAIN])
@pytest.mark.parametrize(
    "strike", [killed, killed_midway, cut_for_good, rebooted_midway, console_disk_full, sudo_is_gone]
)
@pytest.mark.parametrize("back", [False, True], ids=["resume", "rollback"])
async def test_a_way_back_that_is_struck_is_gone_again_or_forward(
    swap: Bench, ends: Ends, strike: Strike, kind: Action, back: bool
) -> None:
    """It begins in the last step of the plan."""
    result = await struck(swap, strike, kind, back=True, phase=Phase.ROLLBACK)
    check_known(swap, ends, result)
    heal(swap)
    if result is None or result.outcome.is_open:
        result = await (swap.undone() if back else swap.resumed())
        assert result.outcome is (Outcome.ROLLED_BACK if back else Outcome.DONE)
    await check_ended(swap, ends.after if result.outcome is Outcome.DONE else ends.before)
