"""Engine arguments out of free text: command lines, log excerpts, and what people add in words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from fleet.model import Scalar

Found = dict[str, Scalar]

_SWITCHES = (
    (r"enable[_-]prefix[_-]caching\s*=\s*false|no[_ -](?:enable-)?prefix[_ -]caching", "enable-prefix-caching", False),
    (r"enable[_-]prefix[_-]caching|prefix caching", "enable-prefix-caching", True),
    (
        r"chunked[_ ]prefill(?:[_ ]enabled)?\s*=\s*false|chunked prefill off|no chunked prefill|no-enable-chunked",
        "enable-chunked-prefill",
        False,
    ),
    (r"chunked[_ -]prefill", "enable-chunked-prefill", True),
    (r"enable[_-]expert[_-]parallel|expert parallel|\bep\b enabled", "enable-expert-parallel", True),
    (r"language[_-]model[_-]only", "language-model-only", True),
    (r"skip[_-]mm[_-]profiling", "skip-mm-profiling", True),
    (r"disable[_-]hybrid[_-]kv[_-]cache[_-]manager|kv-transfer-config", "disable-hybrid-kv-cache-manager", True),
    (r"max[_-]model[_-]len[ =]+(?:auto|-1)", "max-model-len", "auto"),
    (r"rope[- ](?:extended|scal)|allow_long_max_model_len\s*=\s*1", "VLLM_ALLOW_LONG_MAX_MODEL_LEN", True),
    (r"native sampler", "sampler", "native"),
    (r"flashinfer (?:sampler|for top-p)", "sampler", "flashinfer"),
)
_NUMBERS: tuple[tuple[str, str, Callable[[str], Scalar]], ...] = (
    (r"(?:decode[_-]context[_-]parallel[_-]size|\bdcp(?:[_-]size)?)[ =]*(\d+)", "decode-context-parallel-size", int),
    (r"data[_-]parallel[_-]size[ =]*(\d+)", "data-parallel-size", int),
    (r"num[_-]gpu[_-]blocks[_-]override[ =]*(\d+)", "num-gpu-blocks-override", int),
    (r"kv[_-]cache[_-]memory(?:[_-]bytes)?[ =]*~?(\d+(?:\.\d+)?\s*[kmgtKMGT]?)i?b?", "kv-cache-memory-bytes", str),
    (r"cpu[_-]offload[_-]gb[ =]*(\d+(?:\.\d+)?)", "cpu-offload-gb", float),
    (r"swap[_-]space[ =]*(\d+(?:\.\d+)?)", "swap-space", float),
    (r"limit[_-]mm(?:[_-]per[_-]prompt)?\W*image\W*(\d+)", "limit-mm-per-prompt", lambda n: f"image={n}"),
    (r"VLLM_USE_V1\s*=\s*([01])", "VLLM_USE_V1", int),
    (
        r"VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS\s*=\s*([01])",
        "VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS",
        int,
    ),
    (r"VLLM_PP_LAYER_PARTITION\s*=\s*([\d,]+)", "VLLM_PP_LAYER_PARTITION", str),
    (r"VLLM_ROCM_USE_AITER\s*=\s*([01])", "VLLM_ROCM_USE_AITER", int),
)
_DRAFTS = (
    (r"no mtp|mtp off|mtp=0|mtp0", None),
    (r"\beagle-?3\b", "eagle3"),
    (r"\beagle\b", "eagle"),
    (r"\bdflash\b", "dflash"),
    (r"\bmtp\b", "mtp"),
    (r"\bmedusa\b", "medusa"),
    (r"\bngram\b|n-gram", "ngram"),
)


def flags_in(text: str | None) -> Found:
    """Arguments under vLLM's flag names without dashes, environment variables under their own; empty for none."""
    if not text:
        return {}
    said = text.replace("\u2014", "-")
    lower = said.lower()
    found: Found = {}
    for pattern, flag, value in _SWITCHES:
        if flag not in found and re.search(pattern, lower):
            found[flag] = value
    for pattern, flag, read in _NUMBERS:
        match = re.search(pattern, said, re.IGNORECASE if flag.islower() else 0)
        if match:
            found[flag] = read(match[1].replace(" ", ""))
    drafted = _draft(lower)
    if drafted:
        found["speculative-config"] = drafted
    return found


def _draft(text: str) -> str | None:
    method = next((name for pattern, name in _DRAFTS if re.search(pattern, text)), None)
    if method is None:
        return None
    config: dict[str, object] = {"method": method}
    size = re.search(r"draft[^,;]*?(\d+\.\d+) ?gb", text)
    if size:
        config["weights_gb"] = float(size[1])
    ahead = re.search(r"(?:\bn|\bk|num_speculative_tokens)\W{0,3}(\d+)", text)
    return json.dumps({**config, "num_speculative_tokens": int(ahead[1]) if ahead else 3})
