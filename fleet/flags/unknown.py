"""Flags an engine is given that it does not have: a misspelt one changes no estimate, and nobody would notice."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType

from fleet.arguments import arguments
from fleet.model import Engine, Scalar, Version
from fleet.text import clean

_LISTED = frozenset({"vllm", "sglang", "llama.cpp", "text-embeddings-inference", "infinity"})
"""Engines whose flags are listed, in a file of their name; of the others those that decide memory are known."""
_SAME = (
    ("max-model-len", "context-length", "ctx-size", "max-seq-len"),
    ("gpu-memory-utilization", "mem-fraction-static"),
    ("max-num-seqs", "max-running-requests", "parallel"),
    ("max-num-batched-tokens", "chunked-prefill-size", "ubatch-size"),
    ("kv-cache-dtype", "cache-type-k", "cache-mode"),
    ("enforce-eager", "disable-cuda-graph"),
)
"""What the same thing is called by different engines."""
_CACHE_TYPES = r"b?f16|f32|q\d_\d|iq4_nl|t\w+"
_VALUES = {
    ("vllm", "dtype"): r"auto|half|b?float16|float(32)?",
    ("vllm", "kv-cache-dtype"): r"auto|b?float16|(fp8|fp4|int8|int4|nvfp4|turboquant)\w*",
    ("llama.cpp", "cache-type-k"): _CACHE_TYPES,
    ("llama.cpp", "cache-type-v"): _CACHE_TYPES,
}
"""What flags take whose other values an estimate would pass over; rather too much than too little."""
_LIKE, _SURELY_LIKE = 0.72, 0.95
"""How like a known flag a misspelt one is at least; found by trying. The second where the flags are not listed."""
_DECIDES_MEMORY = 0.1
"""What a flag that decides memory counts for above one that does not."""
_KEPT = 4096
"""Answers remembered."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A flag the engine does not have, as far as gpudeck knows."""

    flag: str
    nearest: str | None
    """What was probably meant; None where nothing is like it."""
    words: str
    """What is wrong and what follows, without a full stop."""
    refused: bool = False
    """Whether the engine is known to refuse it: a flag of other versions, or a value it does not take."""

    @property
    def sentence(self) -> str:
        """The whole of it, with the way out."""
        return f"{self.words}; --{self.nearest} may be meant." if self.nearest else f"{self.words}."


@dataclass(frozen=True, slots=True)
class _Span:
    """The versions that may have a flag; None where no end of them was seen."""

    first: Version | None = None
    gone: Version | None = None


def unknown(engine: Engine, args: Mapping[str, Scalar], newest: Version | None = None) -> Iterator[Unknown]:
    """Those of an engine's arguments that are no flags of its version, or have values that are none; ``newest`` stands
    in where it has no version.

    Of an engine whose flags are not listed, and whose operators write its settings in their own words, only what is
    almost a flag that decides memory is one.
    """
    version = engine.version or newest
    for flag, value in args.items():
        found = _looked_up(engine.name, version, flag) or _valued(engine, flag, value)
        if found:
            yield found


def _valued(engine: Engine, flag: str, value: Scalar) -> Unknown | None:
    takes = _VALUES.get((engine.name, flag))
    if takes is None or re.fullmatch(takes, str(value).lower()):
        return None
    written = f"--{flag} {clean(str(value), 40)}"
    return Unknown(flag, None, f"{written} is nothing {engine} takes as far as gpudeck knows, and is ignored", True)


@lru_cache(_KEPT)
def _looked_up(engine: str, version: Version | None, flag: str) -> Unknown | None:
    name = flag.replace("_", "-").partition(".")[0]
    if engine == "other" or name.isupper():
        return None
    known = _flags(engine)
    span = known.get(name) or known.get(name.removeprefix("no-"))
    shown = f"{engine} {version}" if version else engine
    written = f"--{clean(flag, 100)}"
    if span is None:
        nearest = _nearest(engine, version, name)
        if nearest is None and engine not in _LISTED:
            return None
        return Unknown(
            flag, nearest, f"{written} is no flag of {shown} known to gpudeck, and is ignored for the estimate"
        )
    if version and span.gone and version >= span.gone:
        return Unknown(flag, None, f"{written} is a flag that {shown} has no more, and does not start with", True)
    if version and span.first and version < span.first:
        return Unknown(flag, None, f"{written} is a flag that {shown} does not have yet, and does not start with", True)
    return None


@cache
def _flags(engine: str) -> Mapping[str, _Span]:
    """Every flag that is known of an engine, without dashes."""
    found = {argument.flag: _Span() for argument in arguments(engine)}
    if engine in _LISTED:
        for line in files("fleet.flags").joinpath(f"{engine}.txt").read_text().splitlines():
            if not line.startswith("#"):
                flag, *said = line.split()
                ends = dict(zip(said[::2], map(Version, said[1::2]), strict=True))
                found[flag] = _Span(ends.get("from"), ends.get("before"))
    return MappingProxyType(found)


def _nearest(engine: str, version: Version | None, name: str) -> str | None:
    """The flag of that version most like a name; what another engine calls so first, then what it begins."""
    from difflib import SequenceMatcher  # here, as most flags are known

    known = {
        flag
        for flag, span in _flags(engine).items()
        if len(flag) > 3 and not (version and span.gone and version >= span.gone)
    }
    same = next((flag for names in _SAME if name in names for flag in names if flag in known), None)
    begun = [flag for flag in known if len(name) > 5 and flag.startswith(name)]
    if same or len(begun) == 1:
        return same or begun[0]
    deciding = {argument.flag for argument in arguments(engine)}
    alike = SequenceMatcher(b=name, autojunk=False)

    def likeness(flag: str) -> float:
        alike.set_seq1(flag)
        quick = alike.quick_ratio()
        return (alike.ratio() if quick >= _LIKE - _DECIDES_MEMORY else quick) + _DECIDES_MEMORY * (flag in deciding)

    best = max(sorted(known), key=likeness, default=None)
    return best if best and likeness(best) >= (_LIKE if engine in _LISTED else _SURELY_LIKE) else None
