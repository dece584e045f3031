"""An engine's reading as JSON."""

from __future__ import annotations

from typing import Any

from fleet.readings import EngineReading


def engine_json(engine: EngineReading) -> dict[str, Any]:
    """What only an endpoint tells. Rates a second; latencies in seconds at the 50th and the 95th percentile."""
    return {
        "engine_word": engine.word,
        "sleep": engine.sleep,
        "loaded_models": list(engine.loaded_models),
        "tokens_per_second": _rounded(engine.tokens_per_second),
        "prompt_tokens_per_second": _rounded(engine.prompt_tokens_per_second),
        "requests_per_second": _rounded(engine.requests_per_second),
        "errors": engine.errors,
        "preemptions": engine.preemptions,
        "ttft_seconds": _percentiles(engine.ttft_p50_seconds, engine.ttft_p95_seconds),
        "inter_token_seconds": _percentiles(engine.inter_token_p50_seconds, engine.inter_token_p95_seconds),
        "end_to_end_seconds": _percentiles(engine.end_to_end_p50_seconds, engine.end_to_end_p95_seconds),
        "cache": {
            "block_size": engine.cache_block_size,
            "blocks": engine.cache_blocks,
            "tokens": engine.cache_tokens,
            "dtype": engine.cache_dtype,
        },
    }


def _percentiles(p50: float | None, p95: float | None) -> dict[str, float | None]:
    return {"p50": _rounded(p50), "p95": _rounded(p95)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
