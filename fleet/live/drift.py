"""LIVE003: what runs was started with other arguments than the fleet file has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fleet.arguments import arguments
from fleet.calibration.known import is_same_source
from fleet.estimate.learning import HARMLESS
from fleet.findings import Finding, Fix, Severity, Tense
from fleet.inventory.changes import Change, Restart, SetArgument
from fleet.model import Model, Scalar, Version
from fleet.services.arguments import same_value
from fleet.startup import ModelStart
from fleet.state import FleetState

_ENGINE, _SOURCE = "engine", "source"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that the fleet file and what runs say differently; None where one does not say it at all."""

    name: str
    """An argument, ``engine`` or ``source``."""
    in_file: Scalar
    running: Scalar

    @property
    def is_argument(self) -> bool:
        """Whether it is an argument of the engine."""
        return self.name not in (_ENGINE, _SOURCE)

    @property
    def words(self) -> str:
        """``gpu-memory-utilization 0.6 (file: 0.5)``."""
        running = "not set" if self.running is None else self.running
        in_file = "not set" if self.in_file is None else self.in_file
        return f"{self.name} {running} (file: {in_file})"


def differences(model: Model, start: ModelStart) -> tuple[Difference, ...]:
    """What the fleet file says of a model and its command line does not, or says otherwise.

    An argument that the file leaves out counts where it may change memory: the operators' own units name more. Of
    vLLM that is all but what is known not to, of other engines what is known to.
    """
    return tuple(_differences(model, start))


def _differences(model: Model, start: ModelStart) -> Iterator[Difference]:
    if model.source and not is_same_source(model.source, start.source):
        yield Difference(_SOURCE, model.source, start.source)
    build = start.startup.build
    if model.engine.name == "vllm" and model.engine.version and _release(build) not in (None, model.engine.version):
        yield Difference(_ENGINE, str(model.engine), f"vllm {build}")
    for flag, value in model.args.items():
        running = start.args.get(flag)
        if not flag.startswith("VLLM_") and not _agree(value, running):
            yield Difference(flag, value, running)
    judged = {argument.flag for argument in arguments(model.engine.name)}
    for flag, running in start.args.items():
        counts = flag not in HARMLESS if model.engine.name == "vllm" else flag in judged
        if flag not in model.args and counts and running is not False:
            yield Difference(flag, None, running)


def _release(build: str) -> Version | None:
    try:
        return Version(build)
    except ValueError:
        return None


def _agree(value: Scalar, running: Scalar) -> bool:
    """A switch that is off is one that is not there."""
    return same_value(value, running) or (value in (False, None) and running in (False, None))


def find(state: FleetState) -> Iterator[Finding]:
    """Models that run as the fleet file does not say."""
    for model in state.models:
        found = differences(model.model, model.start) if model.start and model.model.enabled else ()
        if found:
            words = "; ".join(difference.words for difference in found)
            yield Finding(
                code="LIVE003",
                severity=Severity.WARNING,
                tense=Tense.NOW,
                message=f"{model.name} runs otherwise than the fleet file says: {words}.",
                headline=f"runs with {words}",
                model=model.name,
                gpu=model.model.place.gpu_ids[0] if model.model.place and len(model.model.place.gpus) == 1 else None,
                fixes=tuple(_fixes(model.model, found)),
            )


def _fixes(model: Model, found: tuple[Difference, ...]) -> Iterator[Fix]:
    """Take what runs into the file; or restart, where the command line has all that the file says otherwise."""
    arguments = [difference for difference in found if difference.is_argument]
    if len(arguments) < len(found):
        return
    changes: tuple[Change, ...] = tuple(SetArgument(model.name, each.name, each.running) for each in arguments)
    yield Fix(f"take into the file: {', '.join(_short(each) for each in arguments)}", changes)
    if all(each.in_file is not None and each.running is not None for each in arguments):
        yield Fix("restart it as the file says", (Restart(model.name),))


def _short(difference: Difference) -> str:
    return f"no {difference.name}" if difference.running is None else f"{difference.name} {difference.running}"
