"""vLLM's start-up lines, 0.5 to 0.33. All its sizes are GiB, also those it calls GB (it divides by 2^30)."""

from __future__ import annotations

import re

from fleet.calibration.dialect import COUNT, NUMBER, SERVICE_BEGINS, Begin, Dialect
from fleet.startup import Ending
from fleet.units import GiB

_N = NUMBER
_FACTS = (
    # 0.5 to 0.33: every process after its load; "and S seconds" from 0.8
    rf"(?:Loading model weights|Model loading) took (?P<weights>{_N}) Gi?B(?: memory)?(?: and (?P<seconds>{_N}) sec)?",
    # 0.6.4
    rf"Memory profiling results: .*?peak_torch_memory=(?P<peak>{_N})Gi[Bb] .*?"
    rf"non_torch_memory=(?P<non_torch>{_N})Gi[Bb] kv_cache_size=(?P<cache>{_N})Gi[Bb]",
    # V0 from 0.6.6
    rf"model weights take (?P<weights>{_N})GiB; non_torch_memory takes (?P<non_torch>{_N})GiB; PyTorch activation peak "
    rf"memory takes (?P<activations>{_N})GiB; the rest of the memory reserved for KV Cache is (?P<cache>{_N})GiB",
    # V1, where it is told to log everything
    rf"torch peak memory increase: (?P<activations>{_N})GiB; "
    rf"non-torch forward increase memory: (?P<non_torch>{_N})GiB; weights memory: (?P<weights>{_N})GiB",
    # the same from 0.27, where what is gone from the driver counts
    rf"torch peak memory increase: (?P<activations>{_N})GiB; total consumed \(from mem_get_info\): "
    rf"(?P<consumed>{_N})GiB; weights memory: (?P<weights>{_N})GiB",
    # V1 from 0.9.1
    rf"Available KV cache memory: (?P<cache>{_N}) GiB",
    # V1 from 0.10.2, after the graphs are captured; from 0.12 only where it logs everything
    rf"Actual usage is (?P<weights>{_N}) GiB for weight, (?P<activations>{_N}) GiB for peak activation, "
    rf"(?P<non_torch>{_N}) GiB for non-torch memory, and (?P<graphs>{_N}) GiB for CUDAGraph memory",
    rf"Actual usage is (?P<consumed>{_N}) GiB for consumed memory \(weights \+ non-torch\), "
    rf"(?P<activations>{_N}) GiB for peak activation, and (?P<graphs>{_N}) GiB for CUDAGraph memory",
    r"Current kv cache memory in use is (?P<cache_bytes>\d{1,15}) bytes",
    rf"Graph capturing finished in {_N} secs?, took (?P<graphs>{_N}) GiB",
    rf"CUDA graph pool memory: (?P<graphs>{_N}) GiB \(actual\)",
    # from 0.26, where it is told to: the cache of an earlier start's plan instead of a measured one
    r"(?P<planned>Applying) persisted startup plan .*?kv_cache_memory_bytes=(?P<cache_bytes>\d{1,15})\b",
    r"Saved startup plan to (?P<plan>/\S{1,400}/startup_plan_[0-9a-f]{16}\.json)",
    r"# (?:GPU|CUDA|cuda|rocm|ROCm) blocks: (?P<blocks>\d{1,10})",
    r"\bnum_gpu_blocks is: (?P<blocks>\d{1,10})",
    rf"GPU KV cache size: (?P<tokens>{COUNT}) tokens",
    rf"Maximum concurrency for (?P<length>{COUNT}) tokens per request: (?P<concurrency>{_N})x",
    rf"init engine \(profile, create kv cache, warmup model\) took (?P<seconds>{_N}) s",
)
_REFUSALS = (
    (Ending.OOM, r"(?:torch\.(?:cuda\.)?)?OutOfMemoryError: .*"),
    (Ending.OOM, r"(?:HIP|CUDA) out of memory\. Tried .*"),
    (Ending.REFUSED, r"Free memory on device\b.*? on startup is less than .*"),
    (Ending.REFUSED, r"Externally held weights on device .*? exceed the desired .*"),
    (Ending.REFUSED, r"No available memory for the cache blocks.*"),
    (Ending.REFUSED, r"The model's max seq len \(\d+\) is larger than .*"),
    (Ending.REFUSED, r"To serve at least one request with the models?'s max seq len .*"),
    (Ending.REFUSED, r"Cannot auto-fit max_model_len: .*"),
    (Ending.REFUSED, r"max_num_seqs \(\d+\) exceeds available Mamba cache blocks .*"),
    (Ending.REFUSED, r"CUDA out of memory occurred when warming up sampler .*"),
    (Ending.REFUSED, r"Error in memory profiling\. .*"),
    (Ending.REFUSED, r"User-specified max_model_len \(\d+\) is greater than .*"),
    (Ending.REFUSED, r"Total number of attention heads \(\d+\) must be divisible .*"),
    (Ending.REFUSED, r"max_num_batched_tokens \(\d+\) (?:is smaller than|must be greater than) .*"),
)

VLLM = Dialect(
    engine="vllm",
    unit=GiB,
    speaker=re.compile(r"\(([A-Za-z][\w-]{0,60}(?: (?:rank=|TP|PP)\d+)?) pid=(\d{1,9})(?:, ip=[\d.a-f:]+)?\)"),
    begins=(
        SERVICE_BEGINS,
        (Begin.SERVER, re.compile(r"vLLM API server version v?(?P<build>\d\S{0,60})")),
        (Begin.SERVER, re.compile(r"[ ▀▄█]{4,80}version (?P<build>\d\S{0,60})")),
        (Begin.ENGINE, re.compile(r"Initializing an? (?:V[01] )?LLM engine \(v(?P<build>[^)\s]{1,60})\)")),
    ),
    facts=tuple(map(re.compile, _FACTS)),
    serves=re.compile(r"Application startup complete|Uvicorn running on"),
    refusals=tuple((ending, re.compile(text)) for ending, text in _REFUSALS),
    disturbed=re.compile(r"Error in memory profiling\.|Free memory grew by .* during profiling"),
)
