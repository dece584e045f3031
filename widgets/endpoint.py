"""What a model's endpoint says, in words."""

from __future__ import annotations

from fleet.readings import EngineReading, EngineWord, Sleep
from fleet.units import count

_WORDS = {
    EngineWord.LOADING: "the endpoint says it is loading",
    EngineWord.BUSY: "the endpoint is too busy to answer; its last figures are shown",
    EngineWord.DEAD: "the endpoint says its engine is dead",
}


def endpoint_lines(engine: EngineReading) -> list[tuple[str, str]]:
    """Everything an endpoint says, as lines with their styles; only what it says."""
    lines = [(_WORDS[engine.word], "warning")] if engine.word in _WORDS else []
    if _put_away(engine):
        lines.append((f"the model is put away: {engine.sleep}", "warning"))
    if engine.loaded_models:
        lines.append((f"loaded now: {', '.join(engine.loaded_models)}", "text"))
    for words in (_requests(engine), _latencies(engine)):
        lines += [(", ".join(words), "text")] if words else []
    return lines + ([(", ".join(_cache(engine)), "dim")] if _cache(engine) else [])


def pace(engine: EngineReading) -> list[str]:
    """What says most of how a model does: what it generates or answers in a second, and how long that takes."""
    words = [str(engine.sleep)] if _put_away(engine) else []
    words += ["busy"] if engine.word is EngineWord.BUSY else []
    if engine.tokens_per_second is not None:
        words.append(f"{speed(engine.tokens_per_second)} tok/s")
        latency = ("TTFT", engine.ttft_p95_seconds)
    elif engine.requests_per_second is not None:
        words.append(f"{speed(engine.requests_per_second)} requests/s")
        latency = ("each", engine.end_to_end_p95_seconds)
    else:
        return words
    name, p95 = latency
    return words if p95 is None else [*words, f"{name} p95 {seconds(p95)}"]


def _put_away(engine: EngineReading) -> bool:
    return engine.sleep not in (None, Sleep.AWAKE)


def speed(per_second: float) -> str:
    """A rate: ``1,104``, ``17``, ``0.42``."""
    return count(round(per_second)) if per_second >= 10 or not per_second else f"{per_second:.2g}"


def seconds(value: float) -> str:
    """A time with two digits that count: ``21 ms``, ``0.68 s``, ``36 s``."""
    if value < 0.1:
        return f"{value * 1000:.3g} ms" if value < 0.01 else f"{value * 1000:.0f} ms"
    return f"{value:.2f} s" if value < 1 else f"{value:.1f} s" if value < 10 else f"{value:.0f} s"


def _requests(engine: EngineReading) -> list[str]:
    words = []
    if engine.running is not None:
        words.append(f"{engine.running} running")
    if engine.waiting is not None:
        words.append(f"{engine.waiting} waiting")
    for figure, unit in (
        (engine.tokens_per_second, "tokens/s"),
        (engine.prompt_tokens_per_second, "prompt tokens/s"),
        (engine.requests_per_second, "requests/s"),
    ):
        words += [] if figure is None else [f"{speed(figure)} {unit}"]
    words += [f"{count(engine.errors)} errors"] if engine.errors else []
    return words + ([f"{count(engine.preemptions)} preemptions"] if engine.preemptions else [])


def _latencies(engine: EngineReading) -> list[str]:
    told = (
        ("first token", engine.ttft_p50_seconds, engine.ttft_p95_seconds),
        ("between tokens", engine.inter_token_p50_seconds, engine.inter_token_p95_seconds),
        ("whole request", engine.end_to_end_p50_seconds, engine.end_to_end_p95_seconds),
    )
    words = [
        f"{name} {seconds(p50)} and {seconds(p95)}" for name, p50, p95 in told if p50 is not None and p95 is not None
    ]
    return [f"p50 and p95 of the last minute: {words[0]}", *words[1:]] if words else []


def _cache(engine: EngineReading) -> list[str]:
    words = []
    if engine.cache_tokens is not None:
        words.append(f"{count(engine.cache_tokens)} tokens")
    if engine.cache_blocks is not None and engine.cache_block_size is not None:
        words.append(f"{count(engine.cache_blocks)} blocks of {engine.cache_block_size} tokens")
    words += [f"dtype {engine.cache_dtype}"] if engine.cache_dtype else []
    return [f"KV cache by the engine's own count: {words[0]}", *words[1:]] if words else []
