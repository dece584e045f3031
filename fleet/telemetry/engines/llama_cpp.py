"""llama.cpp's figures, asked so that nothing is loaded, woken or kept awake by the asking.

A router loads the model that ``/metrics?model=`` names (ggml-org/llama.cpp#23096), and of a server that sleeps when
idle, asking for figures wakes it or counts as activity (#20227). ``/health``, ``/props`` and the list of models do
neither.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from fleet.model import Model
from fleet.readings import Sleep
from fleet.telemetry.engines.exposition import Samples
from fleet.telemetry.engines.pages import Pages
from fleet.telemetry.engines.scrape import Scrape, samples_of
from fleet.telemetry.engines.vocabulary import Term, Vocabulary
from fleet.text import clean

ROUTER_LIMIT = 16
"""Models of one router that are asked."""
_NAME_LIMIT = 256
_SLEEPY = "sleep-idle-seconds"

WORDS = Vocabulary(
    running=Term(("llamacpp:requests_processing",)),
    waiting=Term(("llamacpp:requests_deferred",)),
    kv_usage=Term(("llamacpp:kv_cache_usage_ratio",)),  # until 2025; since then it says nothing of its cache
    prompt_tokens=Term(("llamacpp:prompt_tokens_total",)),
    generated_tokens=Term(("llamacpp:tokens_predicted_total",)),
    replica="model",
    counts_late=True,
)


@dataclass(frozen=True, slots=True)
class _Listed:
    """One model of the list."""

    name: str
    status: str
    """``loaded``, ``loading``, ``unloaded``, ``sleeping`` …; empty of a server of one model that has no such word."""
    sleepy: bool
    """Whether its own process sleeps when idle."""


class LlamaCpp:
    """A server of one model, or a router over many."""

    words = WORDS

    async def scrape(self, pages: Pages, model: Model) -> Scrape:
        """Ask what is loaded, then only what is loaded and may be asked."""
        sleepy = model.args.number(_SLEEPY, -1) > 0
        if sleepy:
            props = await pages.data("/props")
            if not (isinstance(props, dict) and props.get("role") == "router"):
                return Scrape(facts={"sleep": _asleep(props)})
        listed = _listed(await pages.data("/v1/models"))
        if not any(model.status for model in listed):
            return Scrape(await samples_of(pages, "/metrics", WORDS) if listed else {})
        loaded = [model for model in listed if model.status == "loaded"]
        asked = [] if sleepy else [model.name for model in loaded if not model.sleepy][:ROUTER_LIMIT]
        return Scrape(
            await _of_router(pages, asked),
            {
                "loaded_models": tuple(clean(model.name, 80) for model in loaded[:ROUTER_LIMIT]),
                "sleep": Sleep.ASLEEP if not loaded and _any_sleeps(listed) else Sleep.AWAKE,
            },
        )


async def _of_router(pages: Pages, names: Iterable[str]) -> Samples:
    """The figures of these models, each series with its model as a label."""

    async def of(name: str) -> Samples:
        found = await samples_of(
            pages, f"/metrics?model={quote(name, safe='', errors='replace')}&autoload=false", WORDS
        )
        return {series.labelled("model", name): value for series, value in found.items()}

    return {series: value for samples in await asyncio.gather(*map(of, names)) for series, value in samples.items()}


def _listed(answer: Any) -> list[_Listed]:
    """The models of a list, as far as it can be understood."""
    entries = answer.get("data") if isinstance(answer, dict) else None
    found = []
    for entry in entries if isinstance(entries, list) else ():
        name = entry.get("id") if isinstance(entry, dict) else None
        if not isinstance(name, str) or len(name) > _NAME_LIMIT:
            continue
        status = entry.get("status")
        status = status if isinstance(status, dict) else {}
        args = status.get("args")
        sleepy = isinstance(args, list) and any(isinstance(arg, str) and _SLEEPY in arg for arg in args)
        found.append(_Listed(name, str(status.get("value", "")), sleepy))
    return found


def _any_sleeps(listed: Iterable[_Listed]) -> bool:
    return any(model.status == "sleeping" for model in listed)


def _asleep(props: Any) -> Sleep | None:
    said = props.get("is_sleeping") if isinstance(props, dict) else None
    return (Sleep.ASLEEP if said else Sleep.AWAKE) if isinstance(said, bool) else None
