"""Record what the seeded demo looks like, for the screens' tests: ``python tests/console/record_demo.py``.

Writes recorded/frame.txt (the probe's own lines) and recorded/readings.json (services, their units, endpoints).
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path

from fleet.inventory.loading import load
from fleet.services.registry import service_of
from fleet.services.states import parse_states, states_command
from fleet.simulator.child import start_demo
from fleet.ssh.connection import HostConnection
from fleet.ssh.probe_only import ProbeOnly
from fleet.telemetry.engines.asking import Asker
from fleet.telemetry.engines.rates import SHORT_SECONDS
from fleet.telemetry.frames import FrameReader, script

FOLDER = Path(__file__).with_name("recorded")


async def record() -> None:
    """Read the demo once."""
    with start_demo(seed=0) as demo:
        await demo.ready()
        inventory = load(demo.fleet_file)
        host = inventory.hosts[0]
        probe = ProbeOnly(HostConnection(host.name, host.address, inventory.ssh_config))
        lines = await _frame(probe)
        services = {model.name: service for model in inventory.models if (service := service_of(model, host.become))}
        wanted = tuple(services.values())
        states = parse_states(wanted, await probe.read(states_command(wanted)))
        units = {name: (await probe.read(service.definition())).stdout for name, service in services.items()}
        askers = {model.name: Asker(probe, model) for model in inventory.placed if model.url}
        for _ in range(2):  # rates take two looks
            engines = {name: await asker.ask() for name, asker in askers.items()}
            await asyncio.sleep(SHORT_SECONDS)
        await probe.close()
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "frame.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    readings = {
        "services": {name: asdict(states[service.name]) for name, service in services.items()},
        "engines": {name: asdict(engine) for name, engine in engines.items()},
        "units": units,
    }
    (FOLDER / "readings.json").write_text(json.dumps(readings, indent=1) + "\n", encoding="utf-8")


async def _frame(probe: ProbeOnly) -> list[str]:
    reader, kept = FrameReader(), []
    async with probe.stream(script()) as lines:
        async for line in lines:
            kept.append(line)
            if reader.feed(line):
                return kept
    raise SystemExit("the probe ended before its first frame")


if __name__ == "__main__":
    asyncio.run(record())
