"""The overlay a model needs: its GPUs by identity, its arguments by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from fleet.commands import Answer
from fleet.errors import GpudeckError
from fleet.hardware import accelerator
from fleet.model import Arguments, Engine, Model, Place, Scalar
from fleet.planning.overlays import overlay_for, own_place, pins
from fleet.readings import GpuIdentity
from fleet.services import Definition
from fleet.services.systemd import Systemd

UNIT = Systemd("llama.service")
GPUS = [GpuIdentity(f"0000:0{i}:00.0", 0, str(i), f"{i + 10:016x}", i) for i in range(4)]
MI300X, H100 = accelerator("MI300X"), accelerator("H100")
MODEL = Model("llama", Engine("vllm"), place=Place("gpu01", (0,)), args=Arguments({"max-model-len": 8192}))
MOVED = replace(MODEL, place=Place("gpu01", (2,)))


def definition(environment: str = "HIP_VISIBLE_DEVICES=0", command: str = "", overlay: str = "") -> Definition:
    own = f"[Service]\nEnvironment={environment}\nExecStart={command or '/bin/vllm serve m --max-model-len 8192'}\n"
    ours = f"\n# {UNIT.folder}/50-gpudeck.conf\n{overlay}" if overlay else ""
    return UNIT.parse_definition(Answer(0, f"# /etc/systemd/system/llama.service\n{own}{ours}", ""))


def overlay(after: Model, found: Definition, before: Model = MODEL) -> list[str]:
    text = overlay_for(UNIT, found, before, after, GPUS, MI300X)
    return text.splitlines()[3:] if text else []


def with_args(args: Mapping[str, Scalar], model: Model = MODEL) -> Model:
    return replace(model, args=Arguments(args))


def test_a_moved_model_is_pinned_by_the_gpus_own_id_and_nothing_else_filters() -> None:
    assert overlay(MOVED, definition()) == [
        "UnsetEnvironment=HIP_VISIBLE_DEVICES CUDA_VISIBLE_DEVICES",
        "Environment=ROCR_VISIBLE_DEVICES=GPU-000000000000000c",
    ]


def test_several_gpus_are_named_in_the_order_of_the_place() -> None:
    assert pins((1, 3), GPUS, MI300X)["ROCR_VISIBLE_DEVICES"] == "GPU-000000000000000b,GPU-000000000000000d"


def test_partitions_and_gpus_without_an_id_go_by_the_index_of_the_moment() -> None:
    partitions = [replace(gpu, pci="0000:01:00.0", partition=n, unique_id="aa") for n, gpu in enumerate(GPUS)]
    assert pins((1,), partitions, MI300X)["ROCR_VISIBLE_DEVICES"] == "1"
    nameless = [replace(gpu, unique_id=None) for gpu in GPUS]
    assert pins((0, 2), nameless, MI300X)["ROCR_VISIBLE_DEVICES"] == "0,2"


def test_nvidia_counts_by_pci_address() -> None:
    assert pins((1,), [], H100) == {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "1"}


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({"HIP_VISIBLE_DEVICES": "3"}, (3,)),
        ({"ROCR_VISIBLE_DEVICES": "GPU-000000000000000d,GPU-000000000000000a"}, (0, 3)),
        ({"HIP_VISIBLE_DEVICES": "1", "CUDA_VISIBLE_DEVICES": "1"}, (1,)),
        ({"HIP_VISIBLE_DEVICES": "1", "CUDA_VISIBLE_DEVICES": "2"}, None),
        ({"ROCR_VISIBLE_DEVICES": "1", "HIP_VISIBLE_DEVICES": "1"}, None),
        ({"HIP_VISIBLE_DEVICES": "GPU-unknown"}, None),
        ({"HF_HOME": "/data"}, None),
    ],
)
def test_a_units_own_place_is_read_where_it_says_one(environment: dict[str, str], place: tuple[int, ...]) -> None:
    assert own_place(Definition((), environment), GPUS) == place


@pytest.mark.parametrize(
    ("nodes", "environment", "place"),
    [
        ((1, 3), {}, (1, 3)),
        ((3, 1), {"HIP_VISIBLE_DEVICES": "1"}, (3,)),
        ((2,), {"ROCR_VISIBLE_DEVICES": "GPU-000000000000000c"}, (2,)),
        ((2,), {"ROCR_VISIBLE_DEVICES": "GPU-000000000000000a"}, None),
        ((2,), {"HIP_VISIBLE_DEVICES": "2"}, None),
        ((7,), {"HIP_VISIBLE_DEVICES": "0"}, None),
    ],
)
def test_a_container_counts_the_gpus_it_is_given_alone(
    nodes: tuple[int, ...], environment: dict[str, str], place: tuple[int, ...] | None
) -> None:
    gpus = [replace(gpu, render_minor=128 + gpu.hip_index) for gpu in GPUS]
    devices = tuple(f"/dev/dri/renderD{128 + node}:/dev/dri/renderD128" for node in nodes)
    assert own_place(Definition((), environment, devices=devices), gpus) == place


def test_no_overlay_is_needed_where_the_unit_says_the_same_itself() -> None:
    pinned = "[Service]\nEnvironment=ROCR_VISIBLE_DEVICES=GPU-000000000000000c\n"
    assert overlay(MODEL, definition(overlay=pinned), before=MOVED) == []
    assert overlay(MODEL, definition(), before=replace(MODEL, enabled=False)) == []


def test_a_changed_argument_leaves_the_place_to_the_unit() -> None:
    assert overlay(with_args({"max-model-len": 4096}), definition()) == [
        "ExecStart=",
        "ExecStart=/bin/vllm serve m --max-model-len 4096",
    ]


def test_what_an_earlier_overlay_changed_stays_where_the_fleet_still_says_so() -> None:
    earlier = with_args({"max-model-len": 8192, "gpu-memory-utilization": 0.85})
    ours = (
        "[Service]\nUnsetEnvironment=HIP_VISIBLE_DEVICES\nEnvironment=ROCR_VISIBLE_DEVICES=GPU-000000000000000c\n"
        "ExecStart=\nExecStart=/bin/vllm serve m --max-model-len 8192 --gpu-memory-utilization 0.85\n"
    )
    before = replace(earlier, place=MOVED.place)
    after = with_args({"max-model-len": 4096, "gpu-memory-utilization": 0.85}, before)
    assert overlay(after, definition(overlay=ours), before) == [
        "UnsetEnvironment=HIP_VISIBLE_DEVICES CUDA_VISIBLE_DEVICES",
        "Environment=ROCR_VISIBLE_DEVICES=GPU-000000000000000c",
        "ExecStart=",
        "ExecStart=/bin/vllm serve m --max-model-len 4096 --gpu-memory-utilization 0.85",
    ]


def test_an_argument_only_the_fleet_file_knows_is_not_added_by_a_move() -> None:
    wrapper = definition(command="/opt/run-llama")
    assert not any("ExecStart" in line for line in overlay(MOVED, wrapper))


def served(source: str, model: Model = MODEL) -> Model:
    return replace(model, source=source)


def test_another_checkpoint_is_written_and_stays_in_what_a_move_writes_later() -> None:
    before, after = served("a/big"), served("b/small")
    unit = definition(command="/bin/vllm serve a/big --max-model-len 8192")
    lines = overlay(after, unit, before)
    assert lines == ["ExecStart=", "ExecStart=/bin/vllm serve b/small --max-model-len 8192"]
    kept = definition(
        command="/bin/vllm serve a/big --max-model-len 8192", overlay="\n".join(["[Service]", *lines, ""])
    )
    assert lines == overlay(served("b/small", MOVED), kept, after)[2:]
    assert overlay(before, kept, after) == []


def test_a_checkpoint_the_units_own_path_is_named_by_stays_as_it_is_written() -> None:
    unit = definition(command="/bin/vllm serve /models/big --max-model-len 8192")
    assert len(overlay(served("a/big", MOVED), unit, served("a/big"))) == 2
    assert overlay(served("a/big"), unit, served("b/small")) == []


def test_a_script_can_be_moved_but_its_arguments_not_changed() -> None:
    script = definition(command="/bin/bash -c 'exec vllm serve m'")
    assert overlay(MOVED, script)
    with pytest.raises(GpudeckError, match="llama: its command line is a script"):
        overlay(with_args({"max-model-len": 4096}), script)


def test_what_was_written_into_the_fleet_file_by_hand_is_passed_at_the_next_start() -> None:
    by_hand = with_args({"max-model-len": 8192, "gpu-memory-utilization": 0.4, "enforce-eager": False})
    (reset, line) = overlay(by_hand, definition(), by_hand)
    assert (reset, line) == (
        "ExecStart=",
        "ExecStart=/bin/vllm serve m --max-model-len 8192 --gpu-memory-utilization 0.4",
    )


@pytest.mark.parametrize("command", ["/opt/serve.sh", "/bin/vllm serve m $VLLM_ARGS", "/bin/sh -c 'vllm serve m'"])
def test_what_a_script_or_a_variable_may_give_anyway_is_left_to_it(command: str) -> None:
    by_hand = with_args({"gpu-memory-utilization": 0.4})
    assert overlay(by_hand, definition(command=command), by_hand) == []
