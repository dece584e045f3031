"""What Prometheus answers to an instant query, as values."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fleet.errors import EndpointError
from fleet.http import HttpAnswer
from fleet.text import clean


@dataclass(frozen=True, slots=True)
class Sample:
    """One series at one time."""

    name: str
    """Empty where a function took it away."""
    labels: Mapping[str, str]
    """The others, under lower-case names: exporters of one kind have written ``GPU_UUID`` and ``gpu_uuid``."""
    value: float
    """Finite."""
    asked_at: float
    """The server's own time of the query, in Unix seconds."""


@dataclass(frozen=True, slots=True)
class Vector:
    """An answer."""

    samples: tuple[Sample, ...]
    """Without those that are no number."""
    warning: str = ""
    """What the server says is missing from it; empty for a whole answer."""


def vector(answer: HttpAnswer, shown: str) -> Vector:
    """Read the answer to an instant query; ``shown`` is what the server is called in sentences.

    Raises EndpointError where the server refuses, or answers something else.
    """
    document = _document(answer.body)
    if answer.status in (401, 403):
        raise EndpointError(
            f"{shown} does not let us in (HTTP {answer.status}).",
            "Name a bearer token it takes by token_env or token_file under telemetry.",
        )
    if document.get("status") == "error":
        raise EndpointError(f"{shown} refuses the query: {clean(str(document.get('error', 'no reason given')), 200)}.")
    if answer.status != 200:
        raise EndpointError(f"{shown} answers HTTP {answer.status}.", "Is its URL that of a Prometheus server?")
    data = document.get("data")
    if not isinstance(data, dict) or data.get("resultType") != "vector" or not isinstance(data.get("result"), list):
        raise EndpointError(f"{shown} answers, but not as Prometheus does.", "Is its URL that of a Prometheus server?")
    warnings = document.get("warnings")
    warning = clean(str(warnings[0]), 200) if isinstance(warnings, list) and warnings else ""
    return Vector(tuple(_samples(data["result"])), warning)


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _samples(result: list[Any]) -> Iterator[Sample]:
    for entry in result:
        try:
            asked_at, text = entry["value"]
            labels = {str(name).lower(): str(value) for name, value in entry["metric"].items()}
            sample = Sample(labels.pop("__name__", ""), labels, float(text), float(asked_at))
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
        if math.isfinite(sample.value) and math.isfinite(sample.asked_at):
            yield sample
