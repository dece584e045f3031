"""PyTorch's caching allocator, followed tensor by tensor."""

from __future__ import annotations

from fleet.estimate.vllm.allocator import taken_bytes
from fleet.units import MiB


def test_a_large_tensor_keeps_a_tail_of_up_to_one_mib() -> None:
    assert taken_bytes([([31 * MiB], 1)]) == 32 * MiB
    assert taken_bytes([([31 * MiB - 512], 1)]) == 31 * MiB - 512  # what is left over is split off


def test_tensors_of_a_few_mib_fill_blocks_of_twenty() -> None:
    assert taken_bytes([([4 * MiB], 5)]) == 20 * MiB
    assert taken_bytes([([int(6.5 * MiB)], 3)]) == 20 * MiB  # the last keeps the half MiB that is left


def test_small_tensors_are_counted_in_grains_of_512_bytes() -> None:
    assert taken_bytes([([1, 513], 2)]) == 2 * (512 + 1024)


def test_what_a_large_tensor_leaves_is_used_by_a_smaller_one() -> None:
    apart = taken_bytes([([2 * MiB - 512], 1)]) + taken_bytes([([20 * MiB + 512], 1)])
    assert taken_bytes([([20 * MiB + 512, 2 * MiB - 512], 1)]) == apart
