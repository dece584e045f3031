"""How a llama.cpp server starts. It has no budget and no check: it takes what it needs, and adapts or fails."""

from __future__ import annotations

from fleet.architecture.architecture import Architecture
from fleet.estimate import Estimate, Outcome, Reason, Refusal
from fleet.estimate.llama_cpp.cache import cells, element_bytes, latent_cache_bytes
from fleet.estimate.llama_cpp.fitting import Fitted, loaded
from fleet.estimate.llama_cpp.layers import file_bytes
from fleet.estimate.llama_cpp.needs import Load, Need
from fleet.estimate.llama_cpp.options import Options, options
from fleet.estimate.room import NOTHING, Room
from fleet.model import Model
from fleet.units import count, gib_text

_QUANTISED_VALUES = "V cache quantization requires flash_attn"
"""Of llama-context.cpp, before it fails to make a context."""


def estimate(model: Model, architecture: Architecture, room: Room) -> Estimate:
    """What each GPU holds: its layers' weights and cache, a compute buffer, a runtime context.

    The token embedding stays in host memory, and so do layers that no GPU has.
    """
    told = options(model.args, model.engine.version)
    load = Load(architecture, file_bytes(architecture), told, room.free, room.end)
    fitted = loaded(load)
    refusal = _refusal(load, fitted, "ROCm" if room.accelerator.vendor == "amd" else "CUDA")
    whole = cells(told, fitted.context)
    # without --kv-unified each slot has its own part, and no sequence is longer than that
    length = fitted.context if told.unified else whole.count
    return Estimate(
        model=model.name,
        shares=tuple(
            room.share(need.weights, need.cache, need.compute) if need.total else NOTHING for need in fitted.needs
        ),
        outcome=Outcome.STARTED if refusal is None else _outcome(refusal),
        refusal=refusal,
        kv_cache_tokens=whole.tokens,
        max_model_len=length,
        max_concurrency=whole.tokens / length if told.unified else float(told.slots),
        longest_length=architecture.max_positions,
        basis="catalogue" if architecture.gguf else "modelled",
        notes=_notes(architecture, told, fitted, room),
    )


def _refusal(load: Load, fitted: Fitted, backend: str) -> Refusal | None:
    told = load.options
    if element_bytes(told.value_type) < 2 and not told.flash_attention and load.architecture.latent is None:
        return Refusal(Reason.CONFIGURATION, _QUANTISED_VALUES)
    for gpu, (need, free) in enumerate(zip(fitted.needs, load.free, strict=True)):
        if need.total > free:
            return _failed(need, free, f"{backend}{gpu}")
    return None


def _failed(need: Need, free: int, device: str) -> Refusal:
    """The last words of the allocation that does not fit: weights first, then the cache, then compute buffers."""
    if need.weights > free:
        return Refusal(Reason.OUT_OF_MEMORY, f"error loading model: unable to allocate {device} buffer")
    what = "buffer for kv cache" if need.weights + need.cache > free else "compute pp buffers"
    return Refusal(Reason.OUT_OF_MEMORY, f"failed to initialize the context: failed to allocate {what}")


def _outcome(refusal: Refusal) -> Outcome:
    return Outcome.OOM if refusal.reason is Reason.OUT_OF_MEMORY else Outcome.REFUSED


def _notes(architecture: Architecture, told: Options, fitted: Fitted, room: Room) -> tuple[str, ...]:
    notes = [_beside_others(told)]
    if fitted.context < fitted.wanted:
        why = "beside what others hold" if room.shared else "to what is free"
        notes.append(f"--fit shortens its context from {count(fitted.wanted)} to {count(fitted.context)} {why}.")
    if fitted.in_host_memory:
        notes.append(
            f"{fitted.in_host_memory} of {architecture.layers + 1} layers stay in host memory, which slows decoding."
        )
    sizes = latent_cache_bytes(architecture, told, fitted.context)
    if sizes:
        latent, full = sizes
        notes.append(
            f"Its cache is reckoned as latents, {gib_text(latent)}; a file converted without the tensors for them "
            f"keeps full heads, {gib_text(full)}."
        )
    return tuple(notes)


def _beside_others(told: Options) -> str:
    if not told.fits:
        return "Beside others it takes what it needs of the free memory, or fails to allocate; it checks nothing first."
    does = "shortens its context, then leaves" if told.shrinks else "keeps the context it was told, and leaves"
    return (
        f"Beside others it is not refused: --fit {does} layers in host memory, until {gib_text(told.target(0))} of "
        "every GPU stay free."
    )
