"""The queries: two in every cycle, and now and then a third."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from fleet.telemetry.prometheus import engines, figures


def values(match: Mapping[str, str]) -> str:
    """The newest values of everything but histograms, of series with these labels."""
    return _named((*figures.FIGURES, *engines.FIGURES), match)


def buckets(match: Mapping[str, str]) -> str:
    """The newest values of engines' histograms: some sixty series of each engine, of which minutes are looked at."""
    return _named(engines.BUCKETS, match)


def times(match: Mapping[str, str]) -> str:
    """When each GPU and each engine was last scraped: any other query tells only when it was asked.

    Joined by ``or`` because ``timestamp`` takes names away, and series that are then alike are an error anywhere else.
    """
    matchers = ",".join(_matchers(match))
    return " or ".join(f"timestamp({name}{{{matchers}}})" for name in (*figures.DATED, *engines.DATED))


def _named(names: Iterable[str], match: Mapping[str, str]) -> str:
    """Of names joined by ``|`` Prometheus makes as many look-ups, no search."""
    return "{" + ",".join((f'__name__=~"{"|".join(names)}"', *_matchers(match))) + "}"


def _matchers(match: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{label}={json.dumps(value)}" for label, value in match.items())
