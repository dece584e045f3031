"""The shape of the fleet file as a whole, as a pydantic model and as a JSON schema. `sections` has its parts."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from fleet.inventory.sections.alerts import AlertsEntry
from fleet.inventory.sections.autopilot import AutopilotEntry
from fleet.inventory.sections.entry import Entry, Line, LineOrNone, MayBeEmpty, Name
from fleet.inventory.sections.findings import FindingsEntry
from fleet.inventory.sections.hosts import HostEntry
from fleet.inventory.sections.models import ModelEntry
from fleet.inventory.sections.policy import PolicyEntry
from fleet.inventory.sections.telemetry import TelemetryEntry


class FleetEntry(Entry):
    """A fleet file."""

    fleet: Line = Field(description="the name of the fleet")
    ssh_config: LineOrNone = Field(default=None, description="an OpenSSH client configuration, relative to this file")
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
