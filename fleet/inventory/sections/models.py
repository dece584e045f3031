"""Models of the fleet file: their keys, and the `Model` an entry comes to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PlainValidator

from fleet.inventory import fields
from fleet.inventory.sections.entry import (
    Code,
    Command,
    CommandOrNone,
    Entry,
    Line,
    LineOrNone,
    MayBeEmpty,
    ServiceOrNone,
    SizeOrNone,
    UrlOrNone,
    text,
)
from fleet.model import Arguments, Engine, Handling, Least, Model, Place, Scalar
from fleet.text import clean

Flag = Annotated[str, text(fields.checked_flag, fields.FLAG)]
Argument = Annotated[Scalar, PlainValidator(fields.checked_argument, json_schema_input_type=str | float | bool)]
Reason = Annotated[str, text(fields.checked_reason)]
WaitOrNone = Annotated[float | None, text(fields.checked_span)]
"""Seconds, written with their unit; more than nothing, and a day at most."""


class RouterEntry(Entry):
    """How a router in front of a model is told of it, by commands on the model's host."""

    add: Command = Field(description="the command that puts it into the router, run once it serves; may be repeated")
    remove: Command = Field(
        description="the command that takes it out of the router, run before its stop; may be repeated"
    )
    reload: CommandOrNone = Field(
        default=None, description="the command that makes the router see it, run after either"
    )


class FitEntry(Entry):
    """What a model keeps where it is made smaller so that others fit."""

    min_max_model_len: Annotated[int | None, Field(ge=1)] = Field(
        default=None, alias="min-max-model-len", description="tokens; without it, as many as it has"
    )
    min_concurrency: Annotated[float, Field(ge=1, allow_inf_nan=False)] = Field(
        default=1.0, alias="min-concurrency", description="sequences of that length its cache holds"
    )
    min_max_num_seqs: Annotated[int | None, Field(ge=1)] = Field(
        default=None,
        alias="min-max-num-seqs",
        description="sequences it serves at once; without it, as many as it does",
    )
    kv_cache_dtypes: list[Literal["auto", "bfloat16", "fp8", "fp8_e4m3", "fp8_e5m2"]] = Field(
        default_factory=list,
        alias="kv-cache-dtypes",
        description="what its KV cache may be kept in too, such as [fp8], the most welcome first",
    )


class ReplicaEntry(Entry):
    """One more copy of a model: served by the same engine with the same arguments, in another place."""

    place: Annotated[Place, text(Place.parse)] = Field(description="the GPUs it runs on, such as gpu01/3")
    service: ServiceOrNone = Field(
        default=None, description="how its process is managed; without it, as the model's, which needs another host"
    )
    url: UrlOrNone = Field(
        default=None, description="its own endpoint as seen from its host; without it, as the model's"
    )
    enabled: bool = Field(
        default=True, description="whether it is to run; one that is not serves while another copy is started anew"
    )


