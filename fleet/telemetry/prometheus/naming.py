"""Which host of the fleet file a series is about."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from fleet.inventory import Inventory

USUAL_LABELS = ("hostname", "node", "nodename", "kubernetes_node", "instance")
"""Labels that may name a host, the surest first: AMD's exporter and DCGM's (``Hostname``) write the first."""


class HostNames:
    """Hosts by what labels say of them: as the fleet file maps it, the host's name, or an SSH address no other has."""

    def __init__(self, inventory: Inventory) -> None:
        server = inventory.prometheus
        self._labels = (server.host_label.lower(),) if server and server.host_label else USUAL_LABELS
        named = dict(server.names) if server else {}
        machines = Counter(_machine(host.address) for host in inventory.hosts)
        self._hosts = {
            **{machine: host.name for host in inventory.hosts if machines[machine := _machine(host.address)] == 1},
            **{host.name: host.name for host in inventory.hosts if host.name not in named},
            **{label: name for name, label in named.items()},
        }

    def host(self, labels: Mapping[str, str]) -> str | None:
        """The host these labels are about; None for no host of the fleet."""
        for label in self._labels:
            value = labels.get(label, "")
            for name in (value, value.rpartition(":")[0], _port_off(value).partition(".")[0]):
                if name and name in self._hosts:
                    return self._hosts[name]
        return None

    def said(self, labels: Mapping[str, str]) -> str:
        """What these labels call the host, whether it is one of the fleet or not; empty where they do not."""
        return next((labels[label] for label in self._labels if labels.get(label)), "")


def _machine(address: str) -> str:
    """The machine in ``ops@gpu01:2222``."""
    return _port_off(address.rpartition("@")[2])


def _port_off(text: str) -> str:
    return re.sub(r":\d+$", "", text)
