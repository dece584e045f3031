"""What a cycle of reading a fleet through Prometheus costs: queries, bytes, and the console's own CPU.

Run with ``PYTHONPATH=. python tests/benchmarks/prometheus_cycle.py``. The answers are those of a server that scrapes
AMD's exporter on hosts of eight GPUs. Exits 1 where 256 GPUs take more than a twentieth of a core.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from exporter_pages import amd_page
from prometheus_client.parser import text_string_to_metric_families

from fleet.http import HttpAnswer
from fleet.inventory import Host, Inventory
from fleet.telemetry.prometheus.answers import vector
from fleet.telemetry.prometheus.cycle import read_cycle
from fleet.telemetry.prometheus.figures import FIGURES
from fleet.telemetry.prometheus.naming import HostNames

NOW = 1_790_000_000.123
CYCLES = 5
EVERY_SECONDS = 5.0


def answers(hosts: list[str]) -> tuple[bytes, bytes]:
    """The bodies of the two answers."""
    values: list[Any] = []
    times: list[Any] = []
    for host in hosts:
        for family in text_string_to_metric_families(amd_page(host, dict.fromkeys(range(8), 1_000))):
            for sample in family.samples:
                labels = dict(sample.labels, instance=f"{host}:5000", job="amd-gpu")
                if sample.name in FIGURES:
                    values.append({"metric": dict(labels, __name__=sample.name), "value": [NOW, str(sample.value)]})
                if sample.name == "gpu_used_vram":
                    times.append({"metric": labels, "value": [NOW, str(NOW - 3)]})
    first, second = (
        json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}, separators=(",", ":"))
        for result in (values, times)
    )
    return first.encode(), second.encode()


def main() -> int:
    """Print the table; the exit code."""
    print(f"{'hosts':>6} {'GPUs':>6} {'queries':>8} {'kB a cycle':>11} {'ms CPU a cycle':>15} {'% of a core':>12}")
    share = {}
    for count in (1, 32, 256):
        names = [f"gpu{number:03}" for number in range(count)]
        hosts = tuple(Host(name, "", "MI300X", 8) for name in names)
        label = HostNames(Inventory("many", hosts, ()))
        bodies = answers(names)
        began = time.process_time()
        for number in range(CYCLES):
            told = [vector(HttpAnswer(200, body), "Prometheus") for body in bodies]
            cycle = read_cycle(told, hosts, (), label, number)
        cost = (time.process_time() - began) / CYCLES
        assert sum(len(report.reading.gpus) for report in cycle.hosts.values() if report.reading) == 8 * count
        share[count] = cost / EVERY_SECONDS
        size = sum(map(len, bodies)) / 1000
        print(
            f"{count:>6} {8 * count:>6} {len(bodies):>8} {size:>11.0f} {1000 * cost:>15.1f} {100 * share[count]:>12.2f}"
        )
    return int(share[32] > 1 / 20)


if __name__ == "__main__":
    sys.exit(main())
