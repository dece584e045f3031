"""What the probe costs a host with 8 GPUs and 20 processes: processor time and bytes per frame.

Run with ``python tests/benchmarks/probe_cost.py``. Frames are a second apart by the host's clock, so everything that is
read only now and then has its share. The yardstick is a loop that starts ``python3 -c pass`` once a frame: less than
any call of rocm-smi or amd-smi takes.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from running_probe import running_probe
from scratch_host import ScratchHost, captured

from fleet.units import GiB

FRAMES = 120
"""Two minutes."""
ROUNDS = 3
SHELLS = {"dash": ("dash",), "busybox": ("busybox", "sh"), "bash": ("bash",)}


def main() -> None:
    """Print the table."""
    with TemporaryDirectory() as folder:
        host = ScratchHost(Path(folder) / "root", captured("mi300x-8"))
        for number in range(20):
            host.process(20_000 + number, {host.gpus[number % 8].gpu_id: 64 * GiB + number * 4096}, word="x" * 200)
        yardstick = min(python_seconds() for _ in range(ROUNDS))
        print(f"python3 -c pass: {yardstick * 1e3:.2f} ms of processor time each\n")
        print("shell     ms/frame   of that   bytes/frame   compressed   least frame   largest frame")
        for name, shell in SHELLS.items():
            if shutil.which(shell[0]) is None:
                print(f"{name:<9} not on this machine")
                continue
            rounds = [measured(host, shell) for _ in range(ROUNDS)]
            seconds, sizes, packed = min(rounds)
            each = seconds / FRAMES
            print(
                f"{name:<9} {each * 1e3:8.2f}   1 in {yardstick / each:<4.1f} {sum(sizes) / FRAMES:9.0f} "
                f"{packed / FRAMES:12.0f} {min(sizes):13} {max(sizes):15}"
            )


def measured(host: ScratchHost, shell: tuple[str, ...]) -> tuple[float, list[int], int]:
    """Seconds of processor time, bytes of each frame, and all of them as ssh would compress them."""
    host.pass_to(100)
    packer = zlib.compressobj(6)
    sizes = []
    packed = 0
    with running_probe(host.root, shell) as probe:
        probe.frame()
        probe.ask().frame()
        before = processor_seconds(probe.process.pid)
        for second in range(1, FRAMES + 1):
            host.pass_to(100 + second)
            host.work(second)
            told = probe.ask().frame()
            sizes.append(len(told))
            packed += len(packer.compress(told) + packer.flush(zlib.Z_SYNC_FLUSH))
        seconds = processor_seconds(probe.process.pid) - before
    return seconds, sizes, packed


def processor_seconds(pid: int) -> float:
    """Of a process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def python_seconds(times: int = 20) -> float:
    """Processor time of one ``python3 -c pass`` of the system."""
    program = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(times):
        subprocess.run([program, "-c", "pass"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / times


if __name__ == "__main__":
    main()
