"""What a vLLM command line comes to: its arguments, and the version's defaults where they are absent.

Only what a version does by default and how it words a refusal is shared with the estimator; every size comes
from the recorded truths.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fleet.estimate.vllm import refusals
from fleet.estimate.vllm.versions import Era, Generation, default_batch, era
from fleet.hardware import Accelerator
from fleet.model import Scalar, Version
from fleet.simulator.truths import VllmTruth
from fleet.units import MiB

BLOCK = 16
"""Tokens in one block of the KV cache."""
_WORKSPACE = 32 * MiB
_SORT_ROW_BYTES, _TRITON_ROW_BYTES = 38.4, 14
"""Peak of the two samplers for each sequence and vocabulary entry (vLLM through 0.16, and since)."""


class UsageMistake(Exception):
    """What the command line's own parser refuses."""


class Unacceptable(Exception):
    """What the engine's configuration refuses, in its own words."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One engine's settings, all known."""

    version: Version
    era: Era
    utilization: float
    max_model_len: int
    sequences: int
    batched_tokens: int
    chunked: bool
    eager: bool
    tensor_parallel: int
    tensor_bytes: float
    """Bytes of a weight or activation over those of bfloat16."""
    kv_bytes: float
    """Bytes of a cached value over those of bfloat16."""

    @property
    def v0(self) -> bool:
        """Whether the V0 engine runs."""
        return self.era.generation is Generation.V0

    def weights(self, truth: VllmTruth) -> int:
        """Weights on each GPU, in bytes."""
        shared = (truth.weights - truth.replicated) / self.tensor_parallel
        return round((shared + truth.replicated) * self.tensor_bytes)

    def peak(self, truth: VllmTruth) -> int:
        """Peak of the profile run on each GPU: the forward pass or the sampler, whichever is larger."""
        forward = self.batched_tokens * (truth.residual_token + truth.mlp_token / self.tensor_parallel)
        sampling = self.sampling(truth) + self.batched_tokens * truth.hidden_token * self.tensor_bytes
        images = self.batched_tokens * truth.vision_token
        return round(max(forward * self.tensor_bytes, sampling)) + images + _WORKSPACE

    def sampling(self, truth: VllmTruth) -> int:
        """The sampler's own part of that peak."""
        row = float(truth.sampler_row)
        if self.era.release >= (0, 17):
            row *= _TRITON_ROW_BYTES / _SORT_ROW_BYTES
        return round(self.sequences * row * self.tensor_bytes)

    def block_bytes(self, truth: VllmTruth) -> int:
        """One block of KV cache on each GPU."""
        heads = max(1, truth.kv_heads // self.tensor_parallel)
        return round(BLOCK * truth.kv_token * heads / truth.kv_heads * self.kv_bytes)


def settings(arguments: Mapping[str, Scalar], truth: VllmTruth, version: Version, accelerator: Accelerator) -> Settings:
    """Read a command line's arguments. Raises UsageMistake or Unacceptable."""
    given = _Given(arguments)
    of = era(version, accelerator.vendor)
    length = given.count("max-model-len", truth.context_length)
    chunked = _chunked(arguments, length, truth, of)
    tokens, sequences = _default_batch(of, accelerator, length, chunked)
    wanted = Settings(
        version=version,
        era=of,
        utilization=given.number("gpu-memory-utilization", of.default_utilization),
        max_model_len=length,
        sequences=given.count("max-num-seqs", sequences),
        batched_tokens=given.count("max-num-batched-tokens", tokens),
        chunked=chunked,
        eager=arguments.get("enforce-eager") is True,
        tensor_parallel=given.count("tensor-parallel-size", 1),
        tensor_bytes=2.0 if given.text("dtype") in {"float32", "float"} else 1.0,
        kv_bytes=_kv_bytes(given),
    )
    _check(wanted, truth)
    return wanted


def _chunked(arguments: Mapping[str, Scalar], length: int, truth: VllmTruth, of: Era) -> bool:
    said = arguments.get("enable-chunked-prefill")
    if isinstance(said, bool):
        return said
    return of.generation is Generation.V1 or (length > 32_768 and not truth.vision_token)


def _default_batch(of: Era, accelerator: Accelerator, length: int, chunked: bool) -> tuple[int, int]:
    tokens, sequences = default_batch(of, accelerator)
    if of.generation is Generation.V0:
        tokens, sequences = of.chunk_tokens, 256
    return (tokens if chunked else max(length, tokens)), sequences


def _kv_bytes(given: _Given) -> float:
    kind = given.text("kv-cache-dtype") or "auto"
    if kind == "auto":
        return 2.0 if given.text("dtype") in {"float32", "float"} else 1.0
    if kind.startswith("fp8"):
        return 0.5
    raise UsageMistake(
        f"argument --kv-cache-dtype: invalid choice: '{kind}' (choose from 'auto', 'fp8', 'fp8_e4m3', 'fp8_e5m2')"
    )


def _check(wanted: Settings, truth: VllmTruth) -> None:
    if wanted.utilization > 1:
        raise Unacceptable(f"GPU memory utilization must be less than 1.0. Got {wanted.utilization}.")
    refusal = None
    if wanted.max_model_len > truth.context_length:
        refusal = refusals.longer_than_model(wanted.max_model_len, truth.context_length)
    elif truth.heads % wanted.tensor_parallel:
        refusal = refusals.heads_not_divisible(truth.heads, wanted.tensor_parallel)
    refusal = refusal or refusals.batch_too_small(
        tokens=wanted.batched_tokens,
        length=wanted.max_model_len,
        sequences=wanted.sequences,
        chunked=wanted.chunked,
    )
    if refusal is not None:
        raise Unacceptable(refusal.sentence)


class _Given:
    """Arguments as the command line's parser types them."""

    def __init__(self, arguments: Mapping[str, Scalar]) -> None:
        self._arguments = arguments

    def text(self, flag: str) -> str | None:
        value = self._arguments.get(flag)
        return None if value is None else str(value)

    def number(self, flag: str, default: float) -> float:
        value = self._arguments.get(flag, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UsageMistake(f"argument --{flag}: invalid float value: '{value}'")
        return float(value)

    def count(self, flag: str, default: int) -> int:
        value = self._arguments.get(flag, default)
        match = re.fullmatch(r"(\d+)([kK]?)", str(value))
        if match is None or not int(match[1]):
            raise UsageMistake(f"argument --{flag}: invalid int value: '{value}'")
        return int(match[1]) * ({"k": 1000, "K": 1024}.get(match[2], 1))
