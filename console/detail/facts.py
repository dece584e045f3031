"""What is measured of one GPU, and who it is in every numbering, in words."""

from __future__ import annotations

from fleet.readings import GpuReading, MemoryErrors, Throttling
from fleet.units import gib

_LIMITS = {
    "power": "power",
    "prochot": "a signal from outside",
    "socket_thermal": "the socket's heat",
    "vr_thermal": "the regulators' heat",
    "hbm_thermal": "the memory's heat",
}


def gpu_facts(reading: GpuReading, exporter: str | None = None) -> list[tuple[str, str]]:
    """Pairs of a name and what is to say of it; ``exporter`` is who told it, if not the host's probe."""
    who = reading.identity
    hip = "not said" if exporter else str(who.hip_index)
    modes = ", ".join(filter(None, (who.compute_partition, who.memory_partition)))
    facts = [
        ("PCI address", (who.pci or "not said") + (f", partition {who.partition}" if who.partition else "")),
        ("HIP, amd-smi, node", f"{hip}, {_count(who.smi_index)}, {_count(who.node)}"),
        ("DRM", _drm(who.drm_card, who.render_minor)),
        ("KFD gpu_id", who.gpu_id or "none"),
        ("UUID", who.uuid or "none, so that it goes by its index"),
        ("product", (who.product or "not said") + (f", {modes}" if modes else "")),
        ("busy, memory", f"{_count(reading.busy_percent)}, {_count(reading.memory_busy_percent)} %"),
        ("clock, memory", f"{_count(reading.clock_mhz)}, {_count(reading.memory_clock_mhz)} MHz"),
        ("junction, memory", f"{_number(reading.temperature_c)}, {_number(reading.memory_temperature_c)} °C"),
        ("power, cap", f"{_number(reading.power_w)} of {_number(reading.power_cap_w)} W"),
        ("held back", _held_back(reading.throttling)),
        ("memory errors", _errors(reading.errors)),
    ]
    if reading.gtt_bytes is not None:
        facts.append(("host memory", f"{gib(reading.gtt_bytes)} GiB"))
    if reading.asleep:
        facts.append(("state", "asleep: its sensors would wake it"))
    if reading.resetting:
        facts.append(("state", "resetting: the driver refuses its sensors"))
    return facts


def _drm(card: int | None, render: int | None) -> str:
    names = (None if card is None else f"card{card}", None if render is None else f"renderD{render}")
    return ", ".join(filter(None, names)) or "none"


def _held_back(told: Throttling | None) -> str:
    if told is None:
        return "not said"
    shares = {words: getattr(told, name) or 0.0 for name, words in _LIMITS.items()}
    return ", ".join(f"{share:.0f} % by {words}" for words, share in shares.items() if share >= 0.5) or "by nothing"


def _errors(told: MemoryErrors | None) -> str:
    if told is None:
        return "not said"
    counted = f"{_count(told.uncorrected)} uncorrected, {_count(told.corrected)} corrected"
    if told.retired_pages is None:
        return counted
    lost = told.retired_pages + (told.pending_pages or 0) + (told.unretirable_pages or 0)
    return f"{counted}, {lost} bad {'page' if lost == 1 else 'pages'}"


def _count(value: int | None) -> str:
    return "–" if value is None else str(value)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"
