"""The arithmetic people do on paper, with its steps: weights, cache, training. Decimal units, whole bytes.

Nothing of an engine enters; `fleet.estimate.estimating` is the estimate to plan with.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from fleet.units import GB, KB, MB, KiB, count


class Precision(StrEnum):
    """What one number is stored in."""

    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"
    INT8 = "int8"
    INT4 = "int4"

    @property
    def bits(self) -> int:
        """Bits of one number."""
        return {"fp32": 32, "int8": 8, "int4": 4}.get(self.value, 16)


FRAGMENTATION = (0.2, 0.3)
"""Share of the cache lost where memory is set aside in one piece for each sequence, low and high."""
OPTIMISER, GRADIENTS, ACTIVATIONS, BUFFERS = 2, 1, 1, 2
"""What training takes, in multiples of the weights: together the six of "about 6 x weights"."""
TRAINING = OPTIMISER + GRADIENTS + ACTIVATIONS + BUFFERS


@dataclass(frozen=True, slots=True)
class Paper:
    """What somebody with a pencil knows of a model and its use."""

    parameters: int
    precision: Precision = Precision.FP16
    layers: int = 0
    """0 leaves the cache out."""
    kv_width: int = 0
    """Elements of one token's key in one layer: the hidden size, or KV heads x head size where heads are grouped."""
    cache_precision: Precision = Precision.FP16
    tokens: int = 0
    """Of one sequence, prompt and answer."""
    sequences: int = 1
    """Of one request: n, or the beam width."""
    users: int = 1
    """Requests at once."""
    activation_share: float = 0.05
    """Of weights and cache together."""
    overhead_share: float = 0.05
    beside_bytes: int | None = None
    """Activations and overhead as one figure instead of the two shares."""
    block_tokens: int = 16
    """Tokens of one block where the cache is paged."""
    adapter_share: float = 0.01
    """Weights of an adapter over those of the model."""
    gpu_bytes: int | None = None
    """Memory of one GPU, to say how many it takes."""


