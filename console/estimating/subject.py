"""What ``gpudeck estimate`` is asked about: a model, its engine and arguments, and the GPUs it would have."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace

from console.estimating.architectures import (
    catalogue,
    known_architecture,
    local_architecture,
    read_config,
    remote_architecture,
    unknown,
)
from console.fleets import choose_fleet
from fleet.architecture.architecture import Architecture
from fleet.errors import UsageError
from fleet.estimate.measured import End
from fleet.estimate.trial import MOST_RANKS, Trial, trial
from fleet.findings.assessment import GpuOutlook
from fleet.findings.placement import place as place_fleet
from fleet.hardware import ACCELERATORS, Accelerator, recognise
from fleet.hardware import accelerator as accelerator_named
from fleet.inventory import Inventory
from fleet.inventory.changes import Move, apply
from fleet.model import Arguments, Engine, Model, Place
from fleet.services.arguments import plain_words
from fleet.services.serve_line import engine_arguments
from fleet.services.serve_line import read as read_serve_line
from fleet.text import clean
from fleet.units import parse_size

MOST_GPUS = 8
"""How many GPUs a model could have where nobody says: those of one server."""
_EXAMPLE = "Such as: gpudeck estimate meta-llama/Llama-3.1-8B-Instruct --gpu MI300X --max-model-len 32768"


@dataclass(frozen=True, slots=True)
class Subject:
    """One model as it is asked about."""

    trial: Trial
    gpus: tuple[str, ...]
    """Names of the GPUs it would have: ``gpu01/0``, or ``MI300X/0`` where no host is named."""
    most_gpus: int
    """How many it could have."""
    worst: Trial
    """The same with its neighbours at the high end of their own estimates."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was taken for granted, one sentence each."""
        known = self.trial.architecture
        source = self.trial.model.source
        if known is None or source is None or known.name in (source, self.trial.model.name):
            return ()
        return (f"{source} is reckoned as {known.name}.",)


def subjects(options: argparse.Namespace) -> tuple[Subject, ...]:
    """Everything that is asked about, in the order written. Raises UsageError where that makes no sense."""
    if options.line:
        return (_pasted(options),)
    if options.on and options.gpu:
        raise UsageError("--on names GPUs of the fleet, and --gpu another kind.", "Leave one of them out.")
    inventory = choose_fleet(options) if options.fleet or options.on else None
    names = plain_words(("estimate", *options.words))
    if options.fit and inventory and options.on:
        there = [model.name for model in inventory.placed if _is_on(model, options.on)]
        names = tuple(dict.fromkeys((*there, *names)))
    if options.config:
        names = names or (read_config(options.config)[0],)
    if not all(names) or not names:
        raise UsageError("No model is named.", _EXAMPLE)
    if len(names) > 1 and not options.fit:
        raise UsageError(
            f"{' and '.join(names[:2])} are asked about at once.",
            "Name one model; several go together with --fit, which puts them on one GPU.",
        )
    return tuple(_named(name, options, inventory) for name in names)


def named_architecture(options: argparse.Namespace) -> Architecture | None:
    """The architecture of the model that is named, None where none is. Raises UsageError for one not known."""
    names = plain_words(("estimate", *options.words))
    if options.config:
        return read_config(options.config)[1]
    if not names:
        return None
    found = _architecture(Model(names[0], _likely_engine(names[0]), names[0]), options)
    if found is None:
        raise unknown(names[0])
    return found


def on_one_gpu(found: Sequence[Subject], options: argparse.Namespace) -> list[Trial]:
    """Each of them alone on one GPU, the same for all. Raises UsageError where that cannot be."""
    kind = found[0].trial.accelerator
    for subject in found:
        model, needed = subject.trial.model, max(len(subject.gpus), subject.trial.model.args.ranks)
        if needed > 1:
            raise UsageError(f"{model.name} runs on {needed} GPUs; --fit shares out a single one.")
        if subject.trial.accelerator != kind:
            raise UsageError(f"{model.name} is not on {kind.name}.", "Say which GPU is meant: --gpu or --on.")
    return [replace(subject.trial, others_bytes=(_others(options),)) for subject in found]


def chosen_accelerator(text: str) -> Accelerator:
    """The accelerator of that name or description. Raises UsageError for one we do not know."""
    try:
        return accelerator_named(text)
    except KeyError:
        found = recognise(text)
    if found is None:
        raise UsageError(f"There is no accelerator {text!r} we know.", f"There are {', '.join(ACCELERATORS)}.")
    return found


