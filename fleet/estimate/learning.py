"""What a recorded start of a model teaches of another: whether it is of the same engine, and, for engines without rules
of their own, its numbers where nothing has changed.

vLLM's rules, which part holds while what stays the same, are in `fleet.estimate.vllm.learning`.
"""

from __future__ import annotations

from dataclasses import replace

from fleet.arguments import arguments
from fleet.estimate import Estimate, GpuShare, Origin, Origins
from fleet.estimate.measured import End
from fleet.estimate.room import NOTHING, Room
from fleet.model import Model, Version
from fleet.startup import ModelStart, RankStart, Size

HARMLESS = frozenset({
    "host", "port", "uds", "root-path", "served-model-name", "api-key", "uvicorn-log-level", "log-level", "seed",
    "disable-log-requests", "disable-log-stats", "enable-log-requests", "max-log-len", "disable-uvicorn-access-log",
    "chat-template", "chat-template-content-format", "response-role", "enable-auto-tool-choice", "tool-call-parser",
    "tool-parser-plugin", "reasoning-parser", "enable-reasoning", "generation-config", "override-generation-config",
    "allow-credentials", "allowed-origins", "allowed-methods", "allowed-headers", "middleware", "ssl-keyfile",
    "ssl-certfile", "return-tokens-as-token-ids", "enable-prompt-tokens-details", "download-dir", "revision",
    "tokenizer", "tokenizer-mode", "trust-remote-code", "swap-space", "scheduling-policy", "max-logprobs",
    "guided-decoding-backend", "structured-outputs-config", "metrics", "alias", "no-webui", "log-file", "jinja",
    "threads", "threads-batch", "threads-http", "timeout", "model", "model-path", "hf-config-path",
})  # fmt: skip
"""Arguments that change nothing on a GPU."""


def is_of(recorded: ModelStart, accelerator: str, version: Version | None) -> bool:
    """Whether a start was measured undisturbed, on that kind of GPU, by that release of the engine (None: any)."""
    if not recorded.teaches or recorded.accelerator != accelerator:
        return False
    if version is None:
        return True
    try:
        return Version(recorded.startup.build).release == version.release
    except ValueError:
        return False


def at(size: Size, end: End) -> int:
    """A printed size at one end of its rounding."""
    if end is End.CENTRAL:
        return size.bytes
    return size.bytes + (size.within if end is End.HIGH else -size.within)


def as_recorded(reckoned: Estimate, model: Model, recorded: ModelStart, room: Room) -> Estimate:
    """The estimate with the sizes a start measured, where every argument that could change them is the same."""
    version = model.engine.version if recorded.startup.build else None
    same = recorded.startup.engine == model.engine.name and not changed(model, recorded)
    used = [index for index, share in enumerate(reckoned.shares) if share.total_bytes]
    if not same or not is_of(recorded, room.accelerator.name, version) or len(used) != len(recorded.startup.ranks):
        return reckoned
    shares = [NOTHING] * len(reckoned.shares)
    for index, rank in zip(used, recorded.startup.ranks, strict=True):
        shares[index] = _share(reckoned.shares[index], rank, room.end)
    tokens = recorded.startup.cache_tokens
    origin = Origin.MEASURED if tokens else reckoned.cache_origin
    tokens = tokens or reckoned.kv_cache_tokens
    return replace(reckoned, shares=tuple(shares), basis="calibrated", kv_cache_tokens=tokens, cache_origin=origin)


def within_budget(budget: Estimate, model: Model, recorded: ModelStart, end: End, graphs_inside: bool) -> Estimate:
    """The parts of a budget whose filling nobody can reckon, as a start of the same arguments printed them.

    ``graphs_inside`` = whether this version takes captured graphs off its budget, else they come on top of it.
    """
    ranks, said = recorded.startup.ranks, recorded.startup
    if changed(model, recorded) or len(ranks) != len(budget.shares) or not all(rank.cache for rank in ranks):
        return budget
    shares = tuple(_filled(*each, end, graphs_inside) for each in zip(budget.shares, ranks, strict=True))
    if min(share.context_bytes for share in shares) < 0:
        return budget
    return replace(
        budget,
        shares=shares,
        kv_cache_tokens=said.cache_tokens,
        kv_cache_blocks=said.cache_blocks,
        max_model_len=said.max_model_len,
        max_concurrency=said.max_concurrency,
        basis="calibrated",
        cache_origin=Origin.MEASURED,
    )


def _filled(budget: GpuShare, rank: RankStart, end: End, graphs_inside: bool) -> GpuShare:
    parts = (rank.weights, rank.cache, rank.activations, rank.graphs)
    weights, cache, activations, graphs = (at(part, end) if part else 0 for part in parts)
    of_weights, of_cache, of_activations, of_graphs = (Origin.MEASURED if part else Origin.MODELLED for part in parts)
    beside = budget.kv_cache_bytes - weights - cache - activations - (graphs if graphs_inside else 0)
    total = budget.total_bytes + (0 if graphs_inside else graphs)
    origins = Origins(of_weights, of_cache, of_activations, of_graphs, Origin.CALIBRATED)
    return GpuShare(weights, cache, activations, graphs, budget.context_bytes + beside, total, total, origins)


def changed(model: Model, recorded: ModelStart) -> bool:
    """Whether an argument that could change memory is another than the start had.

    One that only the start's own command line has counts where it is known to: the rest is there at the next too.
    """
    known = {argument.flag for argument in arguments(model.engine.name)}
    flags = {*model.args, *(known & set(recorded.args))} - HARMLESS
    return any(model.args.get(flag) != recorded.args.get(flag) for flag in flags)


def _share(share: GpuShare, rank: RankStart, end: End) -> GpuShare:
    def known(size: Size | None, modelled: int) -> tuple[int, Origin]:
        return (at(size, end), Origin.MEASURED) if size else (modelled, Origin.MODELLED)

    weights, of_weights = known(rank.weights, share.weights_bytes)
    cache, of_cache = known(rank.cache, share.kv_cache_bytes)
    activations, of_activations = known(rank.activations, share.activations_bytes)
    graphs, of_graphs = known(rank.graphs, share.graphs_bytes)
    total = weights + cache + activations + graphs + share.context_bytes
    origins = Origins(of_weights, of_cache, of_activations, of_graphs)
    return GpuShare(weights, cache, activations, graphs, share.context_bytes, total, total, origins)
