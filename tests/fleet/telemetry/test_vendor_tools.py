"""What amd-smi and rocm-smi print is read, in the words of every release, beside everything else."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fleet.commands import Answer, Read
from fleet.errors import UnreachableError
from fleet.telemetry.vendor_tools import amd_smi_gpus, ask_vendor_tools, rocm_smi_gpus
from fleet.units import MiB

# Numbers of ROCm's own examples: an MI300X's UUID and its unique id, and shapes as releases 6.3 to 7.1 print them.
LISTING = [
    {
        "gpu": 0, "bdf": "0000:0C:00.0", "uuid": "deff740f-0000-1000-8082-87300da37c72", "kfd_id": 28851, "node_id": 4,
        "partition_id": 0, "render": "renderD128", "card": "card1", "hip_id": 2,
    },
    {
        "gpu": 1, "bdf": "0000:22:00.0", "uuid": "00ff1586-0000-1000-8000-000000000000", "kfd_id": 23018, "node_id": 2,
        "partition_id": 0, "render": "N/A", "card": "N/A", "hip_id": 0, "hip_uuid": "GPU-e3aa140f9a5f9e32",
    },
]  # fmt: skip


def figures(gpu: int, used: Any = None) -> dict[str, Any]:
    return {
        "gpu": gpu,
        "usage": {"gfx_activity": {"value": 91, "unit": "%"}, "umc_activity": "66", "vcn_activity": ["N/A"]},
        "power": {"socket_power": {"value": 300, "unit": "W"}, "gfx_voltage": "N/A"},
        "temperature": {"edge": "N/A", "hotspot": {"value": 63, "unit": "C"}, "mem": 70},
        "mem_usage": {
            "total_vram": {"value": 196592, "unit": "MB"},
            "used_vram": used or {"value": 20450, "unit": "MB"},
            "used_gtt": "N/A",
        },
    }


METRICS = [figures(0), figures(1)]


@pytest.mark.parametrize("wrapped", [False, True])
def test_amd_smi_is_read_with_or_without_its_wrapping_and_warnings(wrapped: bool) -> None:
    document: Any = {"gpu_data": METRICS} if wrapped else METRICS
    text = f"WARNING: User is missing the following required groups: render\n{json.dumps(document)}\nlegend {{x"
    first, second = amd_smi_gpus(json.dumps(LISTING), text)
    assert (first.identity.pci, first.identity.hip_index, first.identity.smi_index) == ("0000:22:00.0", 0, 1)
    assert (second.identity.pci, second.identity.hip_index, second.identity.smi_index) == ("0000:0c:00.0", 1, 0)
    assert (second.identity.node, second.identity.render_minor, second.identity.drm_card) == (4, 128, 1)
    assert second.identity.total_bytes == 206_141_652_992
    assert second.used_bytes == 20450 * MiB
    assert (second.busy_percent, second.memory_busy_percent, second.power_w) == (91, 66, 300)
    assert (second.temperature_c, second.memory_temperature_c, second.gtt_bytes) == (63, 70, None)


def test_a_unique_id_is_in_the_uuid_and_the_uuid_without_one_has_none() -> None:
    first, second = amd_smi_gpus(json.dumps(LISTING), json.dumps(METRICS))
    assert second.identity.uuid == "GPU-de8287300da37c72"
    assert first.identity.uuid == "GPU-e3aa140f9a5f9e32"
    (bare,) = amd_smi_gpus(json.dumps([{**LISTING[1], "hip_uuid": "N/A"}]), "[]")
    assert (bare.identity.unique_id, bare.used_bytes) == (None, None)


def test_partitions_that_repeat_their_gpu_do_not_count_its_memory_again() -> None:
    listing = [{**LISTING[0], "gpu": n, "bdf": f"0000:0c:00.{n}", "node_id": 2 + n, "hip_id": n} for n in range(8)]
    found = amd_smi_gpus(json.dumps(listing), json.dumps([figures(n) for n in range(8)]))
    assert [gpu.used_bytes for gpu in found] == [None] * 8
    assert [gpu.power_w for gpu in found] == [300, *[None] * 7]
    assert found[0].device_used_bytes == 20450 * MiB


ROCM_5 = {
    "GPU ID": "0x740c", "Unique ID": "0x719d230578348e8c", "PCI Bus": "0000:2F:00.0", "GPU use (%)": "10",
    "Temperature (Sensor edge) (C)": "41.0", "Temperature (Sensor memory) (C)": "43.0", "GPU memory use (%)": "20",
    "Average Graphics Package Power (W)": "89.0", "Max Graphics Package Power (W)": "560.0",
    "VRAM Total Memory (B)": "68702699520", "VRAM Total Used Memory (B)": "10960896",
    "Card series": "AMD INSTINCT MI250 (MCM) OAM AC MBA",
}  # fmt: skip
ROCM_6 = {
    "Device ID": "0x74a1", "Unique ID": "N/A", "PCI Bus": "0000:0C:00.0", "GPU use (%)": "99", "GUID": "28851",
    "Temperature (Sensor junction) (C)": "79.0", "Temperature (Sensor memory) (C)": "61.0", "Node ID": "10",
    "Current Socket Graphics Package Power (W)": "748.0", "GPU Memory Read/Write Activity (%)": "47",
    "VRAM Total Memory (B)": "206141652992", "VRAM Total Used Memory (B)": "297771008",
    "Card Series": "AMD Instinct MI300X OAM",
}  # fmt: skip


def test_rocm_smi_is_read_in_the_words_of_releases_5_and_6() -> None:
    (old,) = rocm_smi_gpus(json.dumps({"card0": ROCM_5, "system": {"Driver version": "6.2.4"}}))
    assert (old.identity.unique_id, old.identity.product) == ("719d230578348e8c", "AMD INSTINCT MI250 (MCM) OAM AC MBA")
    assert (old.power_w, old.power_cap_w, old.temperature_c, old.busy_percent) == (89, 560, 41, 10)
    (new,) = rocm_smi_gpus("WARNING: x\n" + json.dumps({"card3": ROCM_6}))
    assert (new.identity.unique_id, new.identity.gpu_id, new.identity.smi_index) == (None, "28851", 3)
    assert (new.power_w, new.temperature_c, new.used_bytes) == (748, 79, 297_771_008)


def test_rocm_smi_counts_by_address_and_hip_by_node() -> None:
    """As a host with eight MI300X printed them: devices 0 to 7 are nodes 10, 11, 9, 8, 14, 15, 13, 12."""
    nodes = [10, 11, 9, 8, 14, 15, 13, 12]
    cards = {
        f"card{n}": {**ROCM_6, "PCI Bus": f"0000:{n:02X}:00.0", "Node ID": str(node)} for n, node in enumerate(nodes)
    }
    found = rocm_smi_gpus(json.dumps(cards))
    assert [gpu.identity.smi_index for gpu in found] == [3, 2, 0, 1, 7, 6, 4, 5]


@dataclass
class Host:
    """Answers commands by their first two words; what it has no answer to does not come to an end."""

    answers: dict[str, str]
    asked: list[tuple[str, ...]] = field(default_factory=list)

    async def read(self, command: Read, timeout: float = 10.0) -> Answer:
        self.asked.append(command.words)
        for words, stdout in self.answers.items():
            if command.line.startswith(words):
                return Answer(0 if stdout else 127, stdout, "")
        raise UnreachableError(f"gpu01 did not finish within {timeout:g} s.")


async def test_amd_smi_is_asked_first_and_an_older_one_without_what_it_does_not_know() -> None:
    host = Host({"amd-smi metric": json.dumps(METRICS), "amd-smi list -e": "", "amd-smi list": json.dumps(LISTING)})
    assert len(await ask_vendor_tools(host)) == 2
    assert [words[:3] for words in host.asked] == [
        ("amd-smi", "metric", "-u"),
        ("amd-smi", "list", "-e"),
        ("amd-smi", "list", "--json"),
    ]


async def test_where_amd_smi_hangs_rocm_smi_is_asked_and_where_both_do_nothing_is_known() -> None:
    assert len(await ask_vendor_tools(Host({"rocm-smi": json.dumps({"card0": ROCM_6})}))) == 1
    assert await ask_vendor_tools(Host({})) == ()


async def test_no_tool_is_asked_about_processes() -> None:
    host = Host({"amd-smi metric": json.dumps(METRICS)})
    await ask_vendor_tools(host)
    assert not {"process", "--showpids", "monitor", "ras"} & {word for words in host.asked for word in words}


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["gpu", "bdf", "gpu_data", "mem_usage", "used_vram", "value", "card0", "PCI Bus", "hip_id", "uuid"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@example({"gpu_data": [{"gpu": []}]}, {"gpu_data": [{"gpu": []}]}, "")
@given(JSON, JSON, st.text(max_size=20))
def test_no_answer_breaks_the_parsers(listing: Any, metrics: Any, noise: str) -> None:
    amd_smi_gpus(noise + json.dumps(listing), noise + json.dumps(metrics))
    amd_smi_gpus(
        json.dumps([{**LISTING[0], "gpu": 0, "hip_id": listing}]), json.dumps([{"gpu": 0, "mem_usage": metrics}])
    )
    rocm_smi_gpus(noise + json.dumps(listing))
    rocm_smi_gpus(json.dumps({"card0": {**ROCM_6, "Node ID": metrics}}) + noise)


def test_an_answer_nested_without_end_is_none() -> None:
    assert rocm_smi_gpus('{"a":' * 100_000) == amd_smi_gpus("[" * 100_000, "[" * 100_000) == ()