def _named(name: str, options: argparse.Namespace, inventory: Inventory | None) -> Subject:
    entry = next((model for model in inventory.models if model.name == name), None) if inventory else None
    model = entry or Model(name, _likely_engine(name), name)
    if options.engine:
        model = replace(model, engine=_engine(options.engine))
    flags = engine_arguments(model.engine.name, options.words)
    model = replace(model, args=Arguments({**model.args, **flags}))
    there = remote_architecture(model.source, inventory) if inventory and model.source else None
    architecture = there or _architecture(model, options)
    if architecture is None and entry is None:
        raise unknown(name, [other.name for other in inventory.models] if inventory else ())
    stays = not options.on or (options.fit and _is_on(model, options.on))
    place = model.place if stays else _place(options.on)
    if inventory and place and not options.gpu:
        return _placed(replace(model, place=place, enabled=True), inventory, architecture, _others(options))
    return _anywhere(model, options, _kind(options, inventory), architecture, None)


def _pasted(options: argparse.Namespace) -> Subject:
    served = read_serve_line(options.line)
    engine = _engine(options.engine) if options.engine else served.engine
    flags = engine_arguments(engine.name, options.words)
    model = Model(served.source, engine, served.source, args=Arguments({**served.args, **flags}))
    architecture = _architecture(model, options)
    if architecture is None:
        raise unknown(served.source)
    return _anywhere(model, options, _kind(options, None), architecture, served.gpus)


def _architecture(model: Model, options: argparse.Namespace) -> Architecture | None:
    """What decides the model's memory: ``--config``, else its own folder, else the catalogue and what is added."""
    if options.config:
        return read_config(options.config, model.name)[1]
    if model.source is None:
        return None
    return local_architecture(model.source) or known_architecture(model.source, catalogue(options.architectures))


def _anywhere(
    model: Model,
    options: argparse.Namespace,
    kind: Accelerator,
    architecture: Architecture | None,
    visible: int | None,
) -> Subject:
    """On GPUs of no host in particular: as many as are there, else as many as its arguments ask for."""
    said = _gpus(options.gpus) if options.gpus else visible
    gpus = said or model.args.ranks
    if gpus > MOST_RANKS:
        raise UsageError(f"The arguments ask for {gpus:,} GPUs, and at most {MOST_RANKS:,} are reckoned with.")
    tried = trial(model, kind, gpus=gpus, others_bytes=_others(options), architecture=architecture)
    names = tuple(f"{kind.name}/{index}" for index in range(gpus))
    return Subject(tried, names, said or max(gpus, MOST_GPUS), tried)


def _placed(model: Model, inventory: Inventory, architecture: Architecture | None, others: int) -> Subject:
    """In its place of the fleet, beside the models that are there."""
    assert model.place is not None, "only for a model with a place"
    without = tuple(other for other in inventory.models if other.name != model.name)
    fleet = replace(inventory, models=(*without, model))
    fleet = apply(fleet, [Move(model.name, model.place)])
    kind = fleet.host(model.place.host).accelerator
    gpus = model.place.gpu_ids
    trials = []
    for end in (None, End.HIGH):
        placement = place_fleet(fleet, totals={}, end=end)
        checks = placement.estimates[model.name].needs_free_bytes is not None
        held = (others + _neighbours(placement.outlooks[gpu], model.name, checks) for gpu in gpus)
        trials.append(Trial(model, kind, (kind.total_bytes,) * len(gpus), tuple(held), architecture))
    return Subject(trials[0], tuple(map(str, gpus)), len(gpus), trials[1])


def _neighbours(outlook: GpuOutlook, model: str, at_peak: bool) -> int:
    """What the others on a GPU hold: at their peak for an engine that insists on free memory, else while they idle."""
    shares = [share for name, share in outlook.shares if name != model]
    return sum(share.total_bytes if at_peak else share.resident_bytes for share in shares)


def _is_on(model: Model, place: str) -> bool:
    return model.place is not None and not set(model.place.gpu_ids).isdisjoint(_place(place).gpu_ids)


def _kind(options: argparse.Namespace, inventory: Inventory | None) -> Accelerator:
    if options.gpu:
        return chosen_accelerator(options.gpu)
    kinds = {host.accelerator_name: host.accelerator for host in inventory.hosts} if inventory else {}
    if len(kinds) == 1:
        return next(iter(kinds.values()))
    raise UsageError("It is not said on which kind of GPU.", "Say so: --gpu MI300X.")


def _likely_engine(source: str) -> Engine:
    return Engine("llama.cpp" if source.lower().endswith(".gguf") else "vllm")


def _engine(text: str) -> Engine:
    try:
        return Engine.parse(text)
    except ValueError as error:
        raise UsageError(f"--engine: {error}.", 'Write it as --engine "vllm 0.33.0".') from None


def _place(text: str) -> Place:
    try:
        return Place.parse(text)
    except ValueError as error:
        raise UsageError(f"--on: {error}.") from None


def _gpus(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_RANKS:
        raise UsageError(f"--gpus is a number of GPUs from 1 to {MOST_RANKS:,}, not {clean(text, 40)!r}.")
    return int(text)


def _others(options: argparse.Namespace) -> int:
    if not options.others:
        return 0
    try:
        return parse_size(options.others)
    except ValueError as error:
        raise UsageError(f"--others: {error}.") from None
