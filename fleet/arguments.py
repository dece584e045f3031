"""The engines' arguments that decide memory: what each is, what it may be, what it does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

Value = str | int | float | bool
LARGEST = 1e15
"""No argument with a decimal point is larger; sums with larger ones would overflow."""


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

    @property
    def range(self) -> str:
        """What it may be, in a few words."""
        match self.kind:
            case Kind.SHARE:
                return "above 0, at most 1"
            case Kind.COUNT:
                return "1 or more"
            case Kind.SWITCH:
                return "true or false"
            case Kind.CHOICE:
                return ", ".join(self.choices)
            case Kind.TEXT:
                return "as the engine reads it"

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


_OF_TOKENS = ("len", "length", "tokens", "ctx", "ctx-size", "cache-size", "chunked-prefill-size", "fit-ctx")
"""Last words of flags that count tokens."""


def counted(flag: str) -> str:
    """A count that flag may well have: ``32768 or 32k`` of tokens, ``8`` of anything else."""
    tokens = flag.rpartition("-")[2] in _OF_TOKENS or flag in _OF_TOKENS
    return "32768 or 32k" if tokens else "2" if flag.endswith("parallel-size") else "8"


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
        raise ValueError(f"{flag} is a whole number from 1 on, such as {counted(flag)}; not {text!r}")
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
_CACHE_TYPES = ("f16", "bf16", "f32", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")
_LLAMA_CPP = (
    Argument("ctx-size", Kind.COUNT, "tokens of context, over all slots"),
    Argument("parallel", Kind.COUNT, "slots that serve at once"),
    Argument("kv-unified", Kind.SWITCH, "one cache for all slots instead of an equal part each"),
    Argument("cache-type-k", Kind.CHOICE, "type of the K cache", _CACHE_TYPES),
    Argument(
        "cache-type-v", Kind.CHOICE, "type of the V cache; all but 16 and 32 bit need flash attention", _CACHE_TYPES
    ),
    Argument("swa-full", Kind.SWITCH, "sliding layers keep the whole context instead of their window"),
    Argument("n-gpu-layers", Kind.TEXT, "layers on GPUs, the last ones, or all; the others stay in host memory"),
    Argument("split-mode", Kind.CHOICE, "how the model is split over GPUs", ("layer", "row", "none")),
    Argument("tensor-split", Kind.TEXT, "proportions of the model on each GPU, such as 3,1; free memory decides else"),
    Argument("main-gpu", Kind.TEXT, "the GPU of an unsplit model, or of the cache where rows are split; from 0"),
    Argument("ubatch-size", Kind.COUNT, "tokens of one graph; fewer need less scratch memory"),
    Argument("flash-attn", Kind.CHOICE, "without it attention keeps its scores", ("on", "off", "auto")),
    Argument("fit", Kind.CHOICE, "shorten the context and move layers to the host until the rest fits", ("on", "off")),
    Argument("fit-target", Kind.TEXT, "MiB that fitting leaves free on each GPU, such as 1024 or 512,1536"),
    Argument("fit-ctx", Kind.COUNT, "shortest context that fitting goes down to"),
)
_SGLANG = (
    Argument("mem-fraction-static", Kind.SHARE, "share of the memory free at its start for weights and cache"),
    Argument("context-length", Kind.COUNT, "longest sequence, prompt and answer together, in tokens"),
    Argument("tensor-parallel-size", Kind.COUNT, "GPUs each layer is split over"),
    Argument("pipeline-parallel-size", Kind.COUNT, "stages the layers are divided over"),
    Argument("kv-cache-dtype", Kind.CHOICE, "type of the KV cache; fp8 holds twice the tokens",
             ("auto", "bfloat16", "fp8_e5m2", "fp8_e4m3")),
    Argument("chunked-prefill-size", Kind.TEXT, "tokens of a prompt in one pass, -1 for all; fewer leave more cache"),
    Argument("cuda-graph-max-bs", Kind.COUNT, "largest batch graphs are captured for; fewer leave the cache more"),
    Argument("disable-cuda-graph", Kind.SWITCH, "no graphs: less memory, slower decoding"),
    Argument("max-total-tokens", Kind.COUNT, "tokens of the cache, where the fraction would give more"),
    Argument("max-running-requests", Kind.COUNT, "requests in one batch"),
)  # fmt: skip
_EXLLAMA = (
    Argument("max-seq-len", Kind.COUNT, "longest sequence, prompt and answer together, in tokens"),
    Argument("cache-size", Kind.COUNT, "tokens of the cache over all sequences"),
    Argument("cache-mode", Kind.CHOICE, "type of the cache", ("FP16", "Q8", "Q6", "Q4")),
    Argument("gpu-split", Kind.TEXT, "GiB of weights on each GPU, such as 20,24; GPUs are filled in order else"),
    Argument("autosplit-reserve", Kind.TEXT, "MB held on each GPU while loading only"),
    Argument("tensor-parallel", Kind.SWITCH, "every layer over all GPUs, in proportion to free memory"),
)
_TEI = (
    Argument("max-batch-tokens", Kind.COUNT, "tokens of one batch; it warms up with as many and keeps their memory"),
    Argument("dtype", Kind.CHOICE, "type of the weights in memory", ("float16", "float32")),
    Argument("max-client-batch-size", Kind.COUNT, "texts one request may bring"),
    Argument("max-concurrent-requests", Kind.COUNT, "requests that wait or are served at once"),
)
_INFINITY = (
    Argument("batch-size", Kind.COUNT, "texts of one batch; it warms up with as many of 512 tokens"),
    Argument("dtype", Kind.CHOICE, "type of the weights in memory", ("auto", "float16", "bfloat16", "float32", "int8")),
)
_WHISPER = (
    Argument("compute-type", Kind.CHOICE, "type the model computes in",
             ("float16", "int8", "int8_float16", "float32", "default")),
    Argument("batch-size", Kind.COUNT, "pieces of a recording at once; each keeps the keys and values of its audio"),
    Argument("beam-size", Kind.COUNT, "texts tried beside each other"),
)  # fmt: skip
_BY_ENGINE = {
    "vllm": _VLLM,
    "llama.cpp": _LLAMA_CPP,
    "sglang": _SGLANG,
    "exllamav2": _EXLLAMA,
    "text-embeddings-inference": _TEI,
    "infinity": _INFINITY,
    "whisper": _WHISPER,
}


def arguments(engine: str) -> tuple[Argument, ...]:
    """The arguments we know of that engine."""
    return _BY_ENGINE.get(engine, ())


def argument(engine: str, flag: str) -> Argument:
    """The argument of that name; an unknown one is text that the engine itself will judge."""
    for known in arguments(engine):
        if known.flag == flag:
            return known
    return Argument(flag, Kind.TEXT, "passed on to the engine as it is")
