"""QNT001 to QNT004: ways a checkpoint is stored that an engine, a version or a GPU does not take, or pays for."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.architecture.catalogue import find as find_architecture
from fleet.estimate.llama_cpp.cache import latent_cache_bytes
from fleet.estimate.llama_cpp.options import options
from fleet.estimate.vllm.versions import NEWEST
from fleet.findings import Finding, Fix, Severity
from fleet.findings.placement import Placement
from fleet.inventory.changes import SetArgument
from fleet.model import Model
from fleet.units import gib_text

_LEFT = {"gguf": ((0, 24), "vllm-gguf-plugin"), "bitsandbytes": ((0, 28), "vllm-bnb-plugin")}
"""Methods that left vLLM's core, the version without them, and the plugin that brings them back."""
_FLOAT32 = ("float32", "float")


def find(placement: Placement) -> Iterator[Finding]:
    """Models whose weights the engine would not load, or would load at twice the size they need."""
    for model in placement.inventory.placed:
        if model.engine.name == "vllm":
            yield from _packed(placement, model)
            if model.args.text("dtype", "auto") in _FLOAT32:
                yield _wide(placement, model)
        elif model.engine.name == "llama.cpp":
            yield from _full_heads(placement, model)


def remedies(placement: Placement, finding: Finding) -> Iterator[tuple[Fix, ...]]:
    """Serving in 16 bit, where that is what is wrong."""
    if finding.code == "QNT003":
        yield (Fix("dtype bfloat16", (SetArgument(finding.model or "", "dtype", "bfloat16"),)),)


def _method(model: Model) -> str | None:
    """How it is packed: by its own files, or by what the engine is told to do with them."""
    source = (model.source or "").lower()
    if source.endswith(".gguf"):
        return "gguf"
    known = find_architecture(model.source) if model.source else None
    stored = known.quantization.method if known and known.quantization else ""
    said = model.args.text("quantization", stored)
    return said if said in _LEFT else None


def _packed(placement: Placement, model: Model) -> Iterator[Finding]:
    method = _method(model)
    if method is None:
        return
    version = placement.version_of(model) or model.engine.version or NEWEST
    since, plugin = _LEFT[method]
    if placement.accelerator_of(model).vendor == "amd":
        words = f"{method} is none of the quantisations vLLM takes on ROCm"
        yield placement.finding("QNT002", Severity.ERROR, model, words)
    elif version >= since:
        words = f"{method} left vLLM's core in {since[0]}.{since[1]}: vLLM {version} needs {plugin}"
        yield placement.finding("QNT001", Severity.WARNING, model, words)


def _wide(placement: Placement, model: Model) -> Finding:
    weights = sum(share.weights_bytes for share in placement.estimates[model.name].shares)
    words = f"float32 takes {gib_text(weights)} for weights where 16 bit takes {gib_text(weights // 2)}"
    return placement.finding("QNT003", Severity.WARNING, model, words, weights_bytes=weights, saved_bytes=weights // 2)


def _full_heads(placement: Placement, model: Model) -> Iterator[Finding]:
    known = find_architecture(model.source) if model.source else None
    if known is None or known.gguf is None or known.gguf.latents:
        return
    told = options(model.args, model.engine.version)
    sizes = latent_cache_bytes(known, told, placement.estimates[model.name].max_model_len or known.max_positions)
    if sizes:
        latent, full = sizes
        words = (
            f"its file lacks the tensors of latent attention: the cache takes {gib_text(full)}, not {gib_text(latent)}"
        )
        yield placement.finding("QNT004", Severity.WARNING, model, words, latent_bytes=latent, full_heads_bytes=full)
