"""A stand-in for nvidia-smi that says what captured GPUs said, and loops as fast as it is told to."""

from __future__ import annotations

import os
from pathlib import Path

from running_probe import SYSTEM_PATH

# Values as nvidia-smi 590.48 and 595.80 printed them for an H200, an H200 with MIG and an L40S
# (utkuozdemir/nvidia_gpu_exporter, internal/captures), under load; UUIDs and the second and third index are made up.
UUIDS = [f"GPU-0000000{n}-1111-2222-3333-44444444444{n}" for n in range(3)]
GPUS = [
    {
        "index": "0", "uuid": UUIDS[0], "pci.bus_id": "00000000:83:00.0", "name": "NVIDIA H200",
        "memory.total": "143771", "memory.used": "32362", "memory.free": "110796", "utilization.gpu": "100",
        "temperature.gpu": "52", "power.draw": "627.40", "power.limit": "700.00", "utilization.memory": "7",
        "temperature.memory": "40", "clocks.current.sm": "1980", "clocks.current.memory": "3201",
        "mig.mode.current": "Disabled", "ecc.errors.corrected.volatile.total": "0",
        "ecc.errors.uncorrected.volatile.total": "0", "clocks_event_reasons.active": "0x0000000000000004",
    },
    {
        "index": "1", "uuid": UUIDS[1], "pci.bus_id": "00000000:84:00.0", "name": "NVIDIA H200",
        "memory.total": "143771", "memory.used": "16959", "memory.free": "126199", "utilization.gpu": "[N/A]",
        "temperature.gpu": "36", "power.draw": "295.01", "power.limit": "700.00", "utilization.memory": "[N/A]",
        "temperature.memory": "39", "clocks.current.sm": "1980", "clocks.current.memory": "3201",
        "mig.mode.current": "Enabled", "ecc.errors.corrected.volatile.total": "0",
        "ecc.errors.uncorrected.volatile.total": "2", "clocks_event_reasons.active": "0x0000000000000000",
    },
    {
        "index": "2", "uuid": UUIDS[2], "pci.bus_id": "00000001:C1:00.0", "name": "NVIDIA L40S",
        "memory.total": "46068", "memory.used": "1235", "memory.free": "44225", "utilization.gpu": "9",
        "temperature.gpu": "54", "power.draw": "110.23", "power.limit": "[Insufficient Permissions]",
        "utilization.memory": "2", "temperature.memory": "N/A", "clocks.current.sm": "2520",
        "clocks.current.memory": "[Unknown Error]", "mig.mode.current": "[N/A]",
        "ecc.errors.corrected.volatile.total": "[Not Supported]",
        "ecc.errors.uncorrected.volatile.total": "[Requested functionality has been deprecated]",
        "clocks_event_reasons.active": "0x0000000000000020",
    },
]  # fmt: skip
APPS = [(UUIDS[0], 10291, "2566"), (UUIDS[0], 10309, "28234"), (UUIDS[1], 10309, "13526"), (UUIDS[2], 20037, "[N/A]")]


class FakeNvidiaSmi:
    """A program ``nvidia-smi`` in a folder, whose loop goes round once for each `again`."""

    def __init__(self, folder: Path, unknown: tuple[str, ...] = ()) -> None:
        """``unknown`` are fields that this driver does not know."""
        folder.mkdir(parents=True)
        self.folder = folder
        self.calls = folder / "calls"
        self._pace = folder / "pace"
        os.mkfifo(self._pace)
        self._writing = os.open(self._pace, os.O_RDWR)  # read too, so that nobody waits for anybody to open it
        fields = {field: [gpu[field] for gpu in GPUS] for field in GPUS[0]}
        fields["clocks_throttle_reasons.active"] = fields["clocks_event_reasons.active"]
        for field, values in fields.items():
            if field not in unknown:
                (folder / f"field.{field}").write_text("".join(f"{value}\n" for value in values), encoding="utf-8")
        self.list_apps(APPS)
        program = folder / "nvidia-smi"
        program.write_text(_PROGRAM.format(folder=folder), encoding="utf-8")
        program.chmod(0o755)

    @property
    def path(self) -> str:
        """A search path on which it is found."""
        return f"{self.folder}:{SYSTEM_PATH}"

    def list_apps(self, apps: list[tuple[str, int, str]]) -> None:
        """What holds memory from now on."""
        lines = "".join(f"{uuid}, {pid}, {held}\n" for uuid, pid, held in apps)
        (self.folder / "apps").write_text(lines, encoding="utf-8")

    def say(self, field: str, *values: str) -> None:
        """What the GPUs say of a field from now on."""
        (self.folder / f"field.{field}").write_text("".join(f"{value}\n" for value in values), encoding="utf-8")

    def again(self) -> None:
        """Let its loop go round once."""
        os.write(self._writing, b"\n")

    def close(self) -> None:
        """End what this object holds open."""
        os.close(self._writing)


_PROGRAM = """\
#!/bin/sh
cd {folder} || exit 1
echo "$*" >>calls
once=yes
for word; do
    case $word in
    --query-gpu=*) fields=$(echo "${{word#*=}}" | tr , ' ') ;;
    --query-compute-apps=*) cat apps; exit ;;
    -l) once=no ;;
    esac
done
files=
for field in $fields; do
    [ -e "field.$field" ] || {{ echo "Field \\"$field\\" is not a valid field to query."; exit 2; }}
    files="$files field.$field"
done
while :; do
    paste -d , $files | sed 's/,/, /g'
    [ $once = yes ] && exit
    read -r _ <pace
done
"""
