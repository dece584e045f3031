"""Carrying changes out from the command line: plan, ask, do, tell."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from console.changing.carrying_out import follow, follow_what_stands, open_journal, rollout_of
from console.changing.confirming import questions
from console.changing.plan_text import OUTSIDE, plan_lines, step_words, wants_name
from console.changing.planning import changes_giving_back, plan_changes
from console.changing.rebalancing import proposal_lines, propose_as_asked, wants_rebalancing
from console.operating import Operating
from console.options import count
from console.session import Session
from fleet.errors import Exit, GpudeckError, UsageError
from fleet.inventory import Inventory
from fleet.inventory.changes import Change
from fleet.planning.plan import Plan
from fleet.planning.window import OUTSIDE_WINDOW
from fleet.rollout.events import Event, Kind, Outcome, Result


def add_apply_options(parser: argparse.ArgumentParser) -> None:
    """Let a command carry out what it plans."""
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--take-over", default="", metavar="WHO", help="take the lock of that operator, who is changing a host"
    )
    parser.add_argument(
        "--max-failures",
        type=count,
        default=1,
        metavar="N",
        help="end when so many models have failed; 1 by default, and always until one has come up well",
    )
    parser.add_argument(
        "--allow-downtime",
        action="append",
        default=[],
        metavar="M",
        help="with --yes: this model may stay down, as typing its name would allow",
    )
    parser.add_argument(
        "--outside-window", action="store_true", help="also while no maintenance window of the fleet file is open"
    )


def apply_changes(inventory: Inventory, changes: Sequence[Change], options: argparse.Namespace) -> int:
    """Plan the changes, show the plan, ask, and carry it out; the exit code."""
    return asyncio.run(_apply(_session(inventory), tuple(changes), None, options))


def apply_plan_file(inventory: Inventory, path: Path, options: argparse.Namespace) -> int:
    """Carry out a plan made before, if the world it was made from has not moved; the exit code."""
    from fleet.planning.json import plan_from_json

    try:
        plan = plan_from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"The plan {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"The plan {path} is not UTF-8 text.", "Make one with `gpudeck plan --json`.") from None
    if plan.fleet != inventory.fleet:
        raise UsageError(f"This plan is for the fleet {plan.fleet}, and this is {inventory.fleet}.")
    return asyncio.run(_apply(_session(inventory), plan.changes, plan, options))


def remove_overlays(inventory: Inventory, options: argparse.Namespace) -> int:
    """Have every model run as the operator's own files say, nothing of ours left on the hosts; the exit code."""
    return asyncio.run(_apply(_session(inventory), None, None, options))


def _session(inventory: Inventory) -> Session:
    return Session(inventory, operating=Operating())


async def _apply(
    session: Session, changes: tuple[Change, ...] | None, made: Plan | None, options: argparse.Namespace
) -> int:
    """Carry these changes out; without any, those that give back what the operator's own files say."""
    async with session.watching():
        await session.first_readings()
        if changes is None:
            changes = await changes_giving_back(session)
        elif made is None and wants_rebalancing(options):
            proposal = await propose_as_asked(session, changes, options)
            print("\n".join(proposal_lines(proposal)), file=sys.stderr)
            if proposal.unplaced:
                raise GpudeckError(
                    f"{' and '.join(proposal.unplaced)} would have no place; nothing was done.",
                    "Disable a model, or make one smaller with --set.",
                )
            changes = proposal.changes
        plan = await plan_changes(session, changes)
        if made is not None and made.world != plan.world:
            raise GpudeckError(
                "The hosts are not as they were when this plan was made.", "Make a new one with `gpudeck plan`."
            )
        if not plan.steps:
            problem = follow_what_stands(session, plan)
            print(problem or "Nothing to restart: what runs is as asked, and the fleet file says so.", file=sys.stderr)
            return Exit.FINDINGS if problem else Exit.DONE
        print("\n".join(plan_lines(plan)), file=sys.stderr)
        _ask(session.inventory, plan, options)
        return _told(session, plan, await _carry_out(session, plan, options))


async def _carry_out(session: Session, plan: Plan, options: argparse.Namespace) -> Result:
    async def may_stop(models: tuple[str, ...]) -> bool:
        if options.yes:
            return True
        question = f"On the way back {', '.join(models)}, serving now, would be stopped. Go back? [y/N] "
        return (await asyncio.to_thread(answer, question)).lower() in ("y", "yes")

    journal = open_journal(session)
    try:
        rollout = rollout_of(
            session,
            plan,
            journal,
            print_event,
            take_over=options.take_over,
            may_stop=may_stop,
            max_failures=options.max_failures,
        )
        return await rollout.run()
    finally:
        journal.close()


def _told(session: Session, plan: Plan, result: Result) -> int:
    problem = follow(session, plan, result)
    if problem:
        print(f"gpudeck: {problem}", file=sys.stderr)
    return Exit.DONE if result.outcome is Outcome.DONE else Exit.FINDINGS


def _ask(inventory: Inventory, plan: Plan, options: argparse.Namespace) -> None:
    """Raises GpudeckError where no maintenance window is open for it, and UsageError where nobody agrees."""
    late = next((finding for finding in plan.findings if finding.code == OUTSIDE_WINDOW), None)
    if late and not options.outside_window:
        raise GpudeckError(f"{late.message} Nothing was done.", "Wait for the next, or add --outside-window.")
    if options.yes:
        missing = [name for name in wants_name(plan) if name not in options.allow_downtime]
        if missing:
            allow = " ".join(f"--allow-downtime {name}" for name in missing)
            raise UsageError(f"{', '.join(missing)} may not serve after this.", f"Add {allow} to accept that.")
        return
    if not sys.stdin.isatty():
        raise UsageError("Nobody can be asked: standard input is no terminal.", "Use --yes.")
    asked = [each for each in questions(plan, inventory) if each.word != OUTSIDE]
    for word, question in asked:
        if answer(f"{question}: ") != word:
            raise UsageError("Not confirmed; nothing was done.")
    if not asked and answer("Carry this out? [y/N] ").lower() not in ("y", "yes"):
        raise UsageError("Not confirmed; nothing was done.")


def answer(question: str) -> str:
    """What is typed in answer to a question on standard error."""
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


def print_event(event: Event) -> None:
    """Tell what a rollout does, a line each, on standard error."""
    match event.kind:
        case Kind.STARTED if event.step:
            line = step_words(event.step)
        case Kind.DONE if event.step:
            line = "      done" + (f": {event.message}" if event.message else "")
        case Kind.FAILED:
            line = f"      failed: {event.message}"
        case Kind.PROGRESS:
            line = f"      {event.message}"
        case _:
            line = event.message
    print(line, file=sys.stderr, flush=True)
