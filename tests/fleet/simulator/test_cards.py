from __future__ import annotations

import pytest

from fleet.hardware import accelerator
from fleet.simulator.cards import Card, cards, visible

HOST = cards(accelerator("MI300X"), 8)


def seen(**environment: str) -> list[int]:
    return [card.hip_index for card in visible(environment, HOST)]


def by_pci(card: Card) -> str:
    return card.pci


def test_hip_order_is_not_pci_order() -> None:
    assert [card.hip_index for card in sorted(HOST, key=by_pci)] == [2, 3, 1, 0, 6, 7, 5, 4]
    assert [card.gpu_id for card in sorted(HOST, key=by_pci)] == [
        28851, 23018, 29122, 22683, 53458, 63883, 53667, 63738,
    ]  # fmt: skip


def test_without_variables_a_process_sees_every_gpu() -> None:
    assert seen() == list(range(8))


def test_hip_visible_devices_chooses_and_orders() -> None:
    assert seen(HIP_VISIBLE_DEVICES="6,4") == [6, 4]


def test_rocr_visible_devices_filters_before_hip_counts() -> None:
    assert seen(ROCR_VISIBLE_DEVICES="4,5,6", HIP_VISIBLE_DEVICES="2,0") == [6, 4]


def test_rocr_visible_devices_takes_unique_ids() -> None:
    assert seen(ROCR_VISIBLE_DEVICES=f"GPU-{HOST[7].unique_id},GPU-{HOST[1].unique_id.upper()}") == [7, 1]


def test_the_same_index_list_in_both_variables_selects_the_wrong_gpus() -> None:
    assert seen(ROCR_VISIBLE_DEVICES="4,5", HIP_VISIBLE_DEVICES="4,5") == []


def test_cuda_visible_devices_counts_where_hip_says_nothing() -> None:
    assert seen(CUDA_VISIBLE_DEVICES="3", HIP_VISIBLE_DEVICES="") == [3]
    assert seen(CUDA_VISIBLE_DEVICES="3", HIP_VISIBLE_DEVICES="1") == [1]


def test_an_empty_rocr_list_hides_every_gpu() -> None:
    assert seen(ROCR_VISIBLE_DEVICES="") == []


@pytest.mark.parametrize("listed", ["0,9,1", "0,x,1", "0,GPU-ffff,1", "0,0,1", "0,-1,1"])
def test_a_list_ends_at_its_first_wrong_entry(listed: str) -> None:
    assert seen(HIP_VISIBLE_DEVICES=listed) == [0]


def test_unique_ids_differ_from_host_to_host() -> None:
    other = cards(accelerator("MI300X"), 8, host_number=1)
    assert not {card.unique_id for card in HOST} & {card.unique_id for card in other}


def test_a_host_has_one_to_eight_gpus() -> None:
    with pytest.raises(ValueError, match="1 to 8 GPUs, not 9"):
        cards(accelerator("MI300X"), 9)
