"""Constants that only measurements give, each with its source and its spread. The one table of them.

Everything else in an estimate follows from the model's architecture and the engine's source.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fleet.units import GiB


class End(StrEnum):
    """Which end of every spread a number was reckoned with."""

    LOW = "low"
    CENTRAL = "central"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Spread:
    """A measured constant: GiB, or GiB per layer where the name says so, or a factor."""

    low: float
    central: float
    high: float
    source: str

    def at(self, end: End) -> float:
        """The value at that end."""
        if end is End.CENTRAL:
            return self.central
        return self.low if end is End.LOW else self.high

    def bytes_at(self, end: End, times: int = 1) -> int:
        """``times`` the value at that end, GiB as bytes."""
        return round(self.at(end) * times * GiB)


CONTEXT_FACTOR = Spread(
    0.75,
    1.0,
    1.4,
    "total less free on idle cards: 0.24 GiB beside the driver on bare metal, 0.33 on a VF (MI300X)",
)

# What a start measured, at the next one with the same arguments.
RESTART_CUDA = Spread(-0.05, 0.0, 0.05, "vLLM 0.19 on H100: the same to 0.01 GiB, start after start")
RESTART_V0_ROCM = Spread(-0.2, 0.0, 0.2, "vLLM 0.6.4 on MI300X, one and eight GPUs: 0.04 to 0.16 GiB apart")
RESTART_V1_ROCM = Spread(-0.45, 0.0, 0.45, "vLLM 0.28 on MI300X: 0.43 GiB apart, twice")

# Weights as the engine counts them, beyond the tensors.
ROCM_LOADING = Spread(
    0.30,
    0.32,
    0.42,
    "vLLM 0.7 to 0.20 on ROCm reads the driver's count: Llama-3.1-8B 15.30 for 14.99 GiB, MI300X",
)

# Memory outside PyTorch's allocator that counts against the budget.
NON_TORCH_V0_CUDA = Spread(0.0, 0.06, 0.33, "V0 start-ups on A100, H100, H200 and L4, one GPU")
NON_TORCH_V0_CUDA_RESERVED = Spread(
    0.2, 0.5, 0.75, "V0 to 0.6.3 counts what PyTorch has reserved, not what it uses: six start-ups of 0.4.1 on A6000"
)
NON_TORCH_V0_CUDA_PARALLEL = Spread(0.2, 0.3, 0.6, "V0 start-ups with tensor parallelism on NVIDIA")
NON_TORCH_V0_ROCM = Spread(
    0.12,
    0.30,
    0.75,
    "vLLM 0.9.0 and 0.9.2dev on MI300X print 0.59 to 0.66, load-time memory in it, after a batch of 131k tokens",
)
NON_TORCH_V0_ROCM_EARLY = Spread(1.0, 1.9, 3.0, "vLLM 0.5.5 and 0.6.4 on MI300X, one GPU: what the closed forms leave")
NON_TORCH_V0_ROCM_PARALLEL = Spread(2.0, 6.5, 9.3, "vLLM 0.6.4 on eight MI300X: 6.8 to 9.3 GiB a rank with RCCL")
NON_TORCH_V1_CUDA_EARLY = Spread(0.07, 0.13, 0.25, "V1 to 0.17 on H100, one GPU")
NON_TORCH_V1_CUDA = Spread(0.07, 0.25, 0.46, "V1 from 0.18 on H100, one GPU, some thirty models")
NON_TORCH_V1_CUDA_PARALLEL_EARLY = Spread(
    0.4, 0.54, 1.4, "V1 to 0.17 on H100, two GPUs; later on cards without a switch"
)
NON_TORCH_V1_CUDA_PARALLEL = Spread(
    1.6, 2.1, 2.4, "V1 from 0.18 on H100, two and four GPUs: NCCL's buffers for the switch"
)
NON_TORCH_V1_ROCM = Spread(0.1, 0.3, 0.8, "vLLM 0.19.1 and 0.28.0 on MI300X, what the closed forms leave")
NON_TORCH_V1_ROCM_PARALLEL = Spread(1.0, 2.1, 6.8, "as on NVIDIA; RCCL adds buffers per channel")

# Captured graphs.
GRAPHS_PER_LAYER_V0_CUDA = Spread(0.001, 0.012, 0.02, "V0 on A6000, H200 and L4: 0.03 to 0.42 GiB for 12 to 28 layers")
GRAPHS_PER_LAYER_V0_ROCM = Spread(0.011, 0.022, 0.045, "graphs on ROCm take 1 to 4 GiB where CUDA's take about half")
GRAPHS_PER_LAYER_V1_EARLY = Spread(0.012, 0.022, 0.035, "V1 to 0.10 captures pieces, whatever the batch")
GRAPHS_V1_CUDA = Spread(0.4, 0.7, 1.3, "V1 from 0.11 on H100, dense models: 0.51 to 1.85 GiB, mean 1.04")
GRAPHS_V1_CUDA_MIXED = Spread(0.7, 1.1, 1.9, "the same for mixtures of experts and hybrids")
GRAPHS_V1_ROCM = Spread(0.4, 1.0, 3.9, "V1 on MI300X: 0.28.0 leaves 0.6 to 1.4 GiB for them; 3.9 on a Gemma 4")

# What closed forms of the activation peak leave out.
ACTIVATION_EXCESS = Spread(-0.05, 0.0, 0.10, "thirty start-ups on H100, vLLM 0.19: -0.04 to 0.06 GiB for text models")
VISION_EXCESS = Spread(0.0, 0.1, 0.35, "the same with a vision tower: 0.05 to 0.31 GiB")

# llama.cpp.
COMPUTE_BUFFER_EXCESS = Spread(0.05, 0.15, 0.6, "scratch of the graph beyond logits and the widest layer")

# Speed.
BANDWIDTH_REACHED = Spread(
    0.35,
    0.60,
    0.85,
    "share of the memory bandwidth while decoding: a published 150 and 32 tokens/s of 7B and 34B, their GPU not named, "
    "are in 16 bit 0.4 of an MI300X's or 0.65 of an H100's; the high end is assumed, from what plain copies reach",
)
LAYER_MICROSECONDS = Spread(3, 8, 20, "assumed: launching one layer's kernels, from captured graphs or one by one")
ALL_REDUCE_MICROSECONDS = Spread(8, 15, 40, "assumed: one all-reduce of a decode step within a host")

# SGLang.
SGLANG_GRAPH_MIB = Spread(
    1.0, 2.0, 2.0, "MiB for each sequence of the largest captured batch: what SGLang itself sets aside for graphs"
)
SGLANG_COMMUNICATION = Spread(0.2, 0.5, 1.5, "assumed from vLLM's: NCCL or RCCL before weights are loaded")

# Encoders: text-embeddings-inference and Infinity.
ENCODER_STATES = Spread(
    6, 8, 12, "assumed: hidden-wide states alive at once in a layer, of residual, queries, keys, values and output"
)

# Whisper.
WHISPER_WORKSPACE = Spread(
    0.35,
    0.62,
    0.72,
    "what 4.5, 2.5 and 2.4 GB of large, turbo and distil-large on faster-whisper leave over weights and caches",
)
