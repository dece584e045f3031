"""``gpudeck estimate --quick``: the arithmetic on paper, from what is typed or from a model's architecture."""

from __future__ import annotations

import argparse
import re
from dataclasses import asdict, replace
from decimal import Decimal
from typing import Any

from fleet.architecture.architecture import Architecture
from fleet.architecture.parameters import parameters
from fleet.errors import UsageError
from fleet.estimate.quick import Paper, Precision, Reckoned
from fleet.units import parse_size

_TIMES = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
_EXAMPLE = "Such as: gpudeck estimate --quick --params 13B --precision fp16 --layers 40 --width 5120 --tokens 2000"


def paper(options: argparse.Namespace, architecture: Architecture | None) -> Paper:
    """What the options tell, over what the architecture does. Raises UsageError."""
    known = _known(architecture) if architecture else {}
    if options.params:
        known["parameters"] = _number("--params", options.params)
    if "parameters" not in known:
        raise UsageError("The number of parameters is not given.", _EXAMPLE)
    for flag, field in (("layers", "layers"), ("width", "kv_width"), ("tokens", "tokens"),
                        ("sequences", "sequences"), ("users", "users")):  # fmt: skip
        if getattr(options, flag):
            known[field] = _number(f"--{flag}", getattr(options, flag))
    result = Paper(**known)
    if options.precision:
        result = replace(result, precision=_precision("--precision", options.precision))
    if options.cache_precision:
        result = replace(result, cache_precision=_precision("--cache-precision", options.cache_precision))
    if options.beside:
        result = replace(result, beside_bytes=_size("--beside", options.beside))
    if options.gpu_memory:
        result = replace(result, gpu_bytes=_size("--gpu-memory", options.gpu_memory))
    return result


def quick_json(result: Reckoned, steps: tuple[str, ...]) -> dict[str, Any]:
    """The ``gpudeck/quick/1`` document: what was given, every result in bytes, and the steps as they are printed."""
    results = asdict(result)
    given = results.pop("paper")
    low, high = results.pop("fragmentation_bytes")
    return {
        "schema": "gpudeck/quick/1",
        "given": given,
        **results,
        "fragmentation_low_bytes": low,
        "fragmentation_high_bytes": high,
        "total_bytes": result.total_bytes,
        "gpus": result.gpus,
        "steps": list(steps),
    }


def _known(architecture: Architecture) -> dict[str, Any]:
    return {
        "parameters": parameters(architecture),
        "layers": architecture.layers,
        "kv_width": architecture.kv_heads * architecture.head_dim,
    }


def _number(flag: str, text: str) -> int:
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,9})?)([KMBT]?)", text.replace(",", "").replace("_", "").upper())
    value = Decimal(match[1]) * _TIMES[match[2]] if match else Decimal(0)
    if value != int(value) or value < 1:
        raise UsageError(f"{flag} is a number such as 40, 2000 or 13B, not {text!r}.")
    return int(value)


def _precision(flag: str, text: str) -> Precision:
    try:
        return Precision(text.lower())
    except ValueError:
        raise UsageError(f"{flag} is one of {', '.join(Precision)}, not {text!r}.") from None


def _size(flag: str, text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise UsageError(f"{flag}: {error}.") from None
