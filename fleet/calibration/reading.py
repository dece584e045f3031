"""From a log to the starts in it: whose line it is, which start it belongs to, what it tells."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from re import Pattern

from fleet.calibration.dialect import Begin, Dialect
from fleet.calibration.llama_cpp import LLAMA_CPP
from fleet.calibration.sglang import SGLANG
from fleet.calibration.vllm import VLLM
from fleet.startup import Ending, RankStart, Size, Startup
from fleet.text import clean

LINE_CHARACTERS = 2000
LINES = 20_000
"""What is looked at of a line, and of a log from its beginning: starts are there, and requests after them."""
SPEAKERS = 1024
"""Ranks of one start that are told apart."""
DIALECTS = {dialect.engine: dialect for dialect in (VLLM, LLAMA_CPP, SGLANG)}
"""The engines whose start-up lines are known, by name."""
_STAMPED = re.compile(r"\[ *(?P<at>\d{1,10}\.\d{1,9})\] \S{1,255} \S{1,255}?(?:\[\d{1,9}\])?: (?P<said>.*)")
"""A line of ``journalctl -o short-monotonic``: seconds since boot, host, program."""
_PREFIX = re.compile(
    r"(?:\([^()]{1,80}\) )?"  # the process
    r"(?:[A-Z]{4,8}:? )?(?:\d\d-\d\d \d\d:\d\d:\d\d )?(?:\[?[\w./-]{1,80}:\d{1,6}\] )?"  # vLLM's loggers
    r"(?:\[\d{4}-\d\d-\d\d [^\]]{1,60}\] )?"  # SGLang's
    r"(?:\d[\d.]{3,20} [A-Z] )?"  # llama.cpp's
)
"""What comes before a message."""
_PLACE = re.compile(r"(DP|PP|TP|rank=)(\d{1,5})")
_SUMS = {"peak": ("weights", "activations"), "consumed": ("weights", "non_torch")}


def speaks(engine: str) -> bool:
    """Whether the start-up lines of that engine are known."""
    return engine in DIALECTS


def read_starts(engine: str, log: str | Iterable[str]) -> tuple[Startup, ...]:
    """Every start in a log, oldest first; empty for an engine whose lines are not known.

    Lines may carry the time of ``journalctl -o short-monotonic``, and anything may stand between them. Never raises:
    what makes no sense is left out, and of a log that does not end only the beginning is looked at.
    """
    dialect = DIALECTS.get(engine)
    if dialect is None:
        return ()
    lines = log.splitlines() if isinstance(log, str) else log
    drafts = [_Draft(dialect)]
    for line in islice(lines, LINES):
        at, said = stamped(clean(line, LINE_CHARACTERS))
        if drafts[-1].is_another(said):
            drafts.append(_Draft(dialect))
        drafts[-1].take(at, said)
    return tuple(draft.startup() for draft in drafts if draft.says_anything)


def last_complete(starts: Iterable[Startup]) -> Startup | None:
    """The newest start that came up; None where none did."""
    return next((start for start in reversed(tuple(starts)) if start.ending is Ending.STARTED), None)


def stamped(line: str) -> tuple[float | None, str]:
    """The time a line carries, in seconds since the host's boot, and what was said; None where it carries none."""
    match = _STAMPED.fullmatch(line)
    return (float(match["at"]), match["said"]) if match else (None, line)


def message_begins(said: str) -> int:
    """Where the message of a line begins, behind what the engine's logger puts before it."""
    prefix = _PREFIX.match(said)
    return prefix.end() if prefix else 0


@dataclass(slots=True)
class _Rank:
    """What one speaker said so far."""

    sizes: dict[str, Size] = field(default_factory=dict)

    def take(self, name: str, size: Size, *, adds: bool) -> None:
        """A size said again counts where it is said more exactly; the first of those said alike is the model's own."""
        known = self.sizes.get(name)
        if known is None or (not adds and size.within < known.within):
            self.sizes[name] = size
        elif adds:
            self.sizes[name] = known + size

    def start(self, speaker: str) -> RankStart:
        found = dict(self.sizes)
        for whole, (part, rest) in _SUMS.items():
            size = found.pop(whole, None)
            if size and part in found and rest not in found:
                found[rest] = size - found[part]
        return RankStart(speaker, **found)