@dataclass(frozen=True, slots=True)
class Reckoned:
    """The results, in bytes, and what they were reckoned from."""

    paper: Paper
    weights_bytes: int
    token_bytes: int
    sequence_bytes: int
    request_bytes: int
    """One user's sequences."""
    kv_cache_bytes: int
    """Every user's."""
    activations_bytes: int
    overhead_bytes: int
    """0 where the paper gives one figure for both, which then is in ``activations_bytes``."""
    fragmentation_bytes: tuple[int, int]
    """Lost beside the cache without paging, low and high; in no total."""
    paged_waste_bytes: int
    """Lost at most with paging: one block of each sequence; in no total."""
    training_bytes: int
    """Optimiser, gradients, activations and buffers; the weights themselves not among them."""
    adapter_tuning_bytes: int
    """Weights and activations of the model, and six times the adapter."""

    @property
    def total_bytes(self) -> int:
        """To serve: weights, cache, activations and overhead."""
        return self.weights_bytes + self.kv_cache_bytes + self.activations_bytes + self.overhead_bytes

    @property
    def gpus(self) -> int | None:
        """GPUs it takes to serve, by their memory alone; None where their memory is not given."""
        return -(-self.total_bytes // self.paper.gpu_bytes) if self.paper.gpu_bytes else None


def reckon(paper: Paper) -> Reckoned:
    """All results at once."""
    weights = paper.parameters * paper.precision.bits // 8
    token = 2 * paper.layers * paper.kv_width * paper.cache_precision.bits // 8
    sequence = token * paper.tokens
    cache = sequence * paper.sequences * paper.users
    low, high = FRAGMENTATION
    given = paper.beside_bytes
    adapter = round(weights * paper.adapter_share)
    return Reckoned(
        paper=paper,
        weights_bytes=weights,
        token_bytes=token,
        sequence_bytes=sequence,
        request_bytes=sequence * paper.sequences,
        kv_cache_bytes=cache,
        activations_bytes=round((weights + cache) * paper.activation_share) if given is None else given,
        overhead_bytes=round((weights + cache) * paper.overhead_share) if given is None else 0,
        fragmentation_bytes=(round(cache * low), round(cache * high)),
        paged_waste_bytes=token * paper.block_tokens * paper.sequences * paper.users if cache else 0,
        training_bytes=TRAINING * weights,
        adapter_tuning_bytes=(1 + ACTIVATIONS) * weights + TRAINING * adapter,
    )


def steps(result: Reckoned) -> tuple[str, ...]:
    """The reckoning as lines, every one with its units, the sums shown."""
    return (*_weights(result), *_cache(result), *_serving(result), *_paging(result), *_training(result))


def paper_size(size: int) -> str:
    """A size as one writes it on paper, decimal: whole from 10 on, one decimal below: ``26 GB``, ``1.6 GB``."""
    unit, name = _unit(size)
    return f"{_rounded(size, unit)} {name}" if size >= KB else f"{count(size)} B"


def _unit(size: int) -> tuple[int, str]:
    return (GB, "GB") if size >= GB else (MB, "MB") if size >= MB else (KB, "KB")


def _rounded(size: int, unit: int) -> Decimal:
    """``size`` in ``unit``: whole from 10 on, one decimal from 1 on, two below; no zeros at the end."""
    value = Decimal(size) / unit
    step = Decimal("1") if value >= 10 else Decimal("0.1") if value >= 1 else Decimal("0.01")
    shown = value.quantize(step, ROUND_HALF_UP)
    return shown.to_integral_value() if shown == shown.to_integral_value() else shown.normalize()


def _percent(share: float) -> str:
    return f"{100 * share:g} %"


def _line(label: str, product: str, size: int) -> str:
    return f"{label}: {product} = {count(size)} B = {paper_size(size)}"


def _weights(result: Reckoned) -> tuple[str, ...]:
    precision = result.paper.precision
    product = f"{count(result.paper.parameters)} parameters x {_bytes_of(precision)} B ({precision})"
    return (_line("weights", product, result.weights_bytes),)


def _bytes_of(precision: Precision) -> str:
    return f"{Decimal(precision.bits) / 8:f}"


def _cache(result: Reckoned) -> list[str]:
    paper, token = result.paper, result.token_bytes
    if not token:
        return []
    binary = f" ({token // KiB:,} KB of 1,024 B)" if token % KiB == 0 else ""
    lines = [
        f"KV cache of one token: 2 (key and value) x {paper.layers} layers x {count(paper.kv_width)} wide x "
        f"{_bytes_of(paper.cache_precision)} B = {count(token)} B{binary}"
    ]
    if paper.tokens:
        lines.append(
            _line("KV cache of one sequence", f"{count(token)} B x {count(paper.tokens)} tokens", result.sequence_bytes)
        )
    if paper.tokens and paper.sequences > 1:
        product = f"{count(result.sequence_bytes)} B x {paper.sequences} sequences (n, or beam width)"
        lines.append(_line("KV cache of one request", product, result.request_bytes))
    if paper.tokens and paper.users > 1:
        lines.append(
            _line(
                "KV cache of all users", f"{count(result.request_bytes)} B x {paper.users} users", result.kv_cache_bytes
            )
        )
    return lines


def _serving(result: Reckoned) -> list[str]:
    paper = result.paper
    both = f"({paper_size(result.weights_bytes)} + {paper_size(result.kv_cache_bytes)})"
    if paper.beside_bytes is not None:
        lines = [f"activations and overhead: {paper_size(paper.beside_bytes)}, as given"]
    else:
        lines = [
            _line(name, f"{_percent(share)} of {both}", size)
            for name, share, size in (
                ("activations", paper.activation_share, result.activations_bytes),
                ("overhead", paper.overhead_share, result.overhead_bytes),
            )
        ]
    terms, total = _sum(result)
    lines.append(f"to serve: {terms} = {total} (exactly {count(result.total_bytes)} B)")
    if result.gpus and paper.gpu_bytes:
        each = paper_size(paper.gpu_bytes)
        lines.append(f"GPUs of {each}: {total} / {each}, rounded up = {result.gpus}")
    return lines


def _sum(result: Reckoned) -> tuple[str, str]:
    """The terms as they were rounded above, and the sum of those."""
    terms = (result.weights_bytes, result.kv_cache_bytes, result.activations_bytes, result.overhead_bytes)
    unit, name = _unit(result.total_bytes)
    shown = [_rounded(term, unit) for term in terms if term]
    return " + ".join(f"{term} {name}" for term in shown), f"{sum(shown)} {name}"


def _paging(result: Reckoned) -> list[str]:
    if not result.kv_cache_bytes:
        return []
    low, high = result.fragmentation_bytes
    return [
        f"without paging {100 * FRAGMENTATION[0]:g} to {_percent(FRAGMENTATION[1])} of the cache is lost to gaps: "
        f"{paper_size(low)} to {paper_size(high)}, not in the sum",
        f"with paging at most one block of {result.paper.block_tokens} tokens of each sequence: "
        f"{paper_size(result.paged_waste_bytes)}, not in the sum",
    ]


def _training(result: Reckoned) -> list[str]:
    weights = result.weights_bytes
    parts = ", ".join(
        f"{name} {times} x = {paper_size(times * weights)}"
        for name, times in (
            ("optimiser", OPTIMISER),
            ("gradients", GRADIENTS),
            ("activations", ACTIVATIONS),
            ("buffers", BUFFERS),
        )
    )
    share = f"{result.paper.adapter_share:.3g}"
    return [
        f"to train: about {TRAINING} x weights = {paper_size(result.training_bytes)}: {parts}",
        f"to fine-tune all weights: as to train, {paper_size(result.training_bytes)}; the six leave out the weights "
        f"themselves, with them {TRAINING + 1} x = {paper_size(result.training_bytes + weights)}",
        f"to fine-tune an adapter of {share} x the weights: weights 1 x + activations {ACTIVATIONS} x + "
        f"{TRAINING} x {share} x = {paper_size(result.adapter_tuning_bytes)}",
    ]
