"""What an engine does where an argument is not given: its defaults, by version, model and GPU."""

from __future__ import annotations

from collections.abc import Callable

from fleet.arguments import arguments
from fleet.estimate import encoders, exllama, sglang, whisper
from fleet.estimate.estimating import era_of
from fleet.estimate.llama_cpp.options import Options, options
from fleet.estimate.trial import Trial
from fleet.estimate.vllm.settings import Settings, resolve
from fleet.model import Scalar


def untold(trial: Trial, flag: str) -> Scalar:
    """The value that argument has where it is not given, the others as they are; None where nobody knows it.

    Only arguments that `fleet.arguments` knows of the engine are known here.
    """
    engine = trial.model.engine.name
    if all(known.flag != flag for known in arguments(engine)):
        return None
    trial = trial.given({flag: None})
    match engine:
        case "vllm":
            return _vllm(trial, flag)
        case "llama.cpp":
            return _llama_cpp(trial, flag)
        case "sglang":
            return _sglang(trial, flag)
        case "exllamav2" if flag in ("max-seq-len", "cache-size"):
            return exllama.cache_tokens(trial.architecture, trial.model.args) if trial.architecture else None
    return _FIXED.get(engine, {}).get(flag)


_VLLM: dict[str, Callable[[Settings], Scalar]] = {
    "max-model-len": lambda told: told.max_model_len,
    "max-num-seqs": lambda told: told.sequences,
    "max-num-batched-tokens": lambda told: told.batched_tokens,
    "enforce-eager": lambda told: told.eager,
    "tensor-parallel-size": lambda told: told.tensor_parallel,
}


def _vllm(trial: Trial, flag: str) -> Scalar:
    era = era_of(trial.model, trial.accelerator)
    if flag == "gpu-memory-utilization":
        return era.default_utilization
    if flag in ("dtype", "kv-cache-dtype"):
        return "auto"
    if trial.architecture is None or flag not in _VLLM:
        return None
    return _VLLM[flag](resolve(trial.model.args, trial.architecture, era, trial.accelerator))


_LLAMA_CPP: dict[str, Callable[[Options], Scalar]] = {
    "parallel": lambda told: told.slots,
    "kv-unified": lambda told: told.unified,
    "cache-type-k": lambda told: told.key_type,
    "cache-type-v": lambda told: told.value_type,
    "swa-full": lambda told: told.full_windows,
    "n-gpu-layers": lambda told: "all",
    "split-mode": lambda told: told.split_mode,
    "main-gpu": lambda told: told.main_gpu,
    "ubatch-size": lambda told: told.batch,
    "flash-attn": lambda told: "on" if told.flash_attention else "off",
    "fit": lambda told: "on" if told.fits else "off",
    "fit-target": lambda told: ",".join(str(target >> 20) for target in told.fit_targets),
    "fit-ctx": lambda told: told.fit_context,
}


def _llama_cpp(trial: Trial, flag: str) -> Scalar:
    if flag == "ctx-size":
        return trial.architecture.max_positions if trial.architecture else None
    said = _LLAMA_CPP.get(flag)
    return said(options(trial.model.args, trial.model.engine.version)) if said else None


_SGLANG: dict[str, Callable[[sglang.Settings], Scalar]] = {
    "mem-fraction-static": lambda told: told.fraction,
    "tensor-parallel-size": lambda told: told.tensor_parallel,
    "pipeline-parallel-size": lambda told: told.pipeline_parallel,
    "kv-cache-dtype": lambda told: "auto",
    "chunked-prefill-size": lambda told: told.chunk,
    "cuda-graph-max-bs": lambda told: told.captured or None,
    "disable-cuda-graph": lambda told: False,
}


def _sglang(trial: Trial, flag: str) -> Scalar:
    if flag == "context-length":
        return trial.architecture.max_positions if trial.architecture else None
    said = _SGLANG.get(flag)
    return said(sglang.settings(trial.model.args, trial.architecture, min(trial.totals))) if said else None


_FIXED: dict[str, dict[str, Scalar]] = {
    "exllamav2": {"cache-mode": "FP16", "tensor-parallel": False},
    "text-embeddings-inference": {"max-batch-tokens": encoders.TEI_TOKENS, "dtype": "float16"},
    "infinity": {"batch-size": encoders.INFINITY_BATCH, "dtype": "auto"},
    "whisper": {"batch-size": 1, "beam-size": whisper.BEAM},
}
