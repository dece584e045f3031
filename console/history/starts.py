"""Starts of engines for the record: what we reckon of each without having learned from it, and what it measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fleet.calibration.known import is_same_source
from fleet.calibration.outcome import outcomes
from fleet.estimate.estimating import estimate
from fleet.hardware import accelerator
from fleet.history.values import Start
from fleet.model import Model
from fleet.readings import HostReading
from fleet.startup import Ending, ModelStart
from fleet.text import clean


def starts(at: int, model: Model, start: ModelStart, reading: HostReading | None) -> Iterator[Start]:
    """A start as it was read at that time, on each GPU of the model's place.

    Nothing where its log does not tell how it ended, or it served another model than the fleet file says. Reckoned is
    what it was started with, whatever the fleet file says now.
    """
    if start.startup.ending is Ending.UNFINISHED or model.place is None:
        return
    if not model.source or not is_same_source(model.source, start.source):
        return
    as_started = replace(model, args=start.args)
    totals = start.totals if len(start.totals) == len(model.place.gpus) else None
    predicted = estimate(as_started, accelerator(start.accelerator), totals=totals)
    for outcome in outcomes(as_started, start, predicted):
        known = reading is not None and outcome.began is not None
        booted = at - reading.uptime_seconds if reading is not None else 0.0
        yield Start(
            at=round(booted + (outcome.began or 0.0)) if known else at,
            run=clean(start.invocation, 64),
            model=outcome.model,
            gpu=str(outcome.gpu),
            build=clean(outcome.build, 80),
            arguments=outcome.arguments,
            predicted=outcome.predicted,
            measured=outcome.measured,
            outcome=outcome.outcome,
            sentence=clean(outcome.sentence),
            alone=outcome.alone,
            seconds=outcome.seconds,
            given=dict(start.args),
        )
