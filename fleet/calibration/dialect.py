"""How one engine talks of its start: the lines that count, as data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from re import Pattern

from fleet.startup import Ending

NUMBER = r"-?\d{1,7}(?:\.\d{1,9})?"
COUNT = r"[\d,]{1,20}"


class Begin(Enum):
    """What a line that begins a start is about."""

    SERVICE = "service"
    """The service manager starts the unit."""
    SERVER = "server"
    """The program begins; it may say so in several lines."""
    ENGINE = "engine"
    """One engine process begins; a second of another name belongs to the same start."""


SERVICE_BEGINS = (Begin.SERVICE, re.compile(r"Start(?:ed|ing) \S+\.service\b"))


@dataclass(frozen=True, slots=True)
class Dialect:
    """The lines of one engine. Named groups of ``facts`` are what they tell:

    of a rank ``weights``, ``activations``, ``non_torch``, ``graphs``, ``cache``, ``peak`` (weights and activations) and
    ``consumed`` (weights and what is beside the tensors), in ``unit``, or exact with ``_bytes`` behind the name; of
    the start ``blocks``, ``tokens``, ``length``, ``concurrency``, ``seconds``, ``plan``, ``planned`` and, in
    ``begins``, ``build``.
    """

    engine: str
    unit: int
    """Bytes of the unit its sizes are in, whatever it calls it."""
    speaker: Pattern[str]
    """What a line says of who speaks: group 1, and 2 where processes of one name are told apart by it."""
    begins: tuple[tuple[Begin, Pattern[str]], ...]
    """At the beginning of a message only: what users send may be logged too, and must not begin a start."""
    facts: tuple[Pattern[str], ...]
    serves: Pattern[str]
    """The last line of a start that came up; what follows is of requests."""
    refusals: tuple[tuple[Ending, Pattern[str]], ...]
    disturbed: Pattern[str]
    adds: bool = False
    """Whether sizes of one name add up, as buffers do, instead of being one size said again."""
    only_named: bool = False
    """Whether a size counts only where its line names a speaker: buffers of the host's memory are no rank's."""
