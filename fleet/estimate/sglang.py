"""SGLang: the cache is what a fraction of the *free* memory leaves after the weights. Facts of 0.5.23.

``kv = free after loading - free before loading x (1 - mem-fraction-static)`` (mem_cache/kv_cache_configurator.py), so
others make its cache smaller and it starts nevertheless. There is no profile run; the rest of the fraction is for
activations and graphs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from math import ceil

from fleet.architecture.architecture import Architecture, Span
from fleet.estimate import Estimate, GpuShare, Outcome, Reason, Refusal
from fleet.estimate.checkpoint import rank_bytes
from fleet.estimate.kept import token_bytes
from fleet.estimate.measured import SGLANG_COMMUNICATION, SGLANG_GRAPH_MIB, End
from fleet.estimate.room import NOTHING, Room
from fleet.model import Arguments, Model, Version
from fleet.units import GiB, MiB, gib_text

_TIERS = ((20, 2048, 8, 8), (35, 2048, 24, 80), (60, 4096, 32, 160), (160, 8192, 256, 512))
"""Below so many GiB of a GPU: tokens of a prefill chunk, largest captured batch below four ranks, and from four on."""
_LARGEST = (16384, 512)
_RESERVED_MIB, _CHUNK_MIB, _RANK_MIB, _BATCH_MIB = 512, 1.5, 1024 / 8, 2
_LARGE_MIB, _LARGE_RESERVED_MIB = 60 * 1024, 10 * 1024
"""GPUs of more than the first have at least the second set aside."""
_MULTIMODAL = 0.95
_BALANCE = 0.9
"""The rank with least free memory must have this part of every other rank's."""
_WINDOW_TOKENS = 0.8
"""Default of ``--swa-full-tokens-ratio``: tokens sliding layers keep for each one of the full layers."""
_STATE_PART = 0.9
"""Default of ``--mamba-full-memory-ratio``: memory of recurrent states over that of the cache."""
_LOADED_SINCE = (0, 5, 16)
"""The first release seen to say how large a fraction the weights need."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a server was told, or does untold on GPUs of that size."""

    tensor_parallel: int
    pipeline_parallel: int
    chunk: int
    captured: int
    """Largest batch a graph is captured for; 0 without graphs."""
    fraction: float
    cache_bytes: float
    """Of one cached element."""
    page: int
    most_tokens: int | None
    window_ratio: float
    state_ratio: float


def settings(args: Arguments, architecture: Architecture | None, total: int) -> Settings:
    """The arguments, with the defaults of server_args.py for a GPU of ``total`` bytes."""
    tp, pp = _parallel(args, "tensor-parallel-size", "tp"), _parallel(args, "pipeline-parallel-size", "pp")
    mib = total / MiB
    chunk, few, many = next((tier[1:] for tier in _TIERS if mib < tier[0] * 1024), (_LARGEST[0], *_LARGEST[1:] * 2))
    said = args.text("chunked-prefill-size", "")
    chunk = int(said) if re.fullmatch(r"-?\d{1,9}", said) else chunk
    captured = args.integer("cuda-graph-max-bs", many if tp >= 4 else few)
    default = default_fraction(total, chunk=chunk, captured=captured, ranks=tp * pp)
    if architecture and architecture.vision:
        default *= _MULTIMODAL
    return Settings(
        tensor_parallel=tp,
        pipeline_parallel=pp,
        chunk=chunk if chunk > 0 else args.integer("max-prefill-tokens", _LARGEST[0]),
        captured=0 if args.flag("disable-cuda-graph") else captured,
        fraction=args.number("mem-fraction-static", default),
        cache_bytes=1.0 if args.text("kv-cache-dtype", "auto").startswith("fp8") else 2.0,
        page=max(1, args.integer("page-size", 1)),
        most_tokens=args.integer("max-total-tokens", 0) or None,
        window_ratio=args.number("swa-full-tokens-ratio", _WINDOW_TOKENS),
        state_ratio=args.number("mamba-full-memory-ratio", _STATE_PART),
    )


def default_fraction(total: int, *, chunk: int, captured: int, ranks: int) -> float:
    """``mem-fraction-static`` where it is not given: one less what chunks, graphs and ranks are expected to take."""
    mib = total / MiB
    reserved = _RESERVED_MIB + _CHUNK_MIB * max(chunk, 2048) + _RANK_MIB * ranks + _BATCH_MIB * captured
    if mib > _LARGE_MIB:
        reserved = max(reserved, _LARGE_RESERVED_MIB)
    return round((mib - reserved) / mib, 3)


