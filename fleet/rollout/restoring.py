"""The way back: steps that leave every touched service as it was before the plan."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from fleet.planning.plan import Action, Former, Plan, Step
from fleet.services.registry import service_named

STOP_SECONDS = 10.0
COMMAND_SECONDS = 1.0


def restoring(
    plan: Plan, begun: Collection[int], models: Collection[str] | None = None, ended: Collection[Former] = ()
) -> tuple[Step, ...]:
    """The steps that undo the plan's steps with these numbers, of these models (None = of all).

    Services in ``ended`` have ended by themselves, though no step stopped them; they are started as well.

    What was started is stopped before anything is started again, so that memory is there; then what took most comes
    back first. Every step is safe to repeat, so it does not matter how far an interrupted one came.
    """
    touched = [step for step in plan.steps if step.n in begun and (models is None or step.model in models)]
    keys = dict.fromkeys((step.model, step.host) for step in touched)
    formers = [former for former in plan.formers if (former.model, former.host) in keys]
    steps = [
        stop(former, leaves=_changed(touched, former, Action.WAIT))
        for former in formers
        if _changed(touched, former, Action.STOP, Action.START)
    ]
    steps += [_overlay(former) for former in formers if _changed(touched, former, Action.WRITE, Action.REMOVE)]
    for former in sorted(formers, key=lambda former: -former.needs_bytes):
        if former.running and (former in ended or _changed(touched, former, Action.STOP, Action.START)):
            steps += _start(former)
        elif former.running and former.joining:
            steps.append(_wait(former))
    return tuple(replace(step, n=n) for n, step in enumerate(steps, 1))


def _changed(touched: Collection[Step], former: Former, *actions: Action) -> bool:
    return any(step.action in actions and (step.model, step.host) == (former.model, former.host) for step in touched)


def _step(former: Former, action: Action, seconds: float) -> Step:
    return Step(0, action, former.model, former.host, former.service, former.gpus, seconds=seconds)


def stop(former: Former, *, leaves: bool = False) -> Step:
    """The step that stops it, whatever it does, out of the router first; its number is the caller's to give."""
    service = service_named(former.service, former.become)
    commands = (*(former.leaving if leaves else ()), service.stop())
    return replace(_step(former, Action.STOP, STOP_SECONDS), commands=commands)


def _overlay(former: Former) -> Step:
    service = service_named(former.service, former.become)
    if former.overlay is None:
        return replace(_step(former, Action.REMOVE, COMMAND_SECONDS), commands=service.remove_overlay())
    return replace(_step(former, Action.WRITE, COMMAND_SECONDS), commands=service.write_overlay(former.overlay))


def _start(former: Former) -> list[Step]:
    service = service_named(former.service, former.become)
    start = replace(
        _step(former, Action.START, COMMAND_SECONDS),
        commands=(service.start(),),
        needs_bytes=former.needs_bytes,
        holds=former.holds,
    )
    return [start, _wait(former)]


def _wait(former: Former) -> Step:
    return replace(
        _step(former, Action.WAIT, former.seconds),
        commands=former.joining,
        expects=former.expects,
        asks_health=former.asks_health,
        check=former.check,
        timeout=former.timeout,
    )
