"""Where the fleet file says readings come from: its keys, what contradicts, and the `Prometheus` it comes to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from pydantic import Field

from fleet.inventory import Prometheus, fields
from fleet.inventory.nodes import Plain, mapping
from fleet.inventory.problems import Complaint, did_you_mean
from fleet.inventory.sections.entry import Entry, Line, LineOrNone, MayBeEmpty, Name, VariableOrNone, text

Label = Annotated[str, text(fields.checked_label, fields.LABEL)]


class TelemetryEntry(Entry):
    """Where readings come from, if not from a probe on each host."""

    prometheus: Annotated[str, text(fields.checked_server)] = Field(
        description="the URL of a Prometheus server, such as https://prometheus.example:9090"
    )
    host_label: Label | None = Field(
        default=None, description="the label that names the host, such as node; else the usual ones are tried"
    )
    hosts: Annotated[dict[Name, Line], MayBeEmpty] = Field(
        default_factory=dict, description="what that label says of a host, where it is not its name or address"
    )
    match: Annotated[dict[Label, Line], MayBeEmpty] = Field(
        default_factory=dict, description="labels that series must have, such as cluster: sthlm; else all are read"
    )
    token_env: VariableOrNone = Field(default=None, description="the environment variable that holds the bearer token")
    token_file: LineOrNone = Field(
        default=None, description="the file that holds the bearer token, relative to this file"
    )


def prometheus(said: TelemetryEntry | None, folder: Path) -> Prometheus | None:
    """The server; None where every host is probed. Its token file is named from the fleet file's folder."""
    if said is None:
        return None
    return Prometheus(
        said.prometheus,
        said.host_label,
        MappingProxyType(said.hosts),
        MappingProxyType(said.match),
        said.token_env,
        folder / Path(said.token_file).expanduser() if said.token_file else None,
    )


def complaints(file: Mapping[str, Plain]) -> Iterator[Complaint]:
    """Hosts that nothing reaches, names of hosts there are not or of two, and a token named twice."""
    hosts, said = mapping(file.get("hosts")), mapping(file.get("telemetry"))
    if "prometheus" not in said:
        for name, host in hosts.items():
            if isinstance(host, dict) and "address" not in host:
                yield Complaint(("hosts", name), f"host {name} needs address: what ssh takes, such as ops@gpu01.", True)
    owners: dict[Plain, str] = {}
    for name, label in mapping(said.get("hosts")).items():
        if name not in hosts:
            message = f"hosts of telemetry: there is no host {name!r}; {did_you_mean(name, hosts)}"
            yield Complaint(("telemetry", "hosts", name), message, of_key=True)
        if isinstance(label, str) and owners.setdefault(label, name) != name:
            message = f"host {name} of telemetry: {label} is {owners[label]} already."
            yield Complaint(("telemetry", "hosts", name), message)
    if "token_env" in said and "token_file" in said:
        message = "telemetry names its token twice; keep one of token_env and token_file."
        yield Complaint(("telemetry", "token_file"), message, of_key=True)
