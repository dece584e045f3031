"""From what was seen to what should be: models to load, models to unload, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fleet.autopilot.situation import CALM_SECONDS, Situation
from fleet.autopilot.watching import kv_usage_each, serving_models, waiting_each
from fleet.inventory.autopilot import Scaling
from fleet.units import duration


@dataclass(frozen=True, slots=True)
class Wish:
    """One model more, or one less."""

    subject: str
    """The role, or the model, that it is about: once it is fulfilled, nothing is done about that for a while."""
    loads: bool
    models: tuple[str, ...]
    """Any one of these, the best first."""
    reason: str
    """Why, as a clause."""


def wishes(now: Situation) -> tuple[Wish, ...]:
    """All there are, the most urgent first."""
    found = [*_missing(now), *_growing(now), *_by_the_clock(now), *_idle(now), *_shrinking(now)]
    return tuple(wish for wish in found if wish.models)


def _missing(now: Situation) -> Iterator[Wish]:
    for scaling in now.autopilot.roles:
        count = now.count(scaling.role)
        if count < scaling.least:
            words = f"{count} models serve {scaling.role}, which has at least {scaling.least}"
            yield Wish(scaling.role, True, _to_load(now, scaling), words)


def _growing(now: Situation) -> Iterator[Wish]:
    for scaling in now.autopilot.roles:
        lasted = now.watch.busy(scaling.role, now.at)
        if scaling.least <= now.count(scaling.role) < scaling.most and lasted >= scaling.seconds:
            serving = serving_models(now.state, scaling.role)
            words = (
                f"for {duration(lasted)} too much was asked of {scaling.role}; now {waiting_each(serving):.1f} "
                f"requests wait for each of {len(serving)}, with {100 * kv_usage_each(serving):.0f} % of caches in use"
            )
            yield Wish(scaling.role, True, _to_load(now, scaling), words)


def _shrinking(now: Situation) -> Iterator[Wish]:
    for scaling in now.autopilot.roles:
        lasted = now.watch.calm(scaling.role, now.at)
        if lasted >= scaling.idle_seconds:
            serving = [model for model in serving_models(now.state, scaling.role) if now.may_go(model.model)]
            quietest = min(reversed(serving), key=lambda model: model.engine.running or 0, default=None)
            words = f"for {duration(lasted)} one model less would have served {scaling.role} at half its limits"
            yield Wish(scaling.role, False, (quietest.name,) if quietest else (), words)


def _by_the_clock(now: Situation) -> Iterator[Wish]:
    for rotation in now.autopilot.rotation:
        model, hours = now.inventory.model(rotation.model), rotation.hours
        if hours is None:
            continue
        closes = hours.closing(now.at)
        if closes is not None and now.is_off(model):
            yield Wish(model.name, True, (model.name,), f"its hours go on until {hours.words(closes)}")
        if closes is None and now.may_go(model) and now.watch.idle(model.name, now.at) >= CALM_SECONDS:
            begins = hours.words(hours.next_opening(now.at))
            yield Wish(model.name, False, (model.name,), f"nothing runs there, and its hours begin {begins}")


def _idle(now: Situation) -> Iterator[Wish]:
    for rotation in now.autopilot.rotation:
        model, lasted = now.inventory.model(rotation.model), now.watch.idle(rotation.model, now.at)
        if rotation.idle_seconds is not None and lasted >= rotation.idle_seconds and now.may_go(model):
            yield Wish(model.name, False, (model.name,), f"it had no request for {duration(lasted)}")


def _to_load(now: Situation, scaling: Scaling) -> tuple[str, ...]:
    """The role's disabled models that may be loaded now, in the file's order."""
    return tuple(
        model.name
        for model in now.inventory.models
        if model.role == scaling.role and now.is_off(model) and not now.is_resting(model.name)
    )
