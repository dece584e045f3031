"""What an engine said of one of its starts. Frozen values; every size knows how exactly it was printed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

from fleet.model import Arguments


@dataclass(frozen=True, slots=True)
class Size:
    """A printed size: the bytes it says, and how far its rounding may be off them either way."""

    bytes: int
    within: int = 0

    def __add__(self, other: Size) -> Size:
        return Size(self.bytes + other.bytes, self.within + other.within)

    def __sub__(self, other: Size) -> Size:
        return Size(self.bytes - other.bytes, self.within + other.within)


class Ending(StrEnum):
    """How a start came out."""

    STARTED = "started"
    REFUSED = "refused"
    OOM = "oom"
    UNFINISHED = "unfinished"
    """It says neither that it serves nor why not: it is under way, was killed, or its lines are gone."""


@dataclass(frozen=True, slots=True)
class RankStart:
    """What one rank (of llama.cpp: one device) measured of itself; None where it did not say."""

    speaker: str
    """As its lines name it: ``Worker_TP1``, ``ROCm0``; empty where a single process speaks."""
    weights: Size | None = None
    activations: Size | None = None
    """The peak of the profile run over the weights; of llama.cpp the compute buffer."""
    non_torch: Size | None = None
    """What the engine counted beside its tensors."""
    graphs: Size | None = None
    cache: Size | None = None
    """What was left for the KV cache; of llama.cpp and SGLang what it took."""


@dataclass(frozen=True, slots=True)
class Startup:
    """One start, by its own lines."""

    engine: str
    ending: Ending
    build: str = ""
    """The engine's version as it prints it: ``0.9.2.dev364+gb432b7a28``."""
    ranks: tuple[RankStart, ...] = ()
    """Those that said something, in the order of their pipeline and tensor ranks."""
    cache_blocks: int | None = None
    cache_tokens: int | None = None
    """Of the rank with room for the fewest, as all ranks then use it."""
    max_model_len: int | None = None
    max_concurrency: float | None = None
    sentence: str = ""
    """Why it did not start, in the engine's words."""
    disturbed: bool = False
    """Whether the engine itself saw others' memory change while it profiled."""
    began: float | None = None
    """Seconds since the host's boot of its first line; None where lines carry no time."""
    ended: float | None = None
    """The same of the line that says it serves, or why not; of an unfinished one, of its last."""
    said_seconds: float | None = None
    """What the engine says loading, profiling and capturing took, in seconds."""
    planned: bool = False
    """Whether its cache has the size an earlier start planned, so that nothing was measured to size it."""
    plan_path: str = ""
    """Where vLLM keeps the size of its cache for the next start (``VLLM_ENABLE_STARTUP_PLAN``)."""

    @property
    def seconds(self) -> float | None:
        """How long it took from its first line, or by the engine's own count."""
        if self.began is not None and self.ended is not None:
            return self.ended - self.began
        return self.said_seconds


@dataclass(frozen=True, slots=True)
class ModelStart:
    """One start of a model of the fleet, with all that its measurements depend on."""

    startup: Startup
    args: Arguments
    """As its command line had them, in the fleet file's spelling."""
    source: str
    """What it serves, as its command line names it."""
    accelerator: str
    totals: tuple[int, ...] = ()
    """Bytes of each of its GPUs, ascending by index."""
    invocation: str = ""
    """The service manager's id of the run it began."""
    next_cache_bytes: int | None = None
    """The cache its start-up plan has for its next start with the same arguments; None without a plan."""
    company: str = ""
    """Who else may have changed the memory of its GPUs while it started; empty: nobody, it was alone."""

    @property
    def teaches(self) -> bool:
        """Whether its measurements are its own: it came up, and nobody disturbed them."""
        return self.startup.ending is Ending.STARTED and not self.startup.disturbed and not self.company

    @property
    def digest(self) -> str:
        """A short name of its arguments, the same whatever their order."""
        return digest(self.args)


def digest(args: Arguments) -> str:
    """Twelve hex digits of a set of arguments, the same whatever their order."""
    import hashlib  # a cryptographic library; who only estimates does without it

    text = json.dumps(sorted(args.items()), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
