"""ExLlamaV2: what its modules and their cache take on the GPUs it fills. Arguments are TabbyAPI's, its usual server."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from fleet.architecture.architecture import Architecture
from fleet.estimate import Estimate, GpuShare, Outcome, Reason, Refusal
from fleet.estimate.autosplit import FULL, NO_ALLOCATION, Filled, Module, fill, reserves, split
from fleet.estimate.checkpoint import head_bytes, layer_bytes
from fleet.estimate.kept import token_bytes
from fleet.estimate.listed import numbers
from fleet.estimate.room import NOTHING, Room
from fleet.model import Arguments, Model
from fleet.units import count

_INPUT = 2048
"""Tokens of the state that is sent through every module while it loads."""
_CACHE_BYTES = {"FP16": 2.0, "Q8": 34 / 32, "Q6": 26 / 32, "Q4": 18 / 32}
"""Of one element; Q6 keeps keys in 8 bits and values in 4."""
_HEAD_BITS = 6
"""Of the head of a quantised model; embeddings stay in host memory."""


@lru_cache(maxsize=1024)
def modules(architecture: Architecture, source: str, args: Arguments) -> tuple[Module, ...]:
    """The modules in the order they are loaded, the embedding left out: it stays in host memory."""
    bits = _bits(source) if architecture.quantization is None else None
    scale = bits / 16 if bits else 1.0
    element = _CACHE_BYTES.get(args.text("cache-mode", "FP16").upper(), 2.0)
    tokens = cache_tokens(architecture, args)
    found = []
    for layer in range(architecture.layers):
        weights = layer_bytes(architecture, layer)
        cache = round(token_bytes(architecture, layer, element, element) * tokens)
        found.append(Module(round(weights.attention * scale), cache))
        found.append(Module(round((weights.mlp + weights.experts) * scale)))
    found.append(Module(round(head_bytes(architecture) * (_HEAD_BITS / 16 if bits else 1.0))))
    return tuple(found)


def cache_tokens(architecture: Architecture, args: Arguments) -> int:
    """Tokens of the cache: of ``--cache-size``, else one sequence of the largest length."""
    return args.count("cache-size", args.count("max-seq-len", architecture.max_positions))


def estimate(model: Model, architecture: Architecture, room: Room) -> Estimate:
    """What each GPU holds after the load, and whether it succeeds on what others leave free."""
    loaded = modules(architecture, model.source or "", model.args)
    scratch = 2 * _INPUT * (3 * architecture.intermediate + 4 * architecture.hidden)
    allowed = numbers(model.args.text("gpu-split", ""))
    if model.args.flag("tensor-parallel"):
        filled, shares = _by_free_memory(loaded, scratch, room)
    else:
        filled = (
            split(loaded, (*allowed, *(0.0,) * len(room.totals))[: len(room.totals)], scratch)
            if allowed
            else fill(loaded, room.free, reserves(model.args, len(room.totals)), scratch)
        )
        shares = tuple(_share(held, scratch, room) for held in filled.held) or (NOTHING,) * len(room.totals)
    refusal = _refusal(filled, shares, room)
    length = model.args.count("max-seq-len", architecture.max_positions)
    tokens = cache_tokens(architecture, model.args)
    return Estimate(
        model=model.name,
        shares=shares,
        outcome=Outcome.STARTED if refusal is None else Outcome.OOM,
        refusal=refusal,
        kv_cache_tokens=tokens,
        max_model_len=length,
        max_concurrency=tokens / length,
        longest_length=min(tokens, architecture.max_positions),
        notes=_notes(bool(allowed), tokens),
    )


def _share(held: Sequence[Module], scratch: int, room: Room) -> GpuShare:
    if not held:
        return NOTHING
    return room.share(sum(module.weights for module in held), sum(module.cache for module in held), kept=scratch)


def _by_free_memory(loaded: Sequence[Module], scratch: int, room: Room) -> tuple[Filled, tuple[GpuShare, ...]]:
    """Tensor parallel: every module over all GPUs, in proportion to what is free on them."""
    weights, cache = sum(module.weights for module in loaded), sum(module.cache for module in loaded)
    whole = sum(max(0, free) for free in room.free) or 1
    parts = [max(0, free) / whole for free in room.free]
    return Filled(()), tuple(room.share(round(weights * part), round(cache * part), kept=scratch) for part in parts)


def _refusal(filled: Filled, shares: Sequence[GpuShare], room: Room) -> Refusal | None:
    if filled.failure == FULL:
        return Refusal(Reason.OUT_OF_MEMORY, f"RuntimeError: {FULL}")
    if filled.failure == NO_ALLOCATION:
        return Refusal(Reason.OUT_OF_MEMORY, f"AssertionError: {NO_ALLOCATION}")
    if filled.failure or room.short(shares) is not None:
        return Refusal(Reason.OUT_OF_MEMORY, room.out_of_memory)
    return None


def _notes(manual: bool, tokens: int) -> tuple[str, ...]:
    how = (
        "It puts weights where --gpu-split says, from the last GPU to the first, and the cache beside them uncounted."
        if manual
        else "Beside others it takes what they left, filling the GPUs in order until each runs out; it asks nothing "
        "first and balances nothing. Loaded at once with another model of its kind, the two race."
    )
    return how, f"Its cache of {count(tokens)} tokens is allocated whole; what it reserves while loading it gives back."


def _bits(source: str) -> float | None:
    """Bits a weight that a name such as ``4.0bpw-exl2`` tells of."""
    said = re.search(r"(\d+(?:[._]\d+)?)[\s_-]*bpw", source.lower())
    return float(said[1].replace("_", ".")) if said else None
