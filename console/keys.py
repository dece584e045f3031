"""The one table of keys: code, footer, help and documents are made from it."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from textual.binding import Binding
from textual.keys import KEY_NAME_REPLACEMENTS, Keys, key_to_character


class Where(StrEnum):
    """On which screen, or in which of its modes, a key means something."""

    DECK = "deck"
    CARRYING = "carrying"
    PAST = "past"
    OVERVIEW = "overview"
    DIFFERENCE = "difference"
    FINDINGS = "findings"
    EDIT = "edit"
    LOGS = "logs"
    DETAIL = "detail"
    COMPARE = "compare"
    REBALANCE = "rebalance"
    PLAN = "plan"
    ROLLOUT = "rollout"
    ROLLOUTS = "rollouts"
    RECORD = "record"
    HELP = "help"
    WALL = "wall"


@dataclass(frozen=True, slots=True)
class Key:
    """One thing a key does somewhere."""

    where: Where
    keys: str
    """As Textual names them, separated by commas; the first is shown."""
    action: str
    """The action of the screen."""
    label: str
    """One or two words, for the footer."""
    help: str
    """A sentence, for the help."""
    hint: bool = True
    """Shown in the footer."""
    changes: bool = False
    """It stages something or carries something out: it is refused while the past is shown."""
    operates: bool = False
    """It takes an operator, as all that is done in `OPERATORS_PLACES` does: a viewer's console leaves it out."""

    @property
    def id(self) -> str:
        """Unique and stable, for remapping."""
        return f"{self.where}.{self.action.partition('(')[0]}" + (
            "." + self.action.partition("(")[2].strip("')\"") if "(" in self.action else ""
        )

    @property
    def shown(self) -> str:
        """The key as people call it."""
        return self.all_shown[0]

    @property
    def all_shown(self) -> tuple[str, ...]:
        """All keys that do it, as people call them."""
        return tuple(_SHOWN.get(key) or key_to_character(key) or key for key in self.keys.split(","))


_SHOWN = {
    "escape": "esc",
    "space": "space",
    "slash": "/",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "pageup": "pgup",
    "pagedown": "pgdn",
    "tab": "tab",
}

D, C, P, R, V = Where.DECK, Where.CARRYING, Where.PLAN, Where.ROLLOUT, Where.OVERVIEW

_REWINDING = (
    ("left_square_bracket", "rewind(-1)", "back", "a step back in what was recorded"),
    ("right_square_bracket", "rewind(1)", "forth", "a step forth, up to now"),
    ("left_curly_bracket", "event(-1)", "event before", "go back to the event before"),
    ("right_curly_bracket", "event(1)", "event after", "go on to the next event"),
    ("t", "time", "go to", "go to a time: 14:05, 11-20 14:05, -10m; or compare two: 14:05..-10m"),
    ("d", "difference", "difference", "what changed in the last hour, or since the time shown"),
)

