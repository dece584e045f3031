"""Headers of safetensors files: what the format's own library writes, and what nobody should have written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from fleet.architecture import safetensors
from fleet.architecture.ranges import MOST, HeaderError, read_local
from fleet.architecture.safetensors import Tensor


def written(path: Path, header: object, data: int = 0) -> Path:
    """A file with that header and so many bytes after it."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(data))
    return path


def tensor(begin: int, end: int, **changes: Any) -> dict[str, Any]:
    """A tensor of bytes."""
    return {"dtype": "U8", "shape": [end - begin], "data_offsets": [begin, end], **changes}


def test_what_the_library_writes_is_read_tensor_by_tensor(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {
        "a": np.zeros((3, 4), np.float32),
        "b": np.zeros((5,), np.float16),
        "c": np.zeros((), np.int64),
    }
    path = tmp_path / "model.safetensors"
    path.write_bytes(save(arrays, metadata={"format": "pt"}))
    found = {each.name: each for each in read_local(path, safetensors.header)}
    assert found == {
        "a": Tensor("a", "F32", (3, 4), 48),
        "b": Tensor("b", "F16", (5,), 10),
        "c": Tensor("c", "I64", (), 8),
    }


def test_only_the_header_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "a.safetensors", {"w": tensor(0, 50_000_000)})
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + 50_000_000)
    taken = []

    def counted(name: str, size: int) -> Any:
        steps = safetensors.header(name, size)
        wanted = next(steps)
        try:
            while True:
                taken.append(wanted.length)
                wanted = steps.send((yield wanted))
        except StopIteration as end:
            return end.value

    assert len(read_local(path, counted)) == 1
    assert sum(taken) < 100


@pytest.mark.parametrize(
    ("header", "data", "said"),
    [
        ({"w": tensor(0, 8)}, 4, "w does not lie inside the file"),
        ({"w": tensor(0, 8, shape=[9])}, 8, "which its type and shape do not make"),
        ({"w": tensor(0, 8, dtype="F17")}, 8, "a type that is not known: F17"),
        ({"w": tensor(0, 8, shape=[-8])}, 8, "no usable shape"),
        ({"w": tensor(0, 8, shape=[True, 8])}, 8, "no usable shape"),
        ({"w": [1]}, 8, "described by no mapping"),
        ({"v": tensor(0, 8), "w": tensor(4, 12)}, 12, "shares bytes with another tensor"),
        ([1], 0, "no mapping of tensors"),
        (b"{", 0, "no safetensors header has 1 bytes"),
        (b"{'w': 1}", 0, "not JSON"),
        (b'{"w": 1, "w": 2}', 0, "a name is given twice"),
        (b"[" * 100_000, 0, "nested too deeply"),
        ({"\x1b[2J\n": tensor(0, 8)}, 4, "does not lie inside the file"),
    ],
)
def test_a_header_that_describes_no_file_is_refused_with_the_place(
    tmp_path: Path, header: object, data: int, said: str
) -> None:
    path = written(tmp_path / "a.safetensors", header, data)
    with pytest.raises(HeaderError, match=said) as caught:
        read_local(path, safetensors.header)
    assert f"{path}, byte " in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("length", [0, 1, 1 << 20, 1 << 62, (1 << 64) - 1])
def test_a_length_the_file_cannot_have_is_refused_before_anything_is_read(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + b"{}")
    with pytest.raises(HeaderError, match="byte 0: no safetensors header"):
        read_local(path, safetensors.header)


@given(data=st.binary(max_size=300), cut=st.integers(0, 120), flips=st.lists(st.integers(0, 119), max_size=4))
@settings(max_examples=300)
def test_broken_bytes_end_in_a_sentence_and_never_in_more_than_the_limit(
    data: bytes, cut: int, flips: list[int]
) -> None:
    whole = bytearray(save({"w": np.zeros((2, 3), np.float32), "v": np.zeros(4, np.int8)}) + data)
    for place in flips:
        whole[place % len(whole)] ^= 0x41
    content, taken = bytes(whole[: len(whole) - cut % len(whole)]), 0
    steps = safetensors.header("x", len(content))
    try:
        wanted = next(steps)
        while True:
            taken += wanted.length
            wanted = steps.send(content[wanted.offset : wanted.offset + wanted.length])
    except (StopIteration, HeaderError):
        pass
    assert taken <= min(MOST, len(content) + 8)
