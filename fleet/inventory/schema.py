"""The shape of the fleet file: its keys and what each may hold, as pydantic models and as a JSON schema."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator
from pydantic_core import PydanticKnownError

from fleet.inventory import fields
from fleet.inventory.alerts import QUANTITIES
from fleet.inventory.codes import CODES
from fleet.model import Engine, Place, Scalar
from fleet.text import clean
from fleet.units import DayHours, parse_day_hours, parse_duration
from fleet.windows import WINDOW, Window

MOST_GPUS = 256


def _read(parse: Callable[[str], object], pattern: str | None = None) -> PlainValidator:
    """What ``parse`` makes of a text; a text of that pattern in the JSON schema."""

    def validate(value: object) -> object:
        if not isinstance(value, str):
            raise PydanticKnownError("string_type")
        return parse(value)

    anchored = pattern and f"^(?:{pattern})$"
    return PlainValidator(validate, json_schema_input_type=Annotated[str, Field(pattern=anchored)])


Name = Annotated[str, _read(fields.checked_name, fields.NAME)]
Flag = Annotated[str, _read(fields.checked_flag, fields.FLAG)]
Label = Annotated[str, _read(fields.checked_label, fields.LABEL)]
Note = Annotated[str, _read(clean)]
Line = Annotated[str, _read(fields.checked_line)]
Code = Annotated[str, _read(fields.checked_line, "|".join(CODES))]
"""Of a finding; that there is one is for `fleet.inventory.preferences` to say."""
Index = Annotated[int, _read(fields.checked_index, "[0-9]+")]
Argument = Annotated[Scalar, PlainValidator(fields.checked_argument, json_schema_input_type=str | float | bool)]
Watts = Annotated[float, _read(fields.checked_power)]
Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]
MayBeEmpty = BeforeValidator(lambda value: {} if value is None else value)
"""A mapping whose lines are all taken out or commented out."""


class _Entry(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class HostEntry(_Entry):
    """A machine reached over SSH."""

    address: Annotated[str | None, _read(fields.checked_address)] = Field(
        default=None, description="what ssh takes, such as ops@gpu01"
    )
    accelerator: Annotated[str, _read(fields.checked_accelerator)] = Field(
        description="the kind of its GPUs, such as MI300X"
    )
    gpus: Annotated[int, Field(ge=1, le=MOST_GPUS)] = Field(description="how many GPUs it has")
    become: Literal["sudo", "helper", "none"] = Field(
        default="sudo", description="how root is reached there: sudo, sudo with a helper that checks, or not at all"
    )
    production: bool = Field(default=False, description="whether it serves production: its GPUs carry the word PROD")
    power_cap: Watts | None = Field(
        default=None, description="what its GPUs may draw together, such as 5.5 kW; more is found wrong"
    )
    price_per_hour: Price | None = Field(
        default=None, description="what it costs whether it is used or not, in policy's currency"
    )
    notes: Annotated[dict[Index, Note], MayBeEmpty] = Field(
        default_factory=dict, description="notes for the screen, by the index of the GPU"
    )


class RouterEntry(_Entry):
    """How a router in front of a model is told of it, by commands on the model's host."""

    add: Annotated[str, _read(fields.checked_template)] = Field(
        description="the command that puts it into the router, run once it serves; may be repeated"
    )
    remove: Annotated[str, _read(fields.checked_template)] = Field(
        description="the command that takes it out of the router, run before its stop; may be repeated"
    )
    reload: Annotated[str | None, _read(fields.checked_template)] = Field(
        default=None, description="the command that makes the router see it, run after either"
    )


class FitEntry(_Entry):
    """What a model keeps where it is made smaller so that others fit."""

    min_max_model_len: Annotated[int | None, Field(ge=1)] = Field(
        default=None, alias="min-max-model-len", description="tokens; without it, as many as it has"
    )
    min_concurrency: Annotated[float, Field(ge=1, allow_inf_nan=False)] = Field(
        default=1.0, alias="min-concurrency", description="sequences of that length its cache holds"
    )