KEYS: tuple[Key, ...] = (
    *(
        Key(where, way, f"go('{way}')", way, help, hint=False)
        for where, help in ((D, "move the cursor"), (C, "carry the model to another GPU"))
        for way in ("left", "right", "up", "down")
    ),
    Key(
        D, "m", "carry", "move", "pick the model up, or all that are marked, and carry it to another GPU", changes=True
    ),
    Key(D, "space", "mark", "mark", "mark the model, or take its mark away; m, r and x take all marked", hint=False),
    Key(D, "escape", "unmark", "unmark", "take all marks away; with none, the hints for the first minutes", hint=False),
    Key(D, "e", "edit", "edit", "edit the model's arguments, estimated as you type", changes=True),
    Key(D, "r", "restart", "restart", "stage a restart of the model", changes=True),
    Key(D, "x", "enable", "enable/disable", "stage enabling or disabling the model", hint=False, changes=True),
    Key(D, "l", "logs", "logs", "show the model's last log lines"),
    Key(D, "f", "findings", "findings", "go through the findings; enter stages a fix"),
    Key(
        D,
        "b",
        "rebalance",
        "rebalance",
        "look for a placement in which everything fits, with the fewest restarts",
        hint=False,
        changes=True,
    ),
    Key(
        D,
        "E",
        "evacuate",
        "evacuate",
        "look for other places for everything on the GPU, and say what its loss would come to",
        hint=False,
        changes=True,
    ),
    Key(D, "p", "plan", "plan", "turn the draft into ordered steps", changes=True),
    Key(D, "u", "undo", "undo", "take the last change of the draft back", changes=True),
    Key(D, "U", "redo", "redo", "stage it again", hint=False, changes=True),
    Key(D, "v", "now_after", "now/after", "show the placement now, or after the draft", hint=False),
    *(Key(D, str(n), f"gpu({n - 1})", "GPU", "go to the first GPU, the second …", hint=False) for n in range(1, 9)),
    Key(D, "n", "trouble", "next trouble", "go to the next model that failed or stopped, and say why", hint=False),
    Key(D, "z", "zoom", "zoom", "show the GPU and its models in every detail", hint=False),
    Key(D, "C", "compare", "compare", "show two models side by side: the marked ones, or this and another", hint=False),
    Key(D, "o", "overview", "overview", "the whole fleet at once, a cell for each GPU", hint=False),
    *(
        Key(where, key, f"host({step})", f"{which} host", f"go to the {which} host", hint=False)
        for where in (D, C)
        for key, step, which in (("pageup", -1, "previous"), ("pagedown", 1, "next"))
    ),
    Key(D, "slash", "filter", "filter", "dim what a filter leaves out: role=chat & est>90 | !healthy", hint=False),
    Key(D, "colon", "command", "command", "type a command: go, move, set, logs, theme …", hint=False),
    Key(D, "semicolon", "jump", "jump", "show a letter at every model; press one to go there", hint=False),
    *(
        Key(V, way, f"go('{way}')", way, "move the cursor over the GPUs", hint=False)
        for way in ("left", "right", "up", "down")
    ),
    *(
        Key(V, key, f"page({step})", "page", "move the cursor by a screen", hint=False)
        for key, step in (("pageup", -1), ("pagedown", 1))
    ),
    Key(V, "enter", "open", "deck", "go to this GPU on the deck of its host"),
    Key(V, "v", "value(1)", "figure", "next figure: memory, estimate, headroom, temperature, power, KV cache"),
    Key(V, "V", "value(-1)", "figure before", "the figure before", hint=False),
    Key(V, "w", "worst", "worst", "go to the worst GPU by this figure; again, to the next worst"),
    Key(V, "s", "order", "sort", "hosts with the worst GPUs first, as they are now; again, the fleet file's order"),
    Key(V, "z", "zoom(1)", "zoom", "larger: cells, names, figures, the deck"),
    Key(V, "Z", "zoom(-1)", "smaller", "smaller", hint=False),
    Key(V, "slash", "filter", "filter", "leave out what a filter does not match, as on the deck"),
    Key(V, "question_mark", "help", "help", "this help", hint=False),
    Key(V, "escape,o", "close", "back", "take the filter away; then back to the deck"),
    Key(Where.PAST, "escape", "present", "now", "back to now"),
    *(Key(where, *row, hint=where is not D) for where in (D, Where.PAST) for row in _REWINDING),
    Key(Where.DIFFERENCE, "w", "window", "1h/1d/1w", "what changed in the last hour, day or week"),
    Key(Where.DIFFERENCE, "escape,d", "close", "back", "back to the deck"),
    Key(D, "question_mark", "help", "help", "this help"),
    Key(D, "q", "quit", "quit", "leave; nothing on the hosts changes"),
    Key(C, "n", "next_fit(1)", "next fit", "go to the next GPU it fits on"),
    Key(C, "N", "next_fit(-1)", "previous fit", "go to the previous GPU it fits on", hint=False),
    Key(C, "f", "best_fit", "best fit", "go to the GPU with the most room left after it, and say why"),
    Key(C, "enter", "drop", "stage here", "stage the move to this GPU"),
    Key(C, "s", "swap", "swap", "stage changing places with the model here, where both would start", hint=False),
    Key(C, "escape", "put_back", "put back", "put the model back where it was"),
    *(
        Key(Where.FINDINGS, way, f"go({step})", way, "go through findings and fixes", hint=False)
        for way, step in (("up", -1), ("down", 1))
    ),
    Key(Where.FINDINGS, "enter", "stage_fix", "stage the fix", "stage the chosen fix", changes=True),
    Key(Where.FINDINGS, "escape", "close", "back", "back to the deck"),
    Key(Where.EDIT, "enter", "stage", "stage", "stage everything that is typed"),
    *(
        Key(Where.EDIT, way, f"step({step})", "change", "change the value by a step", hint=False)
        for way, step in (("left", -1), ("right", 1))
    ),
    Key(Where.EDIT, "f", "fit", "fit", "smallest utilization, longest length or most sequences it starts with"),
    Key(Where.EDIT, "up,shift+tab", "go(-1)", "previous", "previous argument", hint=False),
    Key(Where.EDIT, "down,tab", "go(1)", "next", "next argument", hint=False),
    Key(Where.EDIT, "escape", "close", "back", "back without staging what is typed"),
    Key(Where.LOGS, "slash", "search", "search", "look for a text; what is typed is set off at once"),
    Key(Where.LOGS, "n", "match(1)", "next", "the next line that has it", hint=False),
    Key(Where.LOGS, "N", "match(-1)", "previous", "the line before that has it", hint=False),
    Key(Where.LOGS, "e", "error(-1)", "error", "the newest error, then the one before"),
    Key(Where.LOGS, "E", "error(1)", "next error", "the next error", hint=False),
    Key(Where.LOGS, "space", "pause", "hold", "hold the lines still, or follow again"),
    Key(Where.LOGS, "w", "wrap", "wrap", "wrap long lines, or cut them"),
    Key(Where.LOGS, "o", "older", "older", "read further back"),
    *(
        Key(Where.LOGS, way, f"scroll({rows})", way, "move through the lines; at the end they are followed", hint=False)
        for way, rows in (("up", -1), ("down", 1))
    ),
    *(
        Key(Where.LOGS, way, f"page({step})", way, "move by a page", hint=False)
        for way, step in (("pageup", -1), ("pagedown", 1))
    ),
    Key(Where.LOGS, "home", "home", "oldest", "to the oldest line that was read", hint=False),
    Key(Where.LOGS, "end", "end", "newest", "to the newest line, and follow", hint=False),
    Key(Where.LOGS, "escape", "close", "back", "back to the deck"),
    Key(Where.DETAIL, "w", "window", "1h/1d/1w", "show what was recorded over an hour, a day or a week"),
    Key(Where.DETAIL, "l", "logs", "logs", "show the log of the model the cursor was on, or of the first one"),
    Key(Where.DETAIL, "C", "compare", "compare", "show its models side by side, or its model and another"),
    Key(Where.DETAIL, "escape,z", "close", "back", "back to the deck"),
    Key(Where.COMPARE, "n", "next(1)", "next", "compare the left one with the next model"),
    Key(Where.COMPARE, "N", "next(-1)", "previous", "compare the left one with the model before", hint=False),
    Key(Where.COMPARE, "x", "swap", "swap", "let the two change sides"),
    Key(Where.COMPARE, "escape,C", "close", "back", "back"),
    Key(Where.REBALANCE, "enter", "take", "stage", "end the search with the best so far; then stage it"),
    Key(Where.REBALANCE, "c", "take_offer", "checkpoints", "stage the checkpoints offered, and what moves then"),
    Key(Where.REBALANCE, "escape", "close", "back", "back to the deck; nothing is staged"),
    Key(P, "enter,a", "apply", "apply", "carry the plan out", changes=True, operates=True),
    Key(P, "y", "copy", "copy commands", "copy the commands to the clipboard"),
    Key(P, "escape", "close", "back", "back to the deck; the draft stays"),
    Key(R, "space", "pause", "pause", "pause after this step, or go on"),
    Key(R, "s", "single_step", "single step", "carry out one more step, then pause"),
    Key(R, "R", "roll_back", "roll back", "restore what was running before"),
    Key(R, "x", "leave", "leave", "after this step leave everything as it stands then; carry it on or undo it later"),
    Key(R, "escape", "close", "back", "back to the deck once it has ended"),
    *(
        Key(Where.ROLLOUTS, way, f"go({step})", way, "go through the rollouts", hint=False)
        for way, step in (("up", -1), ("down", 1))
    ),
    Key(Where.ROLLOUTS, "enter", "open", "open", "show it, step by step"),
    Key(Where.ROLLOUTS, "escape", "close", "back", "back to the deck"),
    Key(Where.RECORD, "enter", "carry_on", "carry on", "carry on a rollout that did not end", changes=True),
    Key(
        Where.RECORD, "R", "roll_back", "roll back", "restore what was before a rollout that did not end", changes=True
    ),
    Key(Where.RECORD, "A", "accept", "accept", "end a rollout that did not, and leave all as it stands", changes=True),
    Key(Where.RECORD, "escape", "close", "back", "back; nothing on the hosts changes"),
    Key(Where.HELP, "escape,question_mark,q", "close", "back", "back"),
    Key(Where.WALL, "q", "quit", "quit", "leave"),
)

