"""How long estimates and findings take: one model, the demo fleet, a fleet of 1,000 GPUs.

Run with ``python tests/benchmarks/estimate_speed.py``.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter

from fleet.estimate.estimating import estimate
from fleet.findings.assess import assess
from fleet.hardware import accelerator
from fleet.inventory import Host, Inventory
from fleet.inventory.loading import load
from fleet.model import Arguments, Engine, Model, Place, Version

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "fleet" / "simulator" / "fleet.yaml"
_SOURCES = ("meta-llama/Llama-3.1-8B-Instruct", "agentica-org/DeepCoder-14B-Preview", "Qwen/Qwen3-32B")


def large_fleet(hosts: int = 125) -> Inventory:
    """Eight GPUs a host, two models a GPU, one model in twenty with a share too small for its length."""
    models = []
    for number in range(hosts * 16):
        share = 0.36 if number % 20 == 2 else 0.48
        models.append(
            Model(
                name=f"model-{number}",
                engine=Engine("vllm", Version("0.19.0" if number % 4 < 2 else "0.9.0")),
                source=_SOURCES[number % 3],
                place=Place(f"host{number // 16}", (number % 16 // 2,)),
                args=Arguments({"gpu-memory-utilization": share}),
            )
        )
    names = [f"host{number}" for number in range(hosts)]
    return Inventory("large", tuple(Host(name, name, "MI300X", 8) for name in names), tuple(models))


def milliseconds(action: Callable[[], object], rounds: int) -> float:
    """The median time of an action."""
    times = []
    for _ in range(rounds):
        start = perf_counter()
        action()
        times.append(perf_counter() - start)
    return median(times) * 1e3


def import_milliseconds() -> float:
    """The median time of importing the estimator in a fresh interpreter."""
    code = (
        "from time import perf_counter; t = perf_counter(); import fleet.estimate.estimating; print(perf_counter() - t)"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, check=True) for _ in range(7)]
    return median(float(run.stdout) for run in runs) * 1e3


def main() -> None:
    """Print every figure."""
    demo, large, gpu = load(DEMO), large_fleet(), accelerator("MI300X")
    model = demo.model("llama-3.3-70b")
    shares = iter(range(500, 1000))

    def uncached() -> object:
        args = model.args.replace("gpu-memory-utilization", next(shares) / 1001)
        return estimate(replace(model, args=args), gpu)

    print(f"import fleet.estimate.estimating    {import_milliseconds():8.1f} ms")
    print(f"one estimate, never asked before    {milliseconds(uncached, 400) * 1e3:8.0f} µs")
    print(f"demo fleet with findings, warm      {milliseconds(lambda: assess(demo), 50):8.2f} ms")
    cold = milliseconds(lambda: assess(large), 1)
    found = len(assess(large).findings)
    print(f"1,000 GPUs, 2,000 models, cold      {cold:8.0f} ms, {found} findings with their fixes")
    print(f"the same, warm                      {milliseconds(lambda: assess(large), 3):8.0f} ms")
    advised = milliseconds(lambda: assess(large, with_advice=True), 1)
    print(f"with advice too, as check prints it {advised:8.0f} ms")


if __name__ == "__main__":
    main()
