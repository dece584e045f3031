"""The command line as data: every command with its words and options, taken from the parsers that read them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

from console.cli import COMMANDS, command

_FILES = frozenset({"FILE", "DIR", "FLEET"})


@dataclass(frozen=True, slots=True)
class Argument:
    """One option, or one word, of a command."""

    flags: tuple[str, ...]
    """``-n``, ``--last``; none of a word."""
    value: str
    """What its value is called; empty of an option that takes none."""
    choices: tuple[str, ...]
    """All its values, where they are named."""
    help: str
    optional: bool = False
    """Whether its value may be left out; of a word, whether the word may."""
    repeated: bool = False
    """Whether it takes several values, or may be given again."""

    @property
    def is_file(self) -> bool:
        """Whether its value is a file or a folder."""
        return self.value in _FILES


@dataclass(frozen=True, slots=True)
class Command:
    """One command."""

    name: str
    """Empty of ``gpudeck`` alone."""
    summary: str
    description: str
    words: tuple[Argument, ...]
    options: tuple[Argument, ...]
    usage: tuple[str, ...] = ()
    """How it is called, where its parser does not read all its words."""

    @property
    def synopsis(self) -> tuple[str, ...]:
        """The ways in which it is called: ``gpudeck explain [CODE]``."""
        words = (_shown(word) for word in self.words)
        usual = " ".join(filter(None, ("gpudeck", self.name, *words, "[OPTION…]" if self.options else "")))
        return self.usage or (usual,)


def commands() -> tuple[Command, ...]:
    """Every command in the order of the help, the console first."""
    return (_command("", "the console on a fleet file"), *(_command(*each) for each in COMMANDS.items()))


def _command(name: str, summary: str) -> Command:
    _, parser = command(name or "console")
    found = [_argument(action) for action in _actions(parser)]
    return Command(
        name,
        summary,
        " ".join((parser.description or "").split()),
        tuple(argument for argument in found if not argument.flags),
        tuple(argument for argument in found if argument.flags),
        tuple(line.strip() for line in (parser.usage or "").splitlines()),
    )


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """What a parser was told to read, but ``--help``; argparse has no public name for it."""
    return (action for action in parser._actions if not isinstance(action, argparse._HelpAction))


def _argument(action: argparse.Action) -> Argument:
    takes_none = action.nargs == 0
    choices = tuple(map(str, action.choices)) if action.choices is not None else ()
    name = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    return Argument(
        flags=tuple(action.option_strings),
        value="" if takes_none else "|".join(choices) if choices and action.metavar is None else name,
        choices=choices,
        help=_help(action).replace("%%", "%"),
        optional=action.nargs in ("?", "*"),
        repeated=action.nargs in ("+", "*") or isinstance(action, argparse._AppendAction),
    )


def _help(action: argparse.Action) -> str:
    """What it does; of a command's own commands, what each of them does."""
    if isinstance(action, argparse._SubParsersAction):
        return "; ".join(f"{verb.dest}: {verb.help}" for verb in action._choices_actions)
    return action.help or ""


def _shown(word: Argument) -> str:
    name = f"{word.value}…" if word.repeated else word.value
    return f"[{name}]" if word.optional else name