_AS_USUAL: Mapping[str, str] = MappingProxyType({})


OPERATORS_PLACES = frozenset({Where.ROLLOUT, Where.ROLLOUTS, Where.RECORD})
"""Where only an operator comes to."""


def keys(where: Where, *, changed: Mapping[str, str] = _AS_USUAL, read_only: bool = False) -> tuple[Key, ...]:
    """The keys that mean something there, in the table's order; with other keys for the bindings of these ids.

    Where gpudeck is read-only, those that take an operator mean nothing.
    """
    here = (key for key in KEYS if key.where is where and not (read_only and _takes_operator(key)))
    return tuple(replace(key, keys=changed.get(key.id, key.keys)) for key in here)


def _takes_operator(key: Key) -> bool:
    return key.operates or key.where in OPERATORS_PLACES


def key_of(id: str, changed: Mapping[str, str] = _AS_USUAL) -> str:
    """The key that does what has this id, as people call it, for sentences; with other keys for these ids."""
    key = next(key for key in KEYS if key.id == id)
    return replace(key, keys=changed.get(id, key.keys)).shown


def bindings(*places: Where) -> list[Binding]:
    """The keys of those places as Textual bindings, each with its id."""
    return [Binding(key.keys, key.action, key.label, id=key.id, show=False) for where in places for key in keys(where)]


def key_name(text: str) -> str | None:
    """A key as Textual names it, from its name or its character; None where no keyboard sends it."""
    *modifiers, last = text.split("+") if text.strip("+") else (text,)
    if not set(modifiers) <= {"ctrl", "alt", "shift"}:
        return None
    if len(last) == 1 and not last.isalnum():
        last = _name_of(last)
    known = len(last) == 1 or last in _NAMED or key_to_character(last) is not None
    return "+".join((*modifiers, last)) if last and known else None


_NAMED = frozenset({key.value for key in Keys} | set(KEY_NAME_REPLACEMENTS.values()))


def _name_of(sign: str) -> str:
    """The name of a sign that is no letter and no digit; empty where it has none."""
    if sign == " ":
        return "space"
    name = unicodedata.name(sign, "").lower().replace("-", "_").replace(" ", "_")
    return KEY_NAME_REPLACEMENTS.get(name, name)
