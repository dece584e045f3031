"""The commands of the deck's command line: what keys do, and more, by name."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from console.screens.commanding import CommandingScreen
from console.settings import CHOICES
from fleet.errors import UsageError
from fleet.model import GpuId
from widgets.deck import Deck

IN_PAST = frozenset({"go", "zoom", "compare", "findings", "theme", "glyphs", "help", "quit"})
"""Commands that mean something while the deck shows the past."""

Values = Callable[[CommandingScreen], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Command:
    """A word and what it does."""

    word: str
    takes: str
    """What follows the word; empty where nothing does."""
    help: str
    run: Callable[[CommandingScreen, str], None]
    values: Values = lambda _: ()
    """What may follow, for suggestions."""
    operates: bool = False
    """It takes an operator."""

    @property
    def usage(self) -> str:
        """The command in one line."""
        return f"{self.word} {self.takes}".strip() + f": {self.help}"


def run(screen: CommandingScreen, text: str) -> None:
    """Run a command. Raises UsageError where there is none of that word, or it lacks or has too much."""
    word, _, rest = text.partition(" ")
    known = {command.word: command for command in COMMANDS}
    if word in known and word not in IN_PAST and screen.console.rewind.past:
        raise UsageError(screen.console.not_there)
    if word not in known:
        near = get_close_matches(word, known, n=1)
        there = (command.word for command in commands(read_only=screen.session.is_read_only))
        meant = f"Did you mean {near[0]}?" if near else f"There are {', '.join(there)}."
        raise UsageError(f"There is no command {word!r}.", meant)
    command = known[word]
    if bool(command.takes) != bool(rest.strip()):
        raise UsageError(f"{word} takes {command.takes or 'nothing'}.")
    command.run(screen, rest.strip())


def suggestions(screen: CommandingScreen) -> Iterator[str]:
    """Whole command lines, for completion."""
    for command in commands(read_only=screen.session.is_read_only):
        values = list(command.values(screen))
        yield from (f"{command.word} {value}" for value in values) if values else (command.word,)


# what may follow


def _models(screen: CommandingScreen) -> list[str]:
    return [model.name for model in screen.session.drafted().models]


def _gpus(screen: CommandingScreen) -> list[str]:
    return [str(gpu) for gpu in screen.session.inventory.gpu_ids]


def _moves(screen: CommandingScreen) -> Iterator[str]:
    return (f"{model}=" for model in _models(screen))


def _arguments(screen: CommandingScreen) -> Iterator[str]:
    return (f"{model.name}.{flag}=" for model in screen.session.drafted().models for flag in model.args)


def _sources(screen: CommandingScreen) -> Iterable[str]:
    from console.trying import known_sources

    return known_sources(screen.session.drafted())


# what they do


def _go(screen: CommandingScreen, text: str) -> None:
    deck = screen.query_one(Deck)
    found = [(gpu, name) for gpu, name in deck.targets() if text in (str(gpu), name)]
    if not found:
        raise UsageError(f"There is no GPU and no running model {text!r} on the deck.")
    gpu, name = found[0]
    deck.go_to(gpu, name if name == text else None)


def _zoom(screen: CommandingScreen, text: str) -> None:
    screen.console.open_detail(_gpu(screen, text))


def _without(screen: CommandingScreen, text: str) -> None:
    _check_present(screen)
    screen.console.open_rebalance(frozenset({_gpu(screen, text)}))


def _gpu(screen: CommandingScreen, text: str) -> GpuId:
    try:
        gpu = GpuId.parse(text)
    except ValueError as error:
        raise UsageError(f"{error}.") from None
    if gpu not in screen.session.inventory.gpu_ids:
        raise UsageError(f"There is no GPU {text!r} in this fleet.")
    return gpu


def _named(screen: CommandingScreen, name: str) -> str:
    if name not in _models(screen):
        raise UsageError(f"There is no model {name!r} in this fleet.", f"It has {', '.join(_models(screen))}.")
    return name


def _logs(screen: CommandingScreen, name: str) -> None:
    screen.console.open_logs(_named(screen, name))


def _edit(screen: CommandingScreen, name: str) -> None:
    if screen.changeable(_named(screen, name)):
        screen.console.open_edit(name)


def _try(screen: CommandingScreen, text: str) -> None:
    _check_present(screen)
    screen.try_model(text)


def _check_present(screen: CommandingScreen) -> None:
    if screen.console.rewind.past:
        back = screen.key("past.present")
        raise UsageError("This is the past: what-if is asked of now.", f"{back} goes back to now.")


def _compare(screen: CommandingScreen, text: str) -> None:
    names = text.split()
    if len(names) != 2 or names[0] == names[1]:
        raise UsageError("compare takes two models: compare A B.")
    screen.console.open_compare(*(_named(screen, name) for name in names))


def _pairs(screen: CommandingScreen) -> Iterator[str]:
    """The model under the cursor with every other; any other is only named, for pairs of many are too many."""
    here, names = screen.query_one(Deck).model, _models(screen)
    yield from (f"{here} {other}" for other in names if here and other != here)
    yield from names


def _clear(screen: CommandingScreen, _: str) -> None:
    screen.session.clear()
    screen.show_state()


def _staging(option: str) -> Callable[[CommandingScreen, str], None]:
    """Stage the change that this option of the command line would be, where its model may be changed."""

    def stage(screen: CommandingScreen, text: str) -> None:
        from console.changing.drafting import read_changes

        words = {"move": [], "set": [], "enable": [], "disable": [], "restart": [], option: [text]}
        try:
            changes = read_changes(Namespace(**words), screen.session.drafted())
        except UsageError as error:  # its sentences are of the command line's options
            raise UsageError(
                *(part.replace(f"--{option}", option) for part in (error.message, error.way_out))
            ) from None
        if all(screen.changeable(change.model) for change in changes):
            screen.console.stage(*changes)

    return stage


def _alerts(screen: CommandingScreen) -> list[str]:
    alerts = screen.console.alerts
    return [alert.key for alert in alerts.standing] if alerts else []


def _acknowledge(screen: CommandingScreen, text: str) -> None:
    """``RULE SUBJECT``, and until when: ``2h``, ``18:00``; an hour where that is not said."""
    from console.alerts.until import HOUR, until
    from console.history.text import clock

    alerts, operating = screen.console.alerts, screen.session.operating
    if alerts is None:
        raise UsageError("The fleet file has no alerts.")
    key, _, last = (text, "", HOUR) if text in _alerts(screen) else text.rpartition(" ")
    at = until(last, time.time())
    operating.acknowledge(alerts, key, at)
    screen.console.tell(f"{key}: nobody is told until {clock(at)}.", "good")


def _autopilot(screen: CommandingScreen, _: str) -> None:
    from console.autopilot.proposing import records_words

    if screen.session.inventory.autopilot is None:
        raise UsageError("The fleet file leaves nothing to the autopilot.")
    screen.console.tell(records_words(screen.session))


def _rollouts(screen: CommandingScreen, _: str) -> None:
    screen.session.operating.open_rollouts(screen.console)


def _reload(screen: CommandingScreen, _: str) -> None:
    screen.console.hear(screen.console.fleet_file.reload())


def _pressing(action: str) -> Callable[[CommandingScreen, str], None]:
    """Do what a key does."""
    return lambda screen, _: getattr(screen, f"action_{action}")()


def _setting(name: str, help: str) -> Command:
    words = next(choice.words for choice in CHOICES if choice.name == name)

    def look(screen: CommandingScreen, word: str) -> None:
        if word not in words:
            raise UsageError(f"{name} is one of {', '.join(words)}.")
        chosen: dict[str, Any] = {name: word}
        screen.console.look(replace(screen.console.settings, **chosen))

    return Command(name, "NAME", help, look, lambda _: words)


COMMANDS = (
    Command("go", "GPU|MODEL", "put the cursor there", _go, lambda screen: [*_gpus(screen), *_models(screen)]),
    Command("zoom", "GPU", "show it and its models in every detail", _zoom, _gpus),
    Command("logs", "MODEL", "its last log lines", _logs, _models),
    Command("compare", "MODEL MODEL", "show two models side by side", _compare, _pairs),
    Command("edit", "MODEL", "edit its arguments", _edit, _models),
    Command("move", "MODEL=HOST/GPUS", "stage running it there", _staging("move"), _moves),
    Command("set", "MODEL.ARGUMENT=VALUE", "stage another value; none removes it", _staging("set"), _arguments),
    Command("enable", "MODEL", "stage running it", _staging("enable"), _models),
    Command("disable", "MODEL", "stage stopping it for good", _staging("disable"), _models),
    Command("restart", "MODEL", "stage a restart", _staging("restart"), _models),
    Command("try", "MODEL [ARGUMENT=VALUE …]", "carry a model that nobody serves yet; never staged", _try, _sources),
    Command("without", "GPU", "what if it were gone: new places, what fits nowhere, findings", _without, _gpus),
    Command("ack", "ALERT [UNTIL]", "tell nobody of it for an hour, for 2h, until 18:00", _acknowledge, _alerts, True),
    Command("findings", "", "go through the findings", _pressing("findings")),
    Command("autopilot", "", "whether it may act, and what it did last", _autopilot),
    Command("plan", "", "turn the draft into ordered steps", _pressing("plan")),
    Command("rollouts", "", "what was rolled out, step by step", _rollouts, operates=True),
    Command("undo", "", "take the last change of the draft back", _pressing("undo")),
    Command("redo", "", "stage it again", _pressing("redo")),
    Command("clear", "", "throw the draft away; redo brings it back", _clear),
    Command("reload", "", "take the fleet file as it is now; the draft stays over it", _reload),
    _setting("theme", "take other colours until you leave; the settings file keeps them"),
    _setting("glyphs", "take other signs until you leave"),
    Command("help", "", "all keys and commands", _pressing("help")),
    Command("quit", "", "leave; nothing on the hosts changes", _pressing("quit")),
)
"""Every command, in the order of the help."""


def commands(*, read_only: bool = False) -> tuple[Command, ...]:
    """The commands there are; where gpudeck is read-only, those that take no operator."""
    return tuple(command for command in COMMANDS if not (read_only and command.operates))