class ReplicaEntry(_Entry):
    """One more copy of a model: served by the same engine with the same arguments, in another place."""

    place: Annotated[Place, _read(Place.parse)] = Field(description="the GPUs it runs on, such as gpu01/3")
    service: Annotated[str | None, _read(fields.checked_service, fields.SERVICE)] = Field(
        default=None, description="how its process is managed; without it, as the model's, which needs another host"
    )
    url: Annotated[str | None, _read(fields.checked_url)] = Field(
        default=None, description="its own endpoint as seen from its host; without it, as the model's"
    )
    enabled: bool = Field(
        default=True, description="whether it is to run; one that is not serves while another copy is started anew"
    )


class ModelEntry(_Entry):
    """A model that is, or can be, served."""

    engine: Annotated[Engine, _read(Engine.parse)] = Field(
        description="the program that serves it and its version, such as vllm 0.9.0"
    )
    source: Annotated[str | None, _read(fields.checked_line)] = Field(
        default=None, description="a Hugging Face id or a file"
    )
    memory: Annotated[int | None, PlainValidator(fields.checked_memory, json_schema_input_type=str)] = Field(
        default=None,
        description="what it holds on each of its GPUs, such as 1.5 GB; for engines without an estimate",
    )
    place: Annotated[Place | None, _read(Place.parse)] = Field(
        default=None, description="the GPUs it runs on, such as gpu01/0 or gpu01/4-6"
    )
    service: Annotated[str | None, _read(fields.checked_service, fields.SERVICE)] = Field(
        default=None, description="how its process is managed, such as systemd:NAME.service"
    )
    restart: Annotated[str | None, _read(fields.checked_template)] = Field(
        default=None,
        description="instead of service: the command that starts it anew, with fields such as {gpus} and {arguments}",
    )
    stop: Annotated[str | None, _read(fields.checked_template)] = Field(
        default=None, description="beside restart: the command that stops it and waits until it has stopped"
    )
    status: Annotated[str | None, _read(fields.checked_template)] = Field(
        default=None,
        description="beside restart: the command that succeeds while it runs and prints the ids of its processes",
    )
    logs: Annotated[str | None, _read(fields.checked_template)] = Field(
        default=None, description="beside restart: the command that prints its log"
    )
    service_template: Annotated[str | None, _read(fields.checked_line)] = Field(
        default=None,
        alias="service-template",
        description="the file, relative to this one, its service is made from where a host does not have it",
    )
    managed: Annotated[str | None, _read(fields.checked_line)] = Field(
        default=None,
        description="the file, relative to this one, from which other tools make its service; gpudeck changes neither",
    )
    url: Annotated[str | None, _read(fields.checked_url)] = Field(
        default=None, description="its own endpoint as seen from its host, such as http://127.0.0.1:8001"
    )
    drain: Annotated[str | None, _read(fields.checked_template)] = Field(
        default=None, description="the command that has it take no new requests, run before its stop"
    )
    drain_timeout: Annotated[float | None, _read(fields.checked_span)] = Field(
        default=None, alias="drain-timeout", description="how long its stop waits for requests, such as 90 s"
    )
    router: RouterEntry | None = Field(default=None, description="how a router in front of it is told of it")
    health: Annotated[str | None, _read(fields.checked_template)] = Field(
        default=None, description="the command that succeeds once it really serves, such as one that asks for a token"
    )
    warmup: Annotated[str | None, _read(fields.checked_template)] = Field(
        default=None, description="the command run once it serves, before the router sends it anything"
    )
    start_timeout: Annotated[float | None, _read(fields.checked_span)] = Field(
        default=None, alias="start-timeout", description="how long its start may take, such as 20 min"
    )
    role: Annotated[str | None, _read(fields.checked_line)] = Field(
        default=None, description="what it is for, such as chat"
    )
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
    pin: bool = Field(default=False, description="whether it stays where it is when the fleet is rebalanced")
    note: Annotated[str | None, _read(clean)] = Field(default=None, description="a note for the screen")
    ignore: Annotated[dict[Code, Annotated[str, _read(fields.checked_reason)]], MayBeEmpty] = Field(
        default_factory=dict, description="findings that do not count for it, each with the reason"
    )


