"""Every kind of finding: its code, what it means, why it matters, how to end it, where the rule comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fleet.findings import Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of finding, as `gpudeck explain` tells it."""

    code: str
    severity: Severity
    """Its usual severity; a single finding may be milder."""
    title: str
    why: str
    how: str
    source: str


_ALL = (
    Rule(
        "KV001",
        Severity.ERROR,
        "max seq len exceeds the KV cache",
        "vLLM gives the cache what weights and the profile run leave of its share of the GPU. Where that holds less "
        "than one sequence of the largest length, the engine refuses to start. A warning: it holds one by the "
        "central estimate, but not at the high end of the spread.",
        "Lower max-model-len, raise gpu-memory-utilization, or keep the cache in fp8.",
        "vLLM 0.9.0 worker/worker.py raise_if_cache_size_invalid; V1 v1/core/kv_cache_utils.py "
        "check_enough_kv_cache_memory",
    ),
    Rule(
        "KV002",
        Severity.ERROR,
        "no memory for the KV cache",
        "Weights and the peak of the profile run fill the engine's whole share of the GPU, so it refuses to start.",
        "Raise gpu-memory-utilization, or make the batch smaller: max-num-seqs, max-num-batched-tokens.",
        "vLLM 0.9.0 worker/worker.py raise_if_cache_size_invalid; V1 v1/core/kv_cache_utils.py "
        "check_enough_kv_cache_memory",
    ),
    Rule(
        "MEM001",
        Severity.ERROR,
        "will not start beside its neighbours",
        "vLLM's V1 engine begins only where its whole budget, utilization x total memory, is free. Neighbours hold "
        "their budgets and, outside them, a runtime context each; so shares that add up to one do not start together. "
        "A model that runs keeps running: it is the next start that fails. Neighbours are counted with their "
        "activation peak, which PyTorch does not give back once a full batch has been served.",
        "Lower the utilization of one or both, or move one to another GPU.",
        "vLLM 0.9.1 v1/worker/gpu_worker.py init_device, pull requests 18974 and 19312; from 0.14 "
        "v1/worker/utils.py request_memory. On ROCm from 0.9.2, where V1 became the default.",
    ),
    Rule(
        "MEM002",
        Severity.ERROR,
        "GPU over-committed",
        "An error: what the models hold even when they idle (weights, cache, graphs, contexts) is more than the GPU "
        "has, or one alone runs out while loading. A warning: at rest it fits, but the peaks of full batches, or the "
        "high end of the estimate, do not; under load an allocation can fail and end a model.",
        "Lower the utilization of one, or move one to another GPU.",
        "sum of the estimates of the models placed on the GPU, and what its driver holds",
    ),
    Rule(
        "CTX001",
        Severity.ERROR,
        "max-model-len is beyond the model",
        "The length is larger than the positions the model was made for, so the engine refuses to start.",
        "Lower max-model-len to the model's own maximum, or leave it out.",
        "vLLM config.py _get_and_verify_max_len",
    ),
    Rule(
        "CTX002",
        Severity.ERROR,
        "a batch too small for its sequences",
        "Without chunked prefill a batch must hold one sequence of the largest length, and always a token for each "
        "of its sequences; else the engine refuses to start.",
        "Leave max-num-batched-tokens out, or raise it.",
        "vLLM config.py SchedulerConfig",
    ),
    Rule(
        "PAR001",
        Severity.ERROR,
        "the model does not split as asked",
        "Attention heads must divide by tensor-parallel-size, and the place must have a GPU for every rank; else the "
        "engine refuses to start.",
        "Choose a tensor-parallel-size that divides the heads, and a place with as many GPUs.",
        "vLLM config.py verify_with_parallel_config; platforms/cuda.py",
    ),
)
RULES: Mapping[str, Rule] = MappingProxyType({rule.code: rule for rule in _ALL})
"""By code."""
