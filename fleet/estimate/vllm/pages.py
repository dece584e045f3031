"""A kind of layers and the pages it keeps in the pool, and the settings that decide them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from fleet.architecture.architecture import Span
from fleet.estimate.vllm.settings import Settings
from fleet.estimate.vllm.speculation import Draft


class Caching(NamedTuple):
    """What of the settings decides the layout of the cache; most questions about one model share it."""

    tensor_parallel: int
    context_parallel: int
    block_size: int
    cache_dtype: str
    weight_bytes: int
    groups_layers: bool
    prefix_caching: bool
    draft: Draft | None

    @classmethod
    def of(cls, settings: Settings) -> Caching:
        """The part of those settings."""
        return cls(
            settings.tensor_parallel,
            settings.context_parallel,
            settings.block_size,
            settings.cache_dtype,
            settings.weight_bytes,
            settings.groups_layers,
            settings.prefix_caching,
            settings.draft,
        )


@dataclass(frozen=True, slots=True)
class Pages:
    """Layers that are alike: each keeps one page of ``page_bytes`` for every ``block`` tokens it looks back on."""

    count: int
    page_bytes: int
    block: int
    span: Span = Span.FULL
    window: int | None = None
    """Tokens a sliding, chunked or cross-attending layer keeps; the pages of one request's recurrent state."""