class FindingsEntry(_Entry):
    """What the operators say about findings."""

    ignore: list[Code] = Field(default_factory=list, description="codes that do not count in this fleet")
    severity: Annotated[dict[Code, Literal["error", "warning", "info"]], MayBeEmpty] = Field(
        default_factory=dict, description="how bad a code is here, where that is not as usual"
    )


class SizeClassEntry(_Entry):
    """The share of a GPU that models of a size are agreed to have."""

    below: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = Field(
        default=None, description="billions of parameters up to which it holds; without it, all that are larger"
    )
    low: Annotated[float, Field(gt=0, le=1)] = Field(description="the smallest share agreed on")
    high: Annotated[float, Field(gt=0, le=1)] = Field(description="the largest share agreed on")


class WindowsEntry(_Entry):
    """When what runs may be changed: maintenance windows. Outside them, apply asks for --outside-window."""

    open: Annotated[list[Annotated[Window, _read(Window.parse, WINDOW)]], Field(min_length=1)] = Field(
        description="days and hours, such as mon-thu 22:00-06:00 or sat,sun; hours may go on past midnight"
    )
    zone: Annotated[str, _read(fields.checked_zone)] = Field(
        default="UTC", description="the time zone of those hours, such as Europe/Stockholm"
    )


class PolicyEntry(_Entry):
    """What the operators agreed on."""

    utilization: list[SizeClassEntry] = Field(default_factory=list, description="by size, ascending")
    headroom: Annotated[int | None, PlainValidator(fields.checked_memory, json_schema_input_type=str)] = Field(
        default=None, description="what every GPU in use keeps free at the high end of the estimates, such as 4 GiB"
    )
    redundancy: Annotated[dict[Line, Annotated[int, Field(ge=1)]], MayBeEmpty] = Field(
        default_factory=dict, description="how many models serve a role, such as chat: 2, on GPUs of their own"
    )
    currency: Line | None = Field(default=None, description="of all prices, such as EUR")
    energy_price: Price | None = Field(
        default=None, description="of a kilowatt hour, beside each host's price_per_hour"
    )
    windows: WindowsEntry | None = Field(default=None, description="when what runs may be changed; else at any time")


class TelemetryEntry(_Entry):
    """Where readings come from, if not from a probe on each host."""

    prometheus: Annotated[str, _read(fields.checked_server)] = Field(
        description="the URL of a Prometheus server, such as https://prometheus.example:9090"
    )
    host_label: Label | None = Field(
        default=None, description="the label that names the host, such as node; else the usual ones are tried"
    )
    hosts: Annotated[dict[Name, Annotated[str, _read(fields.checked_line)]], MayBeEmpty] = Field(
        default_factory=dict, description="what that label says of a host, where it is not its name or address"
    )
    match: Annotated[dict[Label, Annotated[str, _read(fields.checked_line)]], MayBeEmpty] = Field(
        default_factory=dict, description="labels that series must have, such as cluster: sthlm; else all are read"
    )
    token_env: Annotated[str | None, _read(fields.checked_variable, fields.VARIABLE)] = Field(
        default=None, description="the environment variable that holds the bearer token"
    )
    token_file: Annotated[str | None, _read(fields.checked_line)] = Field(
        default=None, description="the file that holds the bearer token, relative to this file"
    )


Number = Annotated[float, Field(allow_inf_nan=False)]
Span = Annotated[float, _read(parse_duration)]
"""Seconds, written with their unit."""


class AlertRuleEntry(_Entry):
    """One thing to be told of."""

    finding: Annotated[str | None, _read(fields.checked_line)] = Field(
        default=None, description="a finding's code, or error, warning or info: every finding at least that bad"
    )
    state: Literal["down"] | None = Field(default=None, description="down: a model that failed or was stopped")
    quantity: Annotated[str | None, _read(fields.checked_line, "|".join(QUANTITIES))] = Field(
        default=None, description="a figure of each GPU, model or host, with above: or below:"
    )
    above: Number | None = Field(default=None, description="it is too much from here on")
    below: Number | None = Field(default=None, description="it is too little from here on")
    clear: Number | None = Field(default=None, description="where it is over again, such as 85 with above: 90")
    seconds: Span = Field(default=0.0, alias="for", description="how long it must be so, such as 5min")
    clear_for: Span = Field(default=60.0, description="how long it must be over, such as 1min")
    severity: Literal["error", "warning", "info"] | None = Field(default=None, description="how bad it is")


