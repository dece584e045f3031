"""Answering many recorded or imagined vLLM starts at once, each a mapping of plain fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fleet.architecture.architecture import Architecture
from fleet.architecture.catalogue import Catalogue
from fleet.architecture.quantization import from_words
from fleet.errors import GpudeckError, UsageError
from fleet.estimate import Estimate, Outcome
from fleet.estimate.measured import End
from fleet.estimate.spoken import flags_in
from fleet.estimate.trial import MOST_RANKS
from fleet.estimate.vllm import starting
from fleet.estimate.vllm.builds import likely_release, release_of
from fleet.estimate.vllm.longest import longest_admitted
from fleet.estimate.vllm.ranks import Start
from fleet.estimate.vllm.versions import era
from fleet.hardware import ACCELERATORS, Accelerator, recognise
from fleet.model import Arguments, Scalar
from fleet.units import GiB

Record = Mapping[str, Any]
Answer = dict[str, object]

_FLAGS = {
    "kv_cache_dtype": "kv-cache-dtype",
    "tensor_parallel_size": "tensor-parallel-size",
    "pipeline_parallel_size": "pipeline-parallel-size",
    "gpu_memory_utilization": "gpu-memory-utilization",
    "max_model_len": "max-model-len",
    "max_num_seqs": "max-num-seqs",
    "max_num_batched_tokens": "max-num-batched-tokens",
    "enforce_eager": "enforce-eager",
    "block_size": "block-size",
    "dtype": "dtype",
}
_NUMBERS = frozenset(_FLAGS) - {"kv_cache_dtype", "dtype", "enforce_eager"}
_ASSUMED = "H100"
_RUNTIME = ("fp8", "bitsandbytes", "online")
"""Methods that quantise a plain checkpoint while it loads."""
_MEASURES = (
    "weights_gib", "activation_peak_gib", "non_torch_gib", "cudagraph_gib", "available_kv_gib", "kv_blocks",
    "kv_tokens", "max_concurrency", "est_max_model_len", "outcome", "refusal",
)  # fmt: skip


def answers(records: object, catalogue: Catalogue) -> list[Answer]:
    """One answer per record, in order; a record that cannot be answered says why in ``error``.

    Raises UsageError where the records are not a list of mappings.
    """
    if (
        not isinstance(records, Sequence)
        or isinstance(records, str)
        or not all(isinstance(record, Mapping) for record in records)
    ):
        raise UsageError("The batch is not a list of records, each with fields such as id, model, gpu, vllm_version.")
    return [answer(record, catalogue) for record in records]


def answer(record: Record, catalogue: Catalogue) -> Answer:
    """What vLLM would say of one start; sizes in GiB as its log prints them, of the first GPU.

    ``error`` is None, or a sentence where the record cannot be answered; ``notes`` say what had to be assumed.
    """
    blank: Answer = {"id": record.get("id"), **dict.fromkeys(_MEASURES), "error": None, "notes": []}
    try:
        return {**blank, **_answered(record, catalogue)}
    except GpudeckError as error:
        return {**blank, "error": error.message}
    except (TypeError, ValueError, ArithmeticError, LookupError) as error:
        return {**blank, "error": f"A field of {record.get('id')} is not what it should be: {error}."}


def _answered(record: Record, catalogue: Catalogue) -> Answer:
    architecture = _architecture(record, catalogue)
    accelerators, notes = _accelerators(record)
    args = _arguments(record, architecture)
    generation = {"V0": False, "V1": True}.get(str(record.get("engine")))
    version = release_of(record.get("vllm_version"))
    if version is None:
        version = likely_release(architecture.name, generation)
        notes.append(f"The version is not told; reckoned as vLLM {version}.")
    current = era(version, accelerators[0].vendor, generation)
    gpus = max(args.ranks, int(record.get("gpu_count") or 1))
    if gpus > MOST_RANKS:
        raise UsageError(f"{gpus:,} GPUs are asked for, and at most {MOST_RANKS:,} are reckoned with.")
    totals = tuple(accelerators[index % len(accelerators)].total_bytes for index in range(gpus))
    start = Start(architecture, args, accelerators[0], current, totals, (0,) * gpus)
    estimate = starting.estimate(architecture.name, start, End.CENTRAL, ())
    return {**_measures(start, estimate), "notes": notes}


def _measures(start: Start, estimate: Estimate) -> Answer:
    refusal = estimate.refusal.sentence if estimate.refusal else None
    said: Answer = {"outcome": str(estimate.outcome), "refusal": refusal}
    settings = start.settings(estimate.max_model_len)
    if not any(share.total_bytes for share in estimate.shares):
        return said
    rank = start.ranks(settings, End.CENTRAL)[0]
    demand = rank.demand
    held = rank.layout.bytes_per_block
    return {
        **said,
        "weights_gib": _gib(demand.weights),
        "activation_peak_gib": _gib(demand.activations),
        "non_torch_gib": _gib(demand.non_torch + (demand.holes if demand.counts_holes else 0)),
        "cudagraph_gib": _gib(demand.graphs),
        "available_kv_gib": _gib(rank.available),
        "kv_blocks": estimate.kv_cache_blocks,
        "kv_tokens": estimate.kv_cache_tokens,
        "max_concurrency": round(estimate.max_concurrency, 2) if estimate.max_concurrency is not None else None,
        "est_max_model_len": _longest(start, estimate) if held else None,
    }


def _longest(start: Start, estimate: Estimate) -> int | None:
    """The length the engine offers instead of the one it refuses."""
    if estimate.outcome is not Outcome.REFUSED:
        return None
    settings = start.settings()
    return longest_admitted(start, settings, start.ranks(settings, End.CENTRAL)) or None


def _gib(size: int) -> float:
    return round(size / GiB, 4)


def _architecture(record: Record, catalogue: Catalogue) -> Architecture:
    name = str(record.get("model") or "")
    found = catalogue.find(name)
    if found is None:
        raise UsageError(f"The architecture of {name or 'a record without a model'} is not known.")
    if found.quantization is None and str(record.get("quantization")) not in _RUNTIME:
        told = from_words(f"{record.get('quantization') or ''} {name.rpartition('/')[2]}", found.model_type)
        return replace(found, quantization=told) if told else found
    return found


def _accelerators(record: Record) -> tuple[tuple[Accelerator, ...], list[str]]:
    """The kinds of GPU of a record, in turn, mostly one; and what had to be assumed."""
    total = record.get("gpu_total_gib")
    size = round(float(total) * GiB) if total else None
    named = [recognise(part, size) for part in str(record.get("gpu") or "").split(" + ")]
    known = tuple(each for each in named if each)
    if known:
        return known, []
    if not record.get("gpu"):
        raise UsageError("The GPU is not told.")
    return (ACCELERATORS[_ASSUMED],), [f"The GPU {record['gpu']!r} is not known; reckoned as {_ASSUMED}."]


def _arguments(record: Record, architecture: Architecture) -> Arguments:
    """The record's fields under the engine's own flags, and what its ``other_flags`` tell."""
    given: dict[str, Scalar] = {
        flag: record[field] for field, flag in _FLAGS.items() if record.get(field) not in (None, "", "auto")
    }
    for field, flag in _FLAGS.items():
        if flag in given and field in _NUMBERS and not isinstance(given[flag], int | float):
            raise UsageError(f"{field} of {record.get('id')} is not a number: {given[flag]!r}.")
    if record.get("max_model_len") == "auto":
        given["max-model-len"] = "auto"
    method = str(record.get("quantization") or "")
    if method in _RUNTIME and architecture.quantization is None:
        given["quantization"] = method
    told = flags_in(record.get("other_flags"))
    if told.get("max-model-len") == "auto":
        given.pop("max-model-len", None)
    return Arguments({**told, **given})
