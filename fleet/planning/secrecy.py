"""No plan holds a secret: plans are shown, kept in journals and handed from one operator to another."""

from __future__ import annotations

from collections.abc import Iterable

from fleet.errors import GpudeckError
from fleet.planning.plan import Plan
from fleet.secrets import holds_secret, named_in
from fleet.services.registry import service_named
from fleet.services.template import Templated

_WAY_OUT = "Keep it in a file on the host that only its service reads, such as an EnvironmentFile= of its unit."


def check_keeps_no_secret(plan: Plan) -> None:
    """Raises GpudeckError where a command, an overlay or an operator's own command of the plan holds a secret."""
    for step in plan.steps:
        _check(step.model, step.service, (*(command.words for command in step.commands), step.check))
        for command in step.commands:
            if name := named_in(command.stdin.decode("utf-8", "replace")):
                raise GpudeckError(
                    f"{step.model}: what would be written on {step.host} holds {_called(name)}.", _WAY_OUT
                )
    for former in plan.formers:
        own = (*(command.words for command in (*former.leaving, *former.joining)), former.check)
        _check(former.model, former.service, own)
        if name := named_in(former.overlay or ""):
            raise GpudeckError(f"{former.model}: its overlay on {former.host} holds {_called(name)}.", _WAY_OUT)


def _check(model: str, written: str, commands: Iterable[tuple[str, ...]]) -> None:
    service = service_named(written, "none")
    own = service.commands.values() if isinstance(service, Templated) else ()
    if any(holds_secret(words) for words in (*commands, *own)):
        raise GpudeckError(
            f"{model}: a command of its service holds a secret, which everybody on the host sees.", _WAY_OUT
        )


def _called(name: str) -> str:
    return name if name == "a token" else f"a secret ({name})"
