"""What has been so of models and roles, and for how long."""

from __future__ import annotations

from fleet.inventory.autopilot import Scaling
from fleet.state import FleetState, ModelState, ModelWord

_SHRINKS_BELOW = 0.5
"""Of what is too much: where a role would still be with one model less, it has one too many."""


class Watch:
    """Since when conditions hold. A reading that is missing ends them: what is not seen is not acted on."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self._since: dict[tuple[str, str], float] = {}

    def see(self, state: FleetState, roles: tuple[Scaling, ...], at: float) -> None:
        """Take note of the fleet at that time, in seconds of any clock that only goes on."""
        for model in state.models:
            self._note(("idle", model.name), is_idle(model), at)
            self._note(("stopped", model.name), model.word is ModelWord.STOPPED, at)
        for scaling in roles:
            serving = serving_models(state, scaling.role)
            self._note(("busy", scaling.role), is_too_much(serving, scaling), at)
            self._note(("calm", scaling.role), is_too_little(serving, scaling), at)

    def idle(self, model: str, at: float) -> float:
        """Seconds in which the model served and had no request; 0 where it has one."""
        return self._lasted(("idle", model), at)

    def stopped(self, model: str, at: float) -> float:
        """Seconds for which the model, which is enabled, has not run."""
        return self._lasted(("stopped", model), at)

    def busy(self, role: str, at: float) -> float:
        """Seconds for which the role has had too much to do."""
        return self._lasted(("busy", role), at)

    def calm(self, role: str, at: float) -> float:
        """Seconds for which the role would have had little to do with one model less."""
        return self._lasted(("calm", role), at)

    def _note(self, what: tuple[str, str], holds: bool, at: float) -> None:
        if holds:
            self._since.setdefault(what, at)
        else:
            self._since.pop(what, None)

    def _lasted(self, what: tuple[str, str], at: float) -> float:
        return at - self._since.get(what, at)


def serving_models(state: FleetState, role: str) -> list[ModelState]:
    """Those that serve the role now, in the fleet file's order."""
    return [model for model in state.models if model.model.role == role and model.word is ModelWord.SERVING]


def is_idle(model: ModelState) -> bool:
    """Whether it serves, and nothing runs or waits there, as far as its own figures say."""
    engine = model.engine
    asked = engine.running != 0 or engine.waiting or engine.requests_per_second
    return model.word is ModelWord.SERVING and not asked


def waiting_each(serving: list[ModelState]) -> float:
    """Requests waiting for each of them, on average."""
    return sum(model.engine.waiting or 0 for model in serving) / max(1, len(serving))


def kv_usage_each(serving: list[ModelState]) -> float:
    """The share of their KV caches in use, on average, 0..1."""
    return sum(model.engine.kv_usage or 0.0 for model in serving) / max(1, len(serving))


def is_too_much(serving: list[ModelState], scaling: Scaling) -> bool:
    """Whether requests wait, or caches are full, beyond the limits of the role."""
    return bool(serving) and (waiting_each(serving) >= scaling.waiting or kv_usage_each(serving) >= scaling.kv_usage)


def is_too_little(serving: list[ModelState], scaling: Scaling) -> bool:
    """Whether one model less would still stay below half of both limits; never where figures are missing."""
    fewer = len(serving) - 1
    if fewer < 1 or any(model.engine.running is None for model in serving):
        return False
    more = len(serving) / fewer
    return (
        waiting_each(serving) * more < scaling.waiting * _SHRINKS_BELOW
        and kv_usage_each(serving) * more < scaling.kv_usage * _SHRINKS_BELOW
    )
