"""Changes as the command line writes them: ``--move M=HOST/GPUS --set M.ARG=VALUE --enable M --disable M``."""

from __future__ import annotations

import argparse

from fleet.arguments import argument
from fleet.errors import UsageError
from fleet.inventory import Inventory
from fleet.inventory.changes import Change, Disable, Enable, Move, Restart, Serve, SetArgument
from fleet.model import Model, Place
from fleet.text import clean

_WRITE_SET = "Write it as --set MODEL.ARGUMENT=VALUE."
_SOURCE = "source"
"""What ``--set M.source`` names: the key of the fleet file, and no engine's argument."""


def add_change_options(parser: argparse.ArgumentParser) -> None:
    """Let a command take changes."""
    parser.add_argument("--move", action="append", default=[], metavar="M=HOST/GPUS", help="run a model elsewhere")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="M.ARG=VALUE",
        help="change an argument, or M.source, the checkpoint; an empty value removes an argument",
    )
    parser.add_argument("--enable", action="append", default=[], metavar="M", help="run a disabled model")
    parser.add_argument("--disable", action="append", default=[], metavar="M", help="stop a model and keep it stopped")


def read_changes(options: argparse.Namespace, inventory: Inventory) -> tuple[Change, ...]:
    """The changes the options name: moves first, so that a disabled model can be given a place and enabled at once.

    Raises UsageError with the option's own words.
    """
    _check_agreement(options)
    changes: list[Change] = [_move(text, inventory) for text in options.move]
    changes += [_set(text, inventory) for text in options.set]
    changes += [Enable(_named(name, inventory).name) for name in options.enable]
    changes += [Disable(_named(name, inventory).name) for name in options.disable]
    changes += [Restart(_named(name, inventory).name) for name in getattr(options, "restart", [])]
    return tuple(changes)


def _check_agreement(options: argparse.Namespace) -> None:
    """Raise UsageError where two options say different things of one subject: the last would win unseen."""
    both = [name for name in options.enable if name in options.disable]
    if both:
        raise UsageError(f"{clean(both[0])} is to be enabled and disabled at once.", "Leave one of them out.")
    for option, texts in (("move", options.move), ("set", options.set)):
        subjects = [text.partition("=")[0] for text in texts]
        twice = [subject for subject in subjects if subjects.count(subject) > 1]
        if twice:
            raise UsageError(f"--{option} names {clean(twice[0])} more than once.", "Leave one of them out.")


def _move(text: str, inventory: Inventory) -> Move:
    name, equals, place = text.partition("=")
    if not (name and equals and place):
        lacking = "place" if name else "model"
        raise UsageError(f"--move {text!r} names no {lacking}.", "Write it as --move MODEL=HOST/GPUS.")
    try:
        return Move(_named(name, inventory).name, Place.parse(place))
    except ValueError as error:
        raise UsageError(f"--move {text!r}: {error}.") from None


def _set(text: str, inventory: Inventory) -> SetArgument | Serve:
    subject, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set {text!r} names no value.", _WRITE_SET)
    model, flag = _model_and_flag(subject, inventory)
    if not flag:
        raise UsageError(f"--set {text!r} names no argument.", _WRITE_SET)
    if flag == _SOURCE:
        return Serve(model.name, value)
    try:
        return SetArgument(model.name, flag, argument(model.engine.name, flag).parse(value) if value else None)
    except ValueError as error:
        raise UsageError(f"--set {text!r}: {error}.") from None


def _model_and_flag(subject: str, inventory: Inventory) -> tuple[Model, str]:
    """Model names hold dots themselves, so the longest name that fits is meant; flags seldom do."""
    for model in sorted(inventory.models, key=lambda model: -len(model.name)):
        if subject.startswith(model.name + "."):
            return model, subject[len(model.name) + 1 :].lstrip("-")
    known = any(model.name == subject for model in inventory.models)
    return _named(subject if known else subject.rpartition(".")[0] or subject, inventory), ""


def _named(name: str, inventory: Inventory) -> Model:
    try:
        return inventory.model(name)
    except KeyError:
        names = ", ".join(model.name for model in inventory.models)
        raise UsageError(f"There is no model {name!r} in this fleet.", f"It has {names}.") from None
