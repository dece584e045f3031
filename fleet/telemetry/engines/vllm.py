"""vLLM's figures, in the words of every version."""

from __future__ import annotations

from typing import Any

from fleet.model import Model
from fleet.readings import Sleep
from fleet.telemetry.engines.exposition import Samples
from fleet.telemetry.engines.pages import Pages
from fleet.telemetry.engines.scrape import Scrape, samples_of
from fleet.telemetry.engines.vocabulary import Term, Vocabulary, labelled
from fleet.text import clean

_CONFIG, _SLEEP = "vllm:cache_config_info", "vllm:engine_sleep_state"
_STATES = {"discard_all": Sleep.ALL_DISCARDED, "weights_offloaded": Sleep.WEIGHTS_OFFLOADED}

WORDS = Vocabulary(
    running=Term(("vllm:num_requests_running",)),
    waiting=Term(("vllm:num_requests_waiting",)),
    kv_usage=Term(("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc")),  # 0.10 and later; up to 0.9
    prompt_tokens=Term(("vllm:prompt_tokens_total",)),
    generated_tokens=Term(("vllm:generation_tokens_total",)),
    finished=Term(("vllm:request_success_total",)),
    errors=Term(("vllm:request_success_total",), labelled("finished_reason", lambda reason: reason == "error")),
    preemptions=Term(("vllm:num_preemptions_total",)),
    time_to_first_token=Term(("vllm:time_to_first_token_seconds_bucket",)),
    inter_token=Term(
        ("vllm:inter_token_latency_seconds_bucket", "vllm:time_per_output_token_seconds_bucket")
    ),  # 0.11; before
    end_to_end=Term(("vllm:e2e_request_latency_seconds_bucket",)),
    facts=(_CONFIG, _SLEEP),
)


class Vllm:
    """vLLM, of any version and with either of its front ends."""

    words = WORDS

    async def scrape(self, pages: Pages, model: Model) -> Scrape:
        """Ask for the figures, and where they do not tell of sleep and the engine may sleep, for that."""
        samples = await samples_of(pages, "/metrics", WORDS)
        sleep = sleep_state(samples)
        if sleep is None and samples and model.args.flag("enable-sleep-mode"):
            sleep = _said_to_sleep(await pages.data("/is_sleeping"))
        return Scrape(samples, {"sleep": sleep, **cache_config(samples)})


def sleep_state(samples: Samples) -> Sleep | None:
    """Whether any of its engines is asleep; None where it does not say (before 0.12, or without sleep mode)."""
    said = [(series.label("sleep_state"), value) for series, value in samples.items() if series.name == _SLEEP]
    awake = [value for state, value in said if state == "awake"]
    if not awake:
        return None
    if all(awake):
        return Sleep.AWAKE
    return next((_STATES[state] for state, value in said if value and state in _STATES), Sleep.ASLEEP)


def cache_config(samples: Samples) -> dict[str, Any]:
    """The cache of one engine. Which labels there are changes with versions, and what is not settled is "None"."""
    configs = sorted(series for series in samples if series.name == _CONFIG)
    if not configs:
        return {}
    return {
        "cache_block_size": _number(configs[0].label("block_size")),
        "cache_blocks": _number(configs[0].label("num_gpu_blocks")),
        "cache_tokens": _number(configs[0].label("kv_cache_size_tokens")),
        "cache_dtype": clean(configs[0].label("cache_dtype"), 24) or None,
    }


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def _said_to_sleep(answer: Any) -> Sleep | None:
    """The answer of ``/is_sleeping``, a page only of servers in development mode. It counts a pause as sleep."""
    said = answer.get("is_sleeping") if isinstance(answer, dict) else None
    return (Sleep.ASLEEP if said else Sleep.AWAKE) if isinstance(said, bool) else None
