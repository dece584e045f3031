from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fleet.inventory import Inventory
from fleet.simulator.provision import unit_text, write_units
from fleet.simulator.unit_files import FOLDER, UnitFiles, read_unit

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "llm.service"
OWN = "[Service]\nEnvironment=HIP_VISIBLE_DEVICES=0\nExecStart=/opt/vllm/bin/vllm serve a/b --port 8001\n"


def unit(root: Path, drop_ins: Mapping[str, str], own: str = OWN) -> UnitFiles:
    folder = root / FOLDER[1:]
    (folder / f"{NAME}.d").mkdir(parents=True)
    (folder / NAME).write_text(own)
    for name, text in drop_ins.items():
        (folder / f"{NAME}.d" / name).write_text(text)
    found = read_unit(root, NAME)
    assert found is not None
    return found


def test_the_demo_units_say_what_the_fleet_file_says(demo: Inventory, tmp_path: Path) -> None:
    write_units(tmp_path, demo.models)
    found = read_unit(tmp_path, "vllm-devstral-small.service")
    assert found is not None
    assert found.argv == (
        "/opt/vllm/bin/vllm", "serve", "mistralai/Devstral-Small-2505", "--port", "8004",
        "--gpu-memory-utilization", "0.5", "--max-model-len", "80000", "--enforce-eager",
    )  # fmt: skip
    assert found.environment == {"HIP_VISIBLE_DEVICES": "1"}


def test_a_model_on_several_gpus_lists_their_hip_indices(demo: Inventory) -> None:
    assert "\nEnvironment=HIP_VISIBLE_DEVICES=4,5,6\n" in unit_text(demo.model("mai-ds-r1"))


def test_a_model_without_a_place_has_no_gpu_chosen(demo: Inventory) -> None:
    assert "Environment" not in unit_text(demo.model("qwen3-32b"))


def test_drop_ins_apply_in_the_order_of_their_names(tmp_path: Path) -> None:
    found = unit(tmp_path, {"90-b.conf": "[Service]\nEnvironment=A=2\n", "10-a.conf": "[Service]\nEnvironment=A=1\n"})
    assert found.environment["A"] == "2"
    assert [path.rpartition("/")[2] for path in found.drop_ins] == ["10-a.conf", "90-b.conf"]


def test_a_file_that_does_not_end_in_conf_is_no_drop_in(tmp_path: Path) -> None:
    assert "A" not in unit(tmp_path, {"50-gpudeck.conf.new": "[Service]\nEnvironment=A=1\n"}).environment


def test_an_empty_exec_start_takes_the_earlier_one_back(tmp_path: Path) -> None:
    found = unit(tmp_path, {"50.conf": '[Service]\nExecStart=\nExecStart=/bin/x \'a b\' "c\\"d" 100%%\n'})
    assert found.argv == ("/bin/x", "a b", 'c"d', "100%")


def test_two_programs_are_none(tmp_path: Path) -> None:
    assert unit(tmp_path, {"50.conf": "[Service]\nExecStart=/bin/x\n"}).argv == ()


def test_variables_are_cleared_and_set_again(tmp_path: Path) -> None:
    overlay = "[Service]\nUnsetEnvironment=HIP_VISIBLE_DEVICES\nEnvironment=ROCR_VISIBLE_DEVICES=GPU-1f 'B=x y'\n"
    assert unit(tmp_path, {"50.conf": overlay}).environment == {"ROCR_VISIBLE_DEVICES": "GPU-1f", "B": "x y"}


def test_variables_are_filled_into_the_command_line(tmp_path: Path) -> None:
    own = "[Service]\nEnvironment=PORT=8001\nExecStart=-/bin/x --port ${PORT} $$HOME \\\n  --last\n"
    assert unit(tmp_path, {}, own).argv == ("/bin/x", "--port", "8001", "$HOME", "--last")


def test_a_unit_without_a_file_is_none(tmp_path: Path) -> None:
    assert read_unit(tmp_path, NAME) is None
