"""What one look of the autopilot costs on a wide fleet: ``python tests/benchmarks/autopilot_speed.py [--hosts 125]``.

Hosts of eight MI300X with two models a GPU, from states made by hand, no sockets. Printed are seconds of the clock:
where nothing is wanted, where a model is that fits, where one needs room made, and where one fits nowhere, which takes
longest.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from fleet.autopilot.limits import Acts  # noqa: E402
from fleet.autopilot.placing import Circumstances  # noqa: E402
from fleet.autopilot.proposing import propose  # noqa: E402
from fleet.autopilot.situation import Situation  # noqa: E402
from fleet.autopilot.watching import Watch  # noqa: E402
from fleet.findings.assess import assess  # noqa: E402
from fleet.inventory import Inventory  # noqa: E402
from fleet.inventory.loading import load_text  # noqa: E402
from fleet.readings import EngineReading, Link  # noqa: E402
from fleet.state import ModelWord  # noqa: E402
from fleet.state.joining import join  # noqa: E402

NOON = 1_795_262_400.0
SHARES = {"nothing": 0.1, "small": 0.15, "large": 0.5, "too much": 0.99}


def fleet_text(hosts: int, wanted: str) -> str:
    """Two models a GPU, which leave a sixth of it; and one model that is wanted."""
    lines = ["fleet: wide", "hosts:"]
    lines += [f"  h{n}: {{address: h{n}, accelerator: MI300X, gpus: 8}}" for n in range(hosts)]
    lines += ["models:"]
    for n in range(hosts * 16):
        lines.append(
            f"  m{n}: {{source: meta-llama/Llama-3.1-8B-Instruct, engine: vllm 0.9.2, place: h{n // 16}/{n // 2 % 8}, "
            f"role: r{n % 20}, service: 'systemd:m{n}.service', args: {{gpu-memory-utilization: 0.4}}}}"
        )
    lines.append(
        "  wanted: {source: meta-llama/Llama-3.1-8B-Instruct, engine: vllm 0.9.2, enabled: false, "
        f"service: 'systemd:wanted.service', args: {{gpu-memory-utilization: {SHARES[wanted]}, max-model-len: 8192}}}}"
    )
    rotation = "{}" if wanted == "nothing" else "{wanted: {hours: {open: [mon-sun]}}}"
    roles = ", ".join(f"r{n}: {{least: 1, most: {hosts}}}" for n in range(20))
    return "\n".join([*lines, "autopilot:", f"  rotation: {rotation}", f"  roles: {{{roles}}}"])


def look(inventory: Inventory, *, idle: bool) -> tuple[float, str]:
    """Seconds of one look, and what came of it."""
    state = join(assess(inventory, with_fixes=False), {}, NOON)
    reading = EngineReading(kv_usage=0.3, running=0 if idle else 3, waiting=0)
    by_file = {True: ModelWord.SERVING, False: ModelWord.DISABLED}
    models = tuple(replace(m, word=by_file[m.model.enabled], engine=reading) for m in state.models)
    hosts = tuple(replace(host, link=Link.LIVE) for host in state.hosts)
    state, watch = replace(state, hosts=hosts, models=models), Watch()
    roles = inventory.autopilot.roles if inventory.autopilot else ()
    watch.see(state, roles, NOON - 60)
    began = time.perf_counter()
    watch.see(state, roles, NOON)
    found = propose(Situation(inventory, state, watch, NOON), Circumstances(), Acts())
    words = found.act.sentence if found.act else next(iter(found.declined.values()), "nothing")
    return time.perf_counter() - began, words


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=125)
    hosts = parser.parse_args().hosts
    for wanted in SHARES:
        inventory = load_text(fleet_text(hosts, wanted), Path("wide.yaml"))
        for idle in (False, True):
            seconds, words = look(inventory, idle=idle)
            others = "idle" if idle else "busy"
            print(f"{hosts * 8:>5} GPUs  wanted {wanted:<8} others {others:<5} {seconds:6.2f} s   {words[:70]}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
