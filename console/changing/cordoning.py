"""Cordons set and lifted on their hosts, for `gpudeck cordon` and `gpudeck uncordon`."""

from __future__ import annotations

import asyncio
import time

from console.changing.carrying_out import operator_name
from console.operating import Operating
from console.session import Session
from fleet.commands import Write
from fleet.errors import Exit, GpudeckError, UnreachableError
from fleet.inventory import Inventory
from fleet.planning.cordons import gpus_named
from fleet.readings import Cordon, Link
from fleet.rollout.audit import note
from fleet.services.cordons import WHOLE_HOST, write_cordons
from fleet.text import clean


def change_cordons(inventory: Inventory, target: str, why: str, *, lift: bool) -> int:
    """Cordon what ``target`` names (``HOST/GPUS`` or ``HOST``), or lift its cordons; the exit code."""
    return asyncio.run(_change(Session(inventory, operating=Operating()), target, why, lift))


async def _change(session: Session, target: str, why: str, lift: bool) -> int:
    gpus = gpus_named(session.inventory, target)
    host = session.inventory.host(gpus[0].host)
    async with session.watching():
        await session.reach({host.name})
        await session.first_readings()
        snapshot = session.board.latest(host.name)
        reading = snapshot.reading if snapshot and snapshot.link is Link.LIVE else None
        if reading is None:
            raise UnreachableError(f"{host.name} is not live, so what it keeps cannot be changed.")
        read = {gpu: reading.gpu(gpu.index) for gpu in gpus}
        missing = [str(gpu) for gpu, found in read.items() if found is None]
        if missing:
            raise GpudeckError(f"{host.name} does not show {', '.join(missing)}.", "Look at it with `gpudeck status`.")
        addresses = [found.identity.pci for found in read.values() if found]
        if "/" not in target:  # the host's own cordon; lifting it lifts those of its GPUs too
            addresses = [WHOLE_HOST, *addresses] if lift else [WHOLE_HOST]
        cordon = Cordon(operator_name(), clean(why, 200), time.time())
        verb = "uncordon" if lift else "cordon"
        await _write(
            session,
            host.name,
            *write_cordons(host.become, addresses, cordon, lift=lift),
            note(f"{cordon.who} {verb} {target}" + (f": {cordon.why}" if cordon.why else "")),
        )
    print(f"{target} is {'back' if lift else 'cordoned'}.")
    return Exit.DONE


async def _write(session: Session, host: str, *commands: Write) -> None:
    operator = session.operator(host)
    for command in commands:
        answer = await operator.write(command)
        if not answer.ok:
            raise GpudeckError(f"`{command.shown_line}` on {host} failed: {clean(answer.stderr).rstrip('.')}.")