def estimate(model: Model, architecture: Architecture, room: Room) -> Estimate:
    """What each GPU holds, and whether the fraction leaves a cache. The least of all ranks decides the tokens."""
    told = settings(model.args, architecture, min(room.totals))
    world = told.tensor_parallel * told.pipeline_parallel
    length = model.args.count("context-length", architecture.max_positions)
    if world > len(room.totals):
        few = Refusal(Reason.PARALLELISM, f"{world} ranks need as many GPUs; the place has {len(room.totals)}.")
        return Estimate(model.name, (NOTHING,) * len(room.totals), Outcome.REFUSED, few, max_model_len=length)
    ranks = _ranks(architecture, told, room)
    least = min(rank.free for rank in ranks)
    tokens = min(_tokens(told, rank, least) for rank in ranks)
    tokens = min(tokens, told.most_tokens or tokens)
    refusal = (
        _unbalanced(told, ranks) or _out_of_memory(ranks, room) or _no_cache(model.engine.version, told, ranks, tokens)
    )
    shares = [_share(architecture, told, rank, max(0, tokens), room) for rank in ranks]
    unused = (NOTHING,) * (len(room.totals) - world)
    return Estimate(
        model=model.name,
        shares=(*shares, *unused),
        outcome=_outcome(refusal),
        refusal=refusal,
        kv_cache_tokens=max(0, tokens),
        max_model_len=length,
        max_concurrency=max(0, tokens) / length,
        longest_length=min(max(0, tokens), architecture.max_positions),
        notes=_notes(told, room, ranks),
    )


def budget_only(model: Model, room: Room) -> Estimate:
    """An architecture nobody told us: weights and cache together still take the fraction of what is free."""
    told = settings(model.args, None, min(room.totals))
    world = told.tensor_parallel * told.pipeline_parallel
    shares = [room.share(0, round(max(0, free) * told.fraction)) for free in room.free[:world]]
    return Estimate(
        model=model.name,
        shares=(*shares, *(NOTHING,) * (len(room.totals) - len(shares))),
        outcome=Outcome.STARTED,
        basis="budget",
        notes=(
            f"The architecture of {model.source} is not known; only its fraction of what is free when it starts is.",
        ),
    )


@dataclass(frozen=True, slots=True)
class _Rank:
    """One rank's GPU before it loads. Bytes."""

    weights: int
    free: int
    token_bytes: float
    """Its cache's of one token of the full layers, with the sliding layers' part."""
    recurrent: bool
    """Whether some of its layers keep a state."""


def _parallel(args: Arguments, long: str, short: str) -> int:
    """A parallel size under any of the three names the flag has."""
    return next((size for flag in (long, f"{short}-size", short) if (size := args.integer(flag, 0)) > 0), 1)


