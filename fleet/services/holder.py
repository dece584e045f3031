"""Who is changing a host: what the lock on it says, and the command that reads it."""

from __future__ import annotations

import json
import math
import shlex
from dataclasses import asdict, dataclass

from fleet.commands import Read
from fleet.text import clean
from fleet.units import duration

EXPIRES_SECONDS = 900.0
"""Age at which a lock that nobody renews is anybody's."""
STEP_SECONDS = 90.0
"""Age at which a step cannot be under way any more: its commands renew the lock on the host, more often than that."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who is changing a host."""

    token: str
    """Of the rollout; the same where it is resumed."""
    who: str
    """``user@machine``."""
    what: str
    """The changes, in a line."""
    begun: float
    """Unix seconds by the holder's clock."""
    step: int = 0
    steps: int = 0
    doing: str = ""
    """What that step does."""
    touching: bool = False
    """Whether a step's command may be at work on the host."""
    uptime: float = 0.0
    """The host's own uptime when this was written, in seconds: no clock that is set can mislead it."""

    @property
    def words(self) -> str:
        """For people: who, and how far."""
        return f"{self.who} (step {self.step} of {self.steps}: {self.what})"

    @property
    def step_words(self) -> str:
        """For people: the step it is in."""
        return f"step {self.step} of {self.steps}" + (f" ({self.doing})" if self.doing else "")

    def age(self, uptime: float) -> float:
        """Seconds since it was written; endless where the host was booted since."""
        return uptime - self.uptime if uptime >= self.uptime else math.inf

    def is_expired(self, uptime: float) -> bool:
        """Whether the host is anybody's."""
        return self.age(uptime) >= EXPIRES_SECONDS

    def sentence(self, host: str, uptime: float) -> str:
        """For people: that it changes the host; where it is not heard of any more, since when."""
        age = self.age(uptime)
        silent = f", not heard of {f'for {duration(age)}' if age < math.inf else 'since the host came up'}"
        if self.is_expired(uptime):
            return f"{host} was being changed by {self.words}{silent}: its lock expired."
        silent = silent if age >= STEP_SECONDS else ""
        return f"{host} is being changed by {self.words}{silent}."

    def may_be_at_work(self, uptime: float) -> bool:
        """Whether one of its commands may be running on the host, so that nobody takes it over."""
        return self.touching and self.age(uptime) < STEP_SECONDS


def parse_holder(text: str) -> Holder | None:
    """The holder a file names; None for anything else. What it says is another's word: cleaned, and bounded.

    Of two who write at once the shorter may leave the end of the longer behind, below its own line.
    """
    try:
        said = json.loads(text[:4000].partition("\n")[0])
        return Holder(
            token=clean(str(said["token"]), limit=200),
            who=clean(str(said["who"]), limit=200),
            what=clean(str(said["what"]), limit=200),
            begun=float(said["begun"]),
            step=int(said["step"]),
            steps=int(said["steps"]),
            doing=clean(str(said.get("doing", "")), limit=200),
            touching=said["touching"] is True,
            uptime=float(said["uptime"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return None


def holder_text(holder: Holder) -> str:
    """What the lock's file says."""
    return json.dumps(asdict(holder), ensure_ascii=False) + "\n"


def renewal_text(holder: Holder, variable: str) -> str:
    """The same as a word for sh, written anew: the uptime is the first word of that shell variable."""
    before, _, _ = json.dumps(asdict(holder), ensure_ascii=False).rpartition(" ")
    return f'{shlex.quote(before)}" ${{{variable}%% *}}}}"'


def folder(become: str) -> str:
    """Where the lock is: below /run, which a reboot empties, or in the home folder of whoever cannot become root."""
    return ".gpudeck-rollout" if become == "none" else "/run/gpudeck-rollout"


def who_holds(become: str) -> Read:
    """The command that prints the holder, and then what time it is there; it needs no privilege."""
    return look(folder(become))


def look(place: str) -> Read:
    """The same for a lock's folder of any name."""
    return Read(("cat", f"{place}/holder", "/proc/uptime"))


def parse_look(text: str) -> tuple[Holder | None, float | None]:
    """What that printed: the holder, and the host's uptime in seconds; None for what it does not tell.

    The holder comes first: a running step writes the time of its own.
    """
    said, _, last = text.rstrip().rpartition("\n")
    try:
        uptime = float(last.split()[0])
    except (IndexError, ValueError):
        return None, None
    return parse_holder(said), uptime
