"""What fits where: room on every GPU, what one more model would come to, and which server to buy for it."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace

from console.changing.rebalancing import requests_at
from console.estimating.flag_warnings import flag_warnings, tell
from console.fleets import add_fleet_options, choose_fleet
from console.session import Session
from console.trying import with_trial
from fleet.errors import Exit, UsageError
from fleet.inventory import Inventory
from fleet.model import Model
from fleet.planning.capacity.answer import Capacity, capacity
from fleet.planning.capacity.json import capacity_json
from fleet.planning.capacity.spots import Measured
from fleet.planning.cordons import cordoned
from fleet.readings import Link

_EXAMPLE = "Such as: gpudeck capacity fleet.yaml --add Qwen/Qwen3-32B tp=2 max-model-len=64k"


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``gpudeck capacity``."""
    add_fleet_options(parser)
    parser.add_argument(
        "--add",
        action="extend",
        nargs="+",
        default=[],
        metavar="MODEL",
        help="a model of the fleet or the catalogue, with its arguments behind it: Qwen/Qwen3-32B tp=2 len=64k; "
        "several are answered one by one and all at once",
    )
    parser.add_argument("--buy", action="store_true", help="what a new server of each kind would carry of it")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(options: argparse.Namespace) -> int:
    """Read the hosts and print what there is room for; exit 1 where a model fits nowhere even after a rebalance."""
    inventory = choose_fleet(options)
    models = read_models(options.add, inventory)
    if options.buy and not models:
        raise UsageError("It is not said for which model a server is to be bought.", _EXAMPLE + " --buy")
    tell(flag_warnings(models))
    return asyncio.run(_run(Session(inventory), models, options))


def read_models(words: Iterable[str], inventory: Inventory) -> tuple[Model, ...]:
    """The models of ``--add``: a word without ``=`` begins a model, what follows it are its arguments.

    Raises UsageError.
    """
    texts: list[str] = []
    for word in " ".join(words).split():
        if "=" not in word:
            texts.append(word)
        elif texts:
            texts[-1] += f" {word}"
        else:
            raise UsageError(f"--add {word!r} names no model.", _EXAMPLE)
    models: list[Model] = []
    for text in texts:
        if text.endswith((".yaml", ".yml")):
            raise UsageError(f"--add {text!r} is no model.", f"A fleet file stands before it. {_EXAMPLE}")
        _, model = with_trial(inventory, text)
        again = sum(other.name.partition("?")[0] == model.name.rstrip("?") for other in models)
        models.append(replace(model, name=f"{model.name}{'?' * again}"))
    return tuple(models)


async def _run(session: Session, models: Sequence[Model], options: argparse.Namespace) -> int:
    async with session.watching():
        await session.first_readings()
        _tell_unread(session)
        measured = Measured(
            totals=session.totals,
            starts=session.starts,
            requests=requests_at(session),
            cordoned=cordoned(session.board.snapshots),
        )
        found = await asyncio.to_thread(capacity, session.inventory, models, measured, buying=options.buy)
    _print(found, as_json=options.json)
    return Exit.DONE if all(added.fits for added in found.additions) and _all_placed(found) else Exit.FINDINGS


def _all_placed(found: Capacity) -> bool:
    return found.together is None or not found.together.unplaced


def _tell_unread(session: Session) -> None:
    for snapshot in session.board.snapshots.values():
        if snapshot.link is not Link.LIVE and snapshot.reading is None:
            print(f"gpudeck: {snapshot.reason} It is reckoned as the fleet file says.", file=sys.stderr)


def _print(found: Capacity, *, as_json: bool) -> None:
    if as_json:
        warnings = flag_warnings(added.model for added in found.additions)
        print(json.dumps({**capacity_json(found), "warnings": warnings}, indent=2, ensure_ascii=False))
        return
    from console.capacity_text import capacity_lines

    print("\n".join(capacity_lines(found)))