class AlertsEntry(_Entry):
    """What operators are told of, when and how."""

    rules: Annotated[dict[Name, AlertRuleEntry], MayBeEmpty] = Field(
        default_factory=dict, description="in place of the usual ones"
    )
    bell: bool = Field(default=False, description="ring the terminal's bell")
    desktop: bool = Field(default=False, description="show a notification, in terminals that can")
    webhook_env: Annotated[str | None, _read(fields.checked_variable, fields.VARIABLE)] = Field(
        default=None, description="the environment variable that holds the webhook's URL, which is a secret"
    )
    webhook_file: Annotated[str | None, _read(fields.checked_line)] = Field(
        default=None, description="the file that holds the webhook's URL, relative to this file"
    )
    quiet: Annotated[DayHours | None, _read(parse_day_hours)] = Field(
        default=None, description="hours in which only errors are told, such as 22:00-06:00"
    )


class RotationEntry(_Entry):
    """When one model is loaded."""

    hours: WindowsEntry | None = Field(
        default=None, description="in which it is loaded; outside them it is unloaded once nothing runs or waits there"
    )
    idle_for: Span | None = Field(default=None, description="how long without a request until it is unloaded")


class ScalingEntry(_Entry):
    """How many models serve a role."""

    least: Annotated[int, Field(ge=0)] = Field(default=1, description="as many at any time")
    most: Annotated[int, Field(ge=1)] = Field(default=1, description="no more than these; disabled models are enabled")
    waiting: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        default=4.0, description="requests waiting for each of them that are too many"
    )
    kv_usage: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.9, description="share of their KV caches in use that is too much"
    )
    seconds: Span = Field(
        default=120.0, alias="for", description="how long it must be too much until one more is loaded"
    )
    idle_for: Span = Field(
        default=1200.0, description="how long one less must have stayed below half of both until one is unloaded"
    )


class AutopilotEntry(_Entry):
    """What is left to `gpudeck autopilot`, which proposes it, and does it with --act."""

    acts_per_hour: Annotated[int, Field(ge=1)] = Field(default=4, description="starts and stops at most in any hour")
    settle: Span = Field(
        default=600.0, description="after an act, how long nothing is done about the same model or role"
    )
    rotation: Annotated[dict[Name, RotationEntry], MayBeEmpty] = Field(
        default_factory=dict, description="models that are loaded by the clock, or unloaded when idle"
    )
    roles: Annotated[dict[Line, ScalingEntry], MayBeEmpty] = Field(
        default_factory=dict, description="roles that more or fewer models serve, as they are asked for"
    )


class FleetEntry(_Entry):
    """A fleet file."""

    fleet: Annotated[str, _read(fields.checked_line)] = Field(description="the name of the fleet")
    ssh_config: Annotated[str | None, _read(fields.checked_line)] = Field(
        default=None, description="an OpenSSH client configuration, relative to this file"
    )
    telemetry: TelemetryEntry | None = Field(
        default=None, description="where readings come from, if not from a probe on each host"
    )
    hosts: Annotated[dict[Name, HostEntry], Field(min_length=1)] = Field(
        description="the machines reached over SSH, by name"
    )
    findings: FindingsEntry | None = Field(default=None, description="what the operators say about findings")
    alerts: AlertsEntry | None = Field(default=None, description="what operators are told of, when and how")
    policy: PolicyEntry | None = Field(default=None, description="what the operators agreed on")
    autopilot: AutopilotEntry | None = Field(default=None, description="what is left to gpudeck autopilot")
    models: Annotated[dict[Name, ModelEntry], MayBeEmpty] = Field(
        default_factory=dict, description="what is, or can be, served, by name"
    )


def schema_json() -> dict[str, Any]:
    """The JSON schema of the fleet file, for editors that complete and check while one types."""
    return FleetEntry.model_json_schema()
