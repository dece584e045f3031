"""Asking a model's own endpoint how it is, again and again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from fleet.errors import EndpointError
from fleet.model import Model
from fleet.readings import EngineReading, EngineWord
from fleet.ssh.probe_only import ProbeOnly
from fleet.telemetry.engines import embeddings, sglang
from fleet.telemetry.engines.health import judge
from fleet.telemetry.engines.llama_cpp import LlamaCpp
from fleet.telemetry.engines.pages import DEADLINE_SECONDS, Pages
from fleet.telemetry.engines.rates import Look, Meter
from fleet.telemetry.engines.scrape import Dialect, Plain, Scrape
from fleet.telemetry.engines.vllm import Vllm
from fleet.telemetry.engines.vocabulary import gauges, rates

BUSY_LOOKS = 6
"""An engine that was well may be too busy to answer so many times on end before it counts as not there."""

DIALECTS: Mapping[str, Dialect] = {
    "vllm": Vllm(),
    "llama.cpp": LlamaCpp(),
    "sglang": Plain(sglang.WORDS),
    "text-embeddings-inference": Plain(embeddings.TEI),
    "infinity": Plain(embeddings.INFINITY),
}
"""By engine. Of others only their health is asked."""


class Asker:
    """Asks one model's endpoint, and remembers as much as rates need."""

    def __init__(
        self,
        connection: ProbeOnly,
        model: Model,
        *,
        deadline: float = DEADLINE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is asked yet.

        Args:
            connection: That of the model's host.
            model: The model, with a URL.
            deadline: Seconds any of its pages may take.
            clock: Monotonic seconds.
        """
        self._model = model
        self._pages = Pages(connection, model.url or "", deadline)
        self._clock = clock
        self._dialect = DIALECTS.get(model.engine.name)
        self._meter = Meter(self._dialect.words.counters if self._dialect else frozenset())
        self._last = EngineReading()
        self._missed = 0

    async def ask(self) -> EngineReading:
        """How it is now. Raises UnreachableError where the host itself is not reached."""
        word, scrape = await asyncio.gather(self._health(), self._scrape())
        self._last = self._reading(word, scrape)
        return self._last

    async def _health(self) -> EngineWord | None:
        try:
            word = judge(self._model.engine.name, await self._pages.get("/health"))
        except EndpointError:
            word = None
        except TimeoutError:
            self._missed += 1
            return EngineWord.BUSY if self._last.healthy and self._missed <= BUSY_LOOKS else None
        self._missed = 0
        return word

    async def _scrape(self) -> Scrape:
        return await self._dialect.scrape(self._pages, self._model) if self._dialect else Scrape()

    def _reading(self, word: EngineWord | None, scrape: Scrape) -> EngineReading:
        healthy = word in (EngineWord.READY, EngineWord.BUSY)
        if word is EngineWord.BUSY and not scrape.samples:
            return replace(self._last, word=word)
        if not healthy:
            self._meter.forget()
        if self._dialect is None or not scrape.samples:
            return EngineReading(healthy, word=word, **scrape.facts)
        fields = scrape.facts | gauges(self._dialect.words, scrape.samples)
        spans = self._meter.spans(Look(self._clock(), scrape.samples)) if healthy else None
        if spans is not None:
            fields |= rates(self._dialect.words, *spans)
        return EngineReading(healthy, word=word, **fields)
