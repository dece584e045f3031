"""How fast a model decodes, roughly: bound by the memory it reads for every token. Ranges, with their assumptions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from fleet.architecture.architecture import Architecture, Span
from fleet.estimate.checkpoint import head_bytes, layer_bytes
from fleet.estimate.kept import looks_back, state_bytes, token_bytes
from fleet.estimate.measured import ALL_REDUCE_MICROSECONDS, BANDWIDTH_REACHED, LAYER_MICROSECONDS, End
from fleet.hardware import Accelerator

_MICROSECOND = 1e-6
_SWITCHING = 0.9
"""What is left of a GPU's time at least where two processes take turns on it."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """What decodes: a batch of sequences, all of one length, on one copy of the model."""

    batch: int = 1
    length: int = 1024
    """Tokens of context each sequence has."""
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    cache_bytes: float = 2.0
    """Of one cached element."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens a second of one sequence, and of the whole batch, low and high."""

    low: float
    high: float
    batch: int = 1
    assumptions: tuple[str, ...] = ()
    """One sentence each."""

    @property
    def total(self) -> tuple[float, float]:
        """Tokens a second of the whole batch, low and high."""
        return self.low * self.batch, self.high * self.batch


@lru_cache(maxsize=4096)
def read_bytes(architecture: Architecture, decoding: Decoding) -> int:
    """Bytes one rank of each pipeline stage reads for one step of the batch, all stages together.

    The weights that take part, once for the whole batch; of a mixture of experts those its tokens are sent to. The
    cache of every sequence, and its recurrent state, which is written back too. Of the embedding only rows are read.
    """
    tp = decoding.tensor_parallel
    weights = active_weight_bytes(architecture, decoding.batch, tp)
    element = decoding.cache_bytes
    cached = sum(
        token_bytes(architecture, layer, element, element, tp) * looks_back(architecture, layer, decoding.length)
        for layer in range(architecture.layers)
    )
    states = 2 * state_bytes(architecture, range(architecture.layers)) / tp
    return weights + round(decoding.batch * (cached + states))


def active_weight_bytes(architecture: Architecture, batch: int = 1, tp: int = 1) -> int:
    """Bytes of the weights a step of that batch reads on one rank: a GGUF file's own where they are known."""
    taking_part = distinct_experts(architecture, batch)
    total, stored = 0.0, 0
    for layer in range(architecture.layers):
        weights = layer_bytes(architecture, layer, tp)
        total += weights.attention + weights.mlp + weights.experts * taking_part
        stored += weights.total
    total, stored = total + head_bytes(architecture, tp), stored + head_bytes(architecture, tp)
    if architecture.gguf:
        total *= (sum(architecture.gguf.layer_bytes) + architecture.gguf.output_bytes) / tp / stored
    return round(total)


def distinct_experts(architecture: Architecture, batch: int) -> float:
    """The share of a layer's experts that a batch is expected to reach, were every expert as likely as any other."""
    experts = architecture.experts
    if experts is None:
        return 1.0
    return 1.0 - (1.0 - experts.per_token / experts.count) ** batch


def decode(architecture: Architecture, accelerator: Accelerator, decoding: Decoding | None = None) -> Speed:
    """Tokens a second while decoding, with nobody else on the GPUs.

    A step takes the time to read `read_bytes` at the share of the bandwidth that decoding reaches, the launches of
    every layer, and the all-reduces between tensor parallel ranks. One batch passes the stages of a pipeline one
    after the other; at best each stage works on its own part of the batch meanwhile, reading its weights for it alone.
    """
    asked = decoding or Decoding()
    low = 1 / _step_seconds(architecture, accelerator, asked, End.LOW)
    high = 1 / _step_seconds(architecture, accelerator, asked, End.HIGH)
    if asked.pipeline_parallel > 1:
        part = replace(asked, batch=-(-asked.batch // asked.pipeline_parallel))
        high = 1 / _step_seconds(architecture, accelerator, part, End.HIGH)
    return Speed(low, high, asked.batch, _assumptions(architecture, accelerator, asked))


def _step_seconds(architecture: Architecture, accelerator: Accelerator, decoding: Decoding, end: End) -> float:
    """Seconds of one step at the slow (LOW) or fast (HIGH) end of the spreads."""
    slow = End.HIGH if end is End.LOW else End.LOW
    reading = read_bytes(architecture, decoding) / (accelerator.bandwidth * BANDWIDTH_REACHED.at(end))
    each = LAYER_MICROSECONDS.at(slow)
    if decoding.tensor_parallel > 1:
        each += 2 * ALL_REDUCE_MICROSECONDS.at(slow)
    return reading + architecture.layers * each * _MICROSECOND


def share(alone: Sequence[Speed]) -> tuple[Speed, ...]:
    """What models that decode on one GPU at the same time get of their speeds alone, each as a range.

    The GPU's time is what they share, so their parts of it add up to one at most. How it is shared lies between two
    ways: whole steps in turn, which slows all of them to one common speed, and equal parts of the time, which
    leaves each its speed divided by their number. The slower end also loses a tenth to switching.

    Published: 7B alone 150 and 34B alone 32 tokens/s; together 32 and 25, which are 0.21 and 0.78 of the GPU's time.
    Steps in turn would give 26 and 26, equal parts 75 and 16. Alone they are what `decode` gives in 16 bit on an
    MI300X that reaches 0.4 of its bandwidth, and on an H100 that reaches 0.65.
    """
    if len(alone) < 2:
        return tuple(alone)
    count = len(alone)
    in_turn_low = 1 / sum(1 / speed.low for speed in alone)
    in_turn_high = 1 / sum(1 / speed.high for speed in alone)
    sentence = (
        f"{count} models decode on this GPU at once: between whole steps in turn and an equal part of the time each, "
        "and up to a tenth lost to switching."
    )
    return tuple(
        Speed(
            low=min(in_turn_low, speed.low / count) * _SWITCHING,
            high=max(in_turn_high, speed.high / count),
            batch=speed.batch,
            assumptions=(*speed.assumptions, sentence),
        )
        for speed in alone
    )


def _assumptions(architecture: Architecture, accelerator: Accelerator, decoding: Decoding) -> tuple[str, ...]:
    low, high = 100 * BANDWIDTH_REACHED.low, 100 * BANDWIDTH_REACHED.high
    most = f"{accelerator.bandwidth / 1e12:g} TB/s of an {accelerator.name}"
    sentences = [
        f"Decoding reaches {low:g} to {high:g} % of the {most}.",
        f"A batch of {decoding.batch} with {decoding.length:,} tokens of context each, and no prompt being read.",
    ]
    if architecture.experts:
        used = round(distinct_experts(architecture, decoding.batch) * architecture.experts.count)
        sentences.append(f"Of {architecture.experts.count} experts {used} are read for a step, all being as likely.")
    if decoding.tensor_parallel > 1:
        sentences.append(f"Each layer of {decoding.tensor_parallel} ranks waits for two all-reduces.")
    if decoding.pipeline_parallel > 1:
        sentences.append("A sequence passes the pipeline's stages in turn; only a batch can keep all of them busy.")
    if Span.RECURRENT in architecture.spans:
        sentences.append("Recurrent states are kept in 32 bit, read and written back at every step.")
    return tuple(sentences)
