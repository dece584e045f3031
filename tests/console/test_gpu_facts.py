"""A GPU is told in every numbering, and what is not known is not made up."""

from __future__ import annotations

from pathlib import Path

from recorded_demo import RecordedSession
from running_probe import frames_of, readings
from scratch_host import PCI, ScratchHost, captured, metrics_1_6
from svg_text import svg_text

from console.app import GpudeckApp
from console.detail.facts import gpu_facts
from fleet.readings import GpuIdentity, GpuReading, MemoryErrors, Throttling


def test_a_captured_gpu_is_told_in_every_numbering(tmp_path: Path) -> None:
    host = ScratchHost(tmp_path, captured("mi300x-8"))
    host.put(f"{PCI}/0000:0c:00.0/gpu_metrics", metrics_1_6())
    reading = readings(frames_of(tmp_path, requests=1))[-1]
    facts = dict(gpu_facts(reading.gpus[2]))
    assert facts["PCI address"] == "0000:0c:00.0"
    assert facts["HIP, amd-smi, node"] == "2, 0, 10"
    assert facts["DRM"] == "card0, renderD128"
    assert facts["UUID"] == "GPU-e3aa140f9a5f9e30"
    assert facts["product"] == "AMD Instinct, SPX, NPS1"
    assert facts["memory errors"] == "0 uncorrected, 0 corrected, 0 bad pages"
    assert facts["held back"] == "not said"


def test_what_holds_a_gpu_back_is_named() -> None:
    identity = GpuIdentity("0000:0c:00.3", 3, "7", None, 3)
    reading = GpuReading(identity, resetting=True, throttling=Throttling(86.7, 0, 3.2), errors=MemoryErrors(4, 1))
    facts = dict(gpu_facts(reading))
    assert facts["held back"] == "87 % by power, 3 % by the socket's heat"
    assert facts["memory errors"] == "1 uncorrected, 4 corrected"
    assert facts["PCI address"] == "0000:0c:00.3, partition 3"
    assert facts["UUID"] == "none, so that it goes by its index"
    assert facts["clock, memory"] == "–, – MHz"
    assert facts["state"].startswith("resetting")


async def test_the_zoomed_gpu_shows_them(console_app: GpudeckApp, session: RecordedSession) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("z")
        await pilot.pause()
        shown = svg_text(pilot.app.export_screenshot())
    assert "HIP, amd-smi, node" in shown
    assert "GPU-e3aa140f9a5f9e34" in shown
