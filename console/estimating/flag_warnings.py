"""What is said of flags an engine does not have, on standard error and under ``warnings`` of a document."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from fleet.estimate.vllm.versions import NEWEST
from fleet.flags.unknown import unknown
from fleet.model import Model


def flag_warnings(models: Iterable[Model]) -> tuple[str, ...]:
    """One sentence for each flag that is none, however many models have it."""
    found = (
        each.sentence
        for model in models
        for each in unknown(model.engine, model.args, NEWEST if model.engine.name == "vllm" else None)
    )
    return tuple(dict.fromkeys(found))


def tell(warnings: Iterable[str]) -> None:
    """Say them on standard error, where they are in nobody's data."""
    for warning in warnings:
        print(f"gpudeck: warning: {warning}", file=sys.stderr)
