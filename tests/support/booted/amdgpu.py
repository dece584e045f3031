#!/usr/bin/python3
"""Plays the amdgpu driver on a booted host: sums up what processes hold, and takes back what the dead held."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

SYS = Path("/srv/gpus/sys")
KFD = SYS / "class/kfd/kfd"
DRIVER_BYTES = 284 << 20


def devices() -> dict[str, Path]:
    """The PCI device of each gpu_id."""
    found = {}
    for node in (KFD / "topology/nodes").iterdir():
        gpu_id = (node / "gpu_id").read_text().strip()
        properties = dict(line.split() for line in (node / "properties").read_text().splitlines())
        if gpu_id != "0":
            location = int(properties["location_id"])
            found[gpu_id] = SYS / f"bus/pci/devices/0000:{location >> 8:02x}:{location >> 3 & 31:02x}.0"
    return found


def held(gpu_id: str) -> int:
    """Bytes all living processes hold on it."""
    return sum(int(file.read_text() or 0) for file in (KFD / "proc").glob(f"*/vram_{gpu_id}"))


def main() -> None:
    """Until the host goes down."""
    shutil.rmtree(KFD / "proc", ignore_errors=True)
    (KFD / "proc").mkdir()
    (KFD / "proc").chmod(0o1777)
    gpus = devices()
    while True:
        for process in (KFD / "proc").iterdir():
            if not Path("/proc", process.name).exists():
                shutil.rmtree(process, ignore_errors=True)
        for gpu_id, device in gpus.items():
            fresh = device / ".used"
            fresh.write_text(f"{DRIVER_BYTES + held(gpu_id)}\n")
            fresh.rename(device / "mem_info_vram_used")
        time.sleep(0.05)


main()
