"""One look at an engine's figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from fleet.model import Model
from fleet.telemetry.engines.exposition import Samples, parse
from fleet.telemetry.engines.pages import Pages
from fleet.telemetry.engines.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Scrape:
    """What an engine says of itself."""

    samples: Samples = field(default_factory=dict)
    """Empty where it has no such page, or not for us."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Fields of `EngineReading` that are neither counters nor gauges."""


class Dialect(Protocol):
    """How figures are asked of one kind of engine."""

    @property
    def words(self) -> Vocabulary:
        """What the engine calls its figures."""

    async def scrape(self, pages: Pages, model: Model) -> Scrape:
        """Ask for the figures. Raises UnreachableError where the host itself is not reached."""


@dataclass(frozen=True)
class Plain:
    """An engine whose ``/metrics`` may be asked at any time and says it all."""

    words: Vocabulary

    async def scrape(self, pages: Pages, model: Model) -> Scrape:
        """Ask for the one page."""
        return Scrape(await samples_of(pages, "/metrics", self.words))


async def samples_of(pages: Pages, path: str, words: Vocabulary) -> Samples:
    """The series of a page that are in the vocabulary; none where there is no such page."""
    return parse(await pages.text(path) or "", words.names)
