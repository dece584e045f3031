"""What a ``/metrics`` page says, as series and their values: the Prometheus text format, from anybody, bounded."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import NamedTuple

PAGE_LIMIT = 1 << 21
"""Characters of a page; a longer one is no engine's, for one of sixteen engines of 2026 has 800,000."""
TEXT_LIMIT = 1 << 18
"""Characters of wanted lines that are read of one page: more than sixteen engines of one deployment say."""
LINE_LIMIT = 4096
_ESCAPES_LIMIT = 16
"""A line with more backslashes is left out: the parser looks back over a run of them at each of its characters."""
_PLAUSIBLE = 1e15
"""No count or gauge of an engine is larger; what is used for "blank" elsewhere (NaN, 2^63) is."""


class Series(NamedTuple):
    """One time series: a name and its labels in alphabetical order."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()

    def label(self, name: str) -> str:
        """The value of a label; empty where the series has no such label."""
        return next((value for key, value in self.labels if key == name), "")

    def labelled(self, name: str, value: str) -> Series:
        """The same series with one more label."""
        return Series(self.name, tuple(sorted((*self.labels, (name, value)))))


Samples = Mapping[Series, float]


def parse(text: str, names: Collection[str]) -> dict[Series, float]:
    """Read the series of these names. Lines that are broken, too long or hold no plausible value are left out."""
    found: dict[Series, float] = {}
    if len(text) > PAGE_LIMIT:
        return found
    prefixes, room = tuple(names), TEXT_LIMIT
    for line in text.split("\n"):
        if not line.startswith(prefixes) or len(line) > LINE_LIMIT:
            continue
        room -= len(line)
        if room < 0:
            break
        head, value = _split(line)
        series = _series(head)
        if series is not None and series.name in names and 0 <= value < _PLAUSIBLE:
            found[series] = value
    return found


def _split(line: str) -> tuple[str, float]:
    """A line's series as written, and its value; NaN where it has none."""
    end = line.rfind("}") + 1
    head, rest = (line[:end], line[end:].split()) if end else (line.split()[0], line.split()[1:])
    try:
        return head, float(rest[0])
    except (IndexError, ValueError):
        return head, float("nan")


@lru_cache(maxsize=4096)
def _series(head: str) -> Series | None:
    """The series written so; None where that is no series. Engines write the same at every scrape: parsed once."""
    from prometheus_client.parser import text_string_to_metric_families

    if head.count("\\") > _ESCAPES_LIMIT:
        return None
    try:
        (family,) = text_string_to_metric_families(f"{head} 0\n")
        (sample,) = family.samples
    except (ValueError, IndexError):
        return None
    return Series(sample.name, tuple(sorted(sample.labels.items())))