class _Draft:
    """A start while its lines come in."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._begun: set[tuple[Begin, str]] = set()
        self._ranks: dict[tuple[str, str], _Rank] = {}
        self._told: dict[str, float] = {}
        self._build = self._plan = self._sentence = ""
        self._seconds: dict[Pattern[str], float] = {}
        """Of each kind of line that tells a time, the slowest rank's."""
        self._ending = Ending.UNFINISHED
        self._disturbed = self._planned = False
        self._times: list[float] = []
        """When it began, and when it ended or last said something that counts."""

    @property
    def says_anything(self) -> bool:
        return bool(self._ranks or self._build or self._ending is not Ending.UNFINISHED)

    def is_another(self, said: str) -> bool:
        """Whether a line begins a start after this one."""
        for begin, pattern in self._dialect.begins:
            if pattern.match(said, message_begins(said)):
                again = (begin, self._speaker(said)[0]) in self._begun
                progressed = bool(self._ranks) or self._ending is not Ending.UNFINISHED
                return progressed and (again or begin is Begin.SERVICE or self._ending is not Ending.UNFINISHED)
        return False

    def take(self, at: float | None, said: str) -> None:
        """A line of this start; once it serves, what its log says is of requests."""
        if self._ending is Ending.STARTED:
            return
        counts = self._begins(said) | self._tells(said) | self._ends(said)
        if at is not None and (counts or not self._times):
            self._times = [*self._times[:1], at]

    def _begins(self, said: str) -> bool:
        for begin, pattern in self._dialect.begins:
            if match := pattern.match(said, message_begins(said)):
                self._begun.add((begin, self._speaker(said)[0]))
                self._build = self._build or match.groupdict().get("build") or ""
                return True
        return False

    def _tells(self, said: str) -> bool:
        found = [match for pattern in self._dialect.facts if (match := pattern.search(said))]
        for match in found:
            for name, text in match.groupdict().items():
                if text is not None:
                    self._learn(name, text, said, match.re)
        return bool(found)

    def _learn(self, name: str, text: str, said: str, pattern: Pattern[str]) -> None:
        match name:
            case "plan":
                self._plan = text
            case "planned":
                self._planned = True
            case "seconds":
                self._seconds[pattern] = max(float(text), self._seconds.get(pattern, 0.0))
            case "blocks" | "tokens" | "length" | "concurrency":
                number = float(text.replace(",", "") or 0)
                self._told[name] = min(number, self._told.get(name, number))
            case _:
                self._measure(name, text, self._speaker(said))

    def _measure(self, name: str, text: str, speaker: tuple[str, str]) -> None:
        exact = name.endswith("_bytes")
        size = Size(int(text)) if exact else printed(text, self._dialect.unit)
        name = name.removesuffix("_bytes")
        known = speaker in self._ranks or len(self._ranks) < SPEAKERS
        if size.bytes >= 0 and known and (speaker[0] or not self._dialect.only_named):
            self._ranks.setdefault(speaker, _Rank()).take(name, size, adds=self._dialect.adds)

    def _ends(self, said: str) -> bool:
        dialect = self._dialect
        if dialect.disturbed.search(said):
            self._disturbed = True
        for ending, pattern in dialect.refusals:
            if match := pattern.search(said):
                if not self._sentence:
                    self._ending, self._sentence = ending, clean(match[0], 600)
                return True
        if dialect.serves.search(said) and not self._sentence:
            self._ending = Ending.STARTED
            return True
        return False

    def _speaker(self, said: str) -> tuple[str, str]:
        match = self._dialect.speaker.search(said)
        if match is None:
            return "", ""
        return match[1].strip(), match[2] if match.re.groups > 1 else ""

    def startup(self) -> Startup:
        told = self._told
        ranks = sorted(self._ranks.items(), key=lambda rank: _place(rank[0][0]))
        return Startup(
            engine=self._dialect.engine,
            ending=self._ending,
            build=clean(self._build, 60),
            ranks=tuple(rank.start(name) for (name, _), rank in ranks),
            cache_blocks=int(told["blocks"]) if "blocks" in told else None,
            cache_tokens=int(told["tokens"]) if "tokens" in told else None,
            max_model_len=int(told["length"]) if "length" in told else None,
            max_concurrency=told.get("concurrency"),
            sentence=self._sentence,
            disturbed=self._disturbed,
            began=self._times[0] if self._times else None,
            ended=self._times[-1] if self._times else None,
            said_seconds=sum(self._seconds.values()) if self._seconds else None,
            planned=self._planned,
            plan_path=self._plan,
        )


def printed(text: str, unit: int) -> Size:
    """The bytes of a printed number of units, and half a unit of its last digit."""
    decimals = len(text.partition(".")[2])
    return Size(round(float(text) * unit), -(-unit // (2 * 10**decimals)))


def _place(speaker: str) -> tuple[int, int, int]:
    """Where a rank stands among the others: by data, pipeline, then tensor rank."""
    said = {name: int(number) for name, number in _PLACE.findall(speaker)}
    return said.get("DP", 0), said.get("PP", 0), said.get("TP", said.get("rank=", 0))
