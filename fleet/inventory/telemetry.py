"""What is wrong with how a fleet file says its hosts are reached and read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fleet.inventory.nodes import Plain, mapping
from fleet.inventory.problems import Complaint, did_you_mean


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