class ModelEntry(Entry):
    """A model that is, or can be, served."""

    engine: Annotated[Engine, text(Engine.parse)] = Field(
        description="the program that serves it and its version, such as vllm 0.9.0"
    )
    source: LineOrNone = Field(default=None, description="a Hugging Face id or a file")
    memory: SizeOrNone = Field(
        default=None,
        description="what it holds on each of its GPUs, such as 1.5 GB; for engines without an estimate",
    )
    place: Annotated[Place | None, text(Place.parse)] = Field(
        default=None, description="the GPUs it runs on, such as gpu01/0 or gpu01/4-6"
    )
    service: ServiceOrNone = Field(default=None, description="how its process is managed, such as systemd:NAME.service")
    restart: CommandOrNone = Field(
        default=None,
        description="instead of service: the command that starts it anew, with fields such as {gpus} and {arguments}",
    )
    stop: CommandOrNone = Field(
        default=None, description="beside restart: the command that stops it and waits until it has stopped"
    )
    status: CommandOrNone = Field(
        default=None,
        description="beside restart: the command that succeeds while it runs and prints the ids of its processes",
    )
    logs: CommandOrNone = Field(default=None, description="beside restart: the command that prints its log")
    service_template: LineOrNone = Field(
        default=None,
        alias="service-template",
        description="the file, relative to this one, its service is made from where a host does not have it",
    )
    managed: LineOrNone = Field(
        default=None,
        description="the file, relative to this one, from which other tools make its service; gpudeck changes neither",
    )
    url: UrlOrNone = Field(
        default=None, description="its own endpoint as seen from its host, such as http://127.0.0.1:8001"
    )
    drain: CommandOrNone = Field(
        default=None, description="the command that has it take no new requests, run before its stop"
    )
    drain_timeout: WaitOrNone = Field(
        default=None, alias="drain-timeout", description="how long its stop waits for requests, such as 90 s"
    )
    router: RouterEntry | None = Field(default=None, description="how a router in front of it is told of it")
    health: CommandOrNone = Field(
        default=None, description="the command that succeeds once it really serves, such as one that asks for a token"
    )
    warmup: CommandOrNone = Field(
        default=None, description="the command run once it serves, before the router sends it anything"
    )
    start_timeout: WaitOrNone = Field(
        default=None, alias="start-timeout", description="how long its start may take, such as 20 min"
    )
    role: LineOrNone = Field(default=None, description="what it is for, such as chat")
    replicas: list[ReplicaEntry] = Field(
        default_factory=list, description="more copies of it, behind one router; the second is NAME_2 everywhere"
    )
    args: Annotated[dict[Flag, Argument], MayBeEmpty] = Field(
        default_factory=dict,
        description="its engine's arguments, under the engine's own flags without dashes",
    )
    enabled: bool = Field(default=True, description="whether it is to run")
    fit: FitEntry | None = Field(
        default=None, description="how small its share and length may be made when the fleet is rebalanced"
    )
    checkpoints: list[Line] = Field(
        default_factory=list,
        description="smaller checkpoints of the same model, offered only where nothing else lets everything fit",
    )
    pin: bool = Field(default=False, description="whether it stays where it is when the fleet is rebalanced")
    note: Annotated[str | None, text(clean)] = Field(default=None, description="a note for the screen")
    ignore: Annotated[dict[Code, Reason], MayBeEmpty] = Field(
        default_factory=dict, description="findings that do not count for it, each with the reason"
    )


def model(name: str, entry: ModelEntry, spoken: tuple[tuple[str, str], ...], folder: Path) -> Model:
    """The first copy of the model of that name.

    Args:
        name: In the fleet file.
        entry: What stands under it.
        spoken: What comments beside it ignore: (code, reason).
        folder: That of the fleet file, from which its other files are named.
    """
    said = {"restart": entry.restart, "stop": entry.stop, "status": entry.status, "logs": entry.logs}
    commands = tuple((verb, command) for verb, command in said.items() if command is not None)
    return Model(
        name=name,
        engine=entry.engine,
        source=entry.source,
        place=entry.place,
        service=f"command:{name}" if commands else entry.service,
        commands=commands,
        service_template=folder / entry.service_template if entry.service_template else None,
        managed=entry.managed,
        url=entry.url,
        role=entry.role,
        args=Arguments(entry.args),
        memory_bytes=entry.memory,
        enabled=entry.enabled,
        pinned=entry.pin,
        least=_least(entry.fit) if entry.fit else None,
        checkpoints=tuple(entry.checkpoints),
        note=entry.note,
        handling=_handling(entry),
        ignored=(*entry.ignore.items(), *spoken),
    )


def _least(said: FitEntry) -> Least:
    return Least(said.min_max_model_len, said.min_concurrency, said.min_max_num_seqs, tuple(said.kv_cache_dtypes))


def _handling(entry: ModelEntry) -> Handling:
    router = entry.router
    return Handling(
        drain=entry.drain,
        drain_seconds=entry.drain_timeout,
        router_remove=router.remove if router else None,
        router_add=router.add if router else None,
        router_reload=router.reload if router else None,
        health=entry.health,
        warmup=entry.warmup,
        start_seconds=entry.start_timeout,
    )
