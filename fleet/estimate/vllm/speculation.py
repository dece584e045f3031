"""Draft models that guess tokens ahead: what they add to weights, cache and state."""

from __future__ import annotations

import json
from dataclasses import dataclass

from fleet.architecture.architecture import Architecture
from fleet.architecture.parameters import layer_tensors
from fleet.model import Arguments

_WITH_LAYER = ("eagle", "eagle3", "mtp", "deepseek_mtp", "dflash", "draft_model")
"""Methods whose draft keeps a cache of its own, beside n-grams and Medusa, which keep none."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft model."""

    method: str
    tokens: int
    """Guessed ahead in each step."""
    layers: int
    """Attention layers it adds to the cache."""
    weights: int
    """Elements it adds, in 16 bit."""


def draft(args: Arguments, architecture: Architecture) -> Draft | None:
    """What ``--speculative-config`` adds; None without one."""
    config = _config(args)
    method = str(config.get("method") or ("draft_model" if config.get("model") else ""))
    if not method:
        return None
    tokens = config.get("num_speculative_tokens")
    ahead = tokens if isinstance(tokens, int) and not isinstance(tokens, bool) else 1
    if method not in _WITH_LAYER:
        return Draft(method, ahead, 0, _told(config))
    if _told(config):
        return Draft(method, ahead, 1, _told(config))
    last = architecture.layers - 1
    layer = sum(tensor.elements for tensor in layer_tensors(architecture, last, _size(args)))
    return Draft(method, ahead, 1, layer + 2 * architecture.hidden**2)


def _told(config: dict[str, object]) -> int:
    """Elements of a draft whose size is told; it is not split over GPUs."""
    told = config.get("weights_gb")
    return round(told * 10**9 / 2) if isinstance(told, int | float) else 0


def _size(args: Arguments) -> int:
    return max(1, args.integer("tensor-parallel-size", 1))


def _config(args: Arguments) -> dict[str, object]:
    said = args.get("speculative-config")
    if not said:
        return {}
    try:
        found = json.loads(str(said))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
