"""The engines' arguments that decide memory: what each is, what it may be, what it does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

Value = str | int | float | bool


class Kind(StrEnum):
    """What an argument's value is."""

    SHARE = "share"
    """A number above 0 and at most 1."""
    COUNT = "count"
    """A whole number from 1 on; ``32k`` is 32,768."""
    SWITCH = "switch"
    CHOICE = "choice"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an engine."""

    flag: str
    """The engine's own flag without dashes."""
    kind: Kind
    help: str
    choices: tuple[str, ...] = ()

    def parse(self, text: str) -> Value:
        """The value an operator typed. Raises ValueError with a sentence."""
        text = text.strip()
        match self.kind:
            case Kind.SHARE:
                return _share(self.flag, text)
            case Kind.COUNT:
                return _count(self.flag, text)
            case Kind.SWITCH:
                if text.lower() not in ("true", "false"):
                    raise ValueError(f"{self.flag} is a switch; write true or false")
                return text.lower() == "true"
            case Kind.CHOICE:
                if text not in self.choices:
                    raise ValueError(f"{self.flag} is one of {', '.join(self.choices)}; not {text!r}")
                return text
            case Kind.TEXT:
                return text


def _share(flag: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{flag} is a share of the GPU; write a number such as 0.9, not {text!r}") from None
    if not 0 < value <= 1:
        raise ValueError(f"{flag} is a share of the GPU: above 0 and at most 1, not {text}")
    return value


def _count(flag: str, text: str) -> int:
    match = re.fullmatch(r"(\d{1,12})([kK]?)", text.replace(",", "").replace("_", ""))
    value = int(match[1]) * (1024 if match[2] else 1) if match else 0
    if value < 1:
        raise ValueError(f"{flag} is a whole number from 1 on, such as 32768 or 32k; not {text!r}")
    return value


_VLLM = (
    Argument("gpu-memory-utilization", Kind.SHARE, "share of the whole GPU this engine may use"),
    Argument("max-model-len", Kind.COUNT, "longest sequence, prompt and answer together, in tokens"),
    Argument("max-num-seqs", Kind.COUNT, "sequences in one batch; fewer need less memory while profiling"),
    Argument("max-num-batched-tokens", Kind.COUNT, "tokens in one forward pass; fewer need less memory"),
    Argument("kv-cache-dtype", Kind.CHOICE, "type of the KV cache; fp8 holds twice the tokens", ("auto", "fp8")),
    Argument("enforce-eager", Kind.SWITCH, "no graphs: less memory, slower decoding"),
    Argument("tensor-parallel-size", Kind.COUNT, "GPUs each layer is split over"),
    Argument("dtype", Kind.CHOICE, "type of the weights in memory", ("auto", "bfloat16", "float16", "float32")),
)
_LLAMA_CPP = (
    Argument("ctx-size", Kind.COUNT, "tokens of context, over all slots"),
    Argument("parallel", Kind.COUNT, "slots that serve at once"),
    Argument("cache-type-k", Kind.CHOICE, "type of the K cache", ("f16", "q8_0", "q4_0")),
    Argument("split-mode", Kind.CHOICE, "how the model is split over GPUs", ("layer", "row", "none")),
)
_BY_ENGINE = {"vllm": _VLLM, "llama.cpp": _LLAMA_CPP}


def arguments(engine: str) -> tuple[Argument, ...]:
    """The arguments we know of that engine."""
    return _BY_ENGINE.get(engine, ())


def argument(engine: str, flag: str) -> Argument:
    """The argument of that name; an unknown one is text that the engine itself will judge."""
    for known in arguments(engine):
        if known.flag == flag:
            return known
    return Argument(flag, Kind.TEXT, "passed on to the engine as it is")