def _ranks(architecture: Architecture, told: Settings, room: Room) -> list[_Rank]:
    stages = told.pipeline_parallel
    sizes = [architecture.layers // stages] * stages
    for extra in range(architecture.layers % stages):
        sizes[-2 - extra] += 1  # as vLLM does: the last stage, which has the head, last
    ends = list(accumulate(sizes))
    communication = SGLANG_COMMUNICATION.bytes_at(room.end) if told.tensor_parallel * stages > 1 else 0
    found: list[_Rank] = []
    for stage, (end, size) in enumerate(zip(ends, sizes, strict=True)):
        layers = range(end - size, end)
        weights = rank_bytes(architecture, layers, told.tensor_parallel, first=stage == 0, last=stage == stages - 1)
        gpus = room.free[stage * told.tensor_parallel :][: told.tensor_parallel]
        cached = _token_bytes(architecture, told, layers)
        recurrent = any(architecture.spans[layer] is Span.RECURRENT for layer in layers)
        found += [_Rank(weights, free - communication, cached, recurrent) for free in gpus]
    return found


def _tokens(told: Settings, rank: _Rank, least: int) -> int:
    """Tokens this rank's cache holds."""
    rest = _rest(told, rank, least) / (1 + told.state_ratio * rank.recurrent)
    return int(rest // rank.token_bytes) // told.page * told.page if rank.token_bytes else 0


def _rest(told: Settings, rank: _Rank, least: int) -> int:
    """What the fraction leaves for the cache; the memory before loading is the least of all ranks'."""
    return rank.free - rank.weights - round(least * (1 - told.fraction))


@lru_cache(maxsize=1024)
def _token_bytes(architecture: Architecture, told: Settings, layers: range) -> float:
    element = told.cache_bytes
    mixed = Span.FULL in architecture.spans
    total = 0.0
    for layer in layers:
        slides = mixed and architecture.spans[layer] in (Span.SLIDING, Span.CHUNKED)
        kept = token_bytes(architecture, layer, element, element, told.tensor_parallel)
        total += kept * (told.window_ratio if slides else 1.0)
    return total


def _share(architecture: Architecture, told: Settings, rank: _Rank, tokens: int, room: Room) -> GpuShare:
    """At the high end all that the fraction leaves aside is in use."""
    cache = round(tokens * rank.token_bytes * (1 + told.state_ratio * rank.recurrent))
    graphs = round(told.captured * SGLANG_GRAPH_MIB.at(room.end) * MiB)
    activations = _forward(architecture, told)
    if room.end is End.HIGH:
        activations = max(activations, round(rank.free * (1 - told.fraction)) - graphs)
    communication = SGLANG_COMMUNICATION.bytes_at(room.end) if told.tensor_parallel * told.pipeline_parallel > 1 else 0
    return room.share(rank.weights, cache, activations, graphs, kept=communication)


def _forward(architecture: Architecture, told: Settings) -> int:
    """One chunk's states in 16 bit through the wider half of a layer, and logits in 32 bit for every sequence."""
    width, experts = architecture.intermediate, architecture.experts
    if experts:
        width = max(experts.per_token * experts.intermediate + experts.shared_intermediate, experts.intermediate)
    states = 2 * told.chunk * (3 * width // told.tensor_parallel + 4 * architecture.hidden)
    return states + 4 * max(1, told.captured) * architecture.vocab


def _unbalanced(told: Settings, ranks: list[_Rank]) -> Refusal | None:
    least, most = min(rank.free for rank in ranks), max(rank.free for rank in ranks)
    if told.tensor_parallel == 1 or least >= most * _BALANCE:
        return None
    return Refusal(
        Reason.NOT_ENOUGH_FREE,
        "The memory capacity is unbalanced. Some GPUs may be occupied by other processes. "
        f"pre_model_load_memory={least / GiB}, local_gpu_memory={most / GiB}, "
        f"local_gpu_memory * 0.9={most / GiB * _BALANCE}",
    )


def _out_of_memory(ranks: list[_Rank], room: Room) -> Refusal | None:
    if all(rank.weights <= rank.free for rank in ranks):
        return None
    return Refusal(Reason.OUT_OF_MEMORY, room.out_of_memory)


def _no_cache(version: Version | None, told: Settings, ranks: list[_Rank], tokens: int) -> Refusal | None:
    least = min(rank.free for rank in ranks)
    worst = max(ranks, key=lambda rank: rank.weights - rank.free)
    newer = version is None or version >= _LOADED_SINCE
    if newer and _rest(told, worst, least) <= 0:
        smallest = 1 - (worst.free - worst.weights) / least
        return Refusal(
            Reason.NO_CACHE_MEMORY,
            f"Loaded weights leave no GPU memory for the KV cache under --mem-fraction-static={told.fraction}. "
            f"Raise --mem-fraction-static above {ceil(smallest * 1000) / 1000:.3f} (minimum viable = 1 - "
            f"available/pre = {smallest:.4f}). If using speculative decoding, draft weights are now counted.",
        )
    if tokens <= 0:
        current = "mem_fraction_static" if newer else "self.server_args.mem_fraction_static"
        return Refusal(
            Reason.NO_CACHE_MEMORY,
            "Not enough memory. Please try to increase --mem-fraction-static. "
            f"Current value: {current}={told.fraction}",
        )
    return None


def _outcome(refusal: Refusal | None) -> Outcome:
    if refusal is None:
        return Outcome.STARTED
    return Outcome.OOM if refusal.reason is Reason.OUT_OF_MEMORY else Outcome.REFUSED


def _notes(told: Settings, room: Room, ranks: list[_Rank]) -> tuple[str, ...]:
    left = min(round(rank.free * (1 - told.fraction)) for rank in ranks)
    notes = [
        f"Its fraction of {told.fraction:g} is of the memory that is free when it starts: what others hold makes its "
        f"cache smaller, it starts nevertheless, and leaves {gib_text(left)} for activations and graphs."
    ]
    if told.tensor_parallel > 1:
        notes.append("With tensor parallelism it refuses GPUs of which others hold unequal parts.")
    if room.shared:
        notes.append("Started again after the others have grown or gone, its cache has another size.")
    return tuple(notes)
