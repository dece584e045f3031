"""Headers of GGUF files: what the format's own library writes, and what nobody should have written."""

from __future__ import annotations

import struct
from pathlib import Path

import gguf as library
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.architecture import gguf
from fleet.architecture.ranges import MOST, HeaderError, Range, read_local

LAYERS, WIDTH, HEADS, FEED, WORDS = 2, 64, 4, 128, 300


def write_model(path: Path) -> Path:
    """A tiny llama with random weights and a tokenizer."""
    writer = library.GGUFWriter(str(path), "llama")
    writer.add_context_length(512)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS // 2)
    writer.add_token_list([f"word{number}".encode() for number in range(WORDS)])
    writer.add_token_scores([float(number) for number in range(WORDS)])
    shapes = {"token_embd": (WORDS, WIDTH), "output_norm": (WIDTH,), "output": (WORDS, WIDTH)}
    for layer in range(LAYERS):
        shapes |= {
            f"blk.{layer}.attn_norm": (WIDTH,),
            f"blk.{layer}.attn_q": (WIDTH, WIDTH),
            f"blk.{layer}.attn_k": (WIDTH // 2, WIDTH),
            f"blk.{layer}.attn_v": (WIDTH // 2, WIDTH),
            f"blk.{layer}.attn_output": (WIDTH, WIDTH),
            f"blk.{layer}.ffn_up": (FEED, WIDTH),
        }
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", np.zeros(shape, np.float16 if len(shape) > 1 else np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_what_the_library_writes_is_read_as_the_library_reads_it(tmp_path: Path) -> None:
    path = write_model(tmp_path / "tiny.gguf")
    found, oracle = read_local(path, gguf.header), library.GGUFReader(str(path))
    assert {each.name: each.size for each in found.tensors} == {each.name: each.n_bytes for each in oracle.tensors}
    assert found.facts["llama.block_count"] == LAYERS
    assert found.facts["general.architecture"] == "llama"
    assert found.facts["tokenizer.ggml.tokens"] == gguf.Passed(WORDS)


def test_a_tokenizer_is_passed_over_in_pieces_and_the_tensors_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "big.gguf"
    words = [b"x" * 100 for _ in range(20_000)]
    writer = library.GGUFWriter(str(path), "llama")
    writer.add_token_list(words)
    writer.add_tensor("w", np.zeros((1024, 4096), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    content, taken = path.read_bytes(), []
    steps = gguf.header("x", len(content))
    wanted: Range | None = next(steps)
    try:
        while wanted:
            taken.append(wanted.length)
            wanted = steps.send(content[wanted.offset : wanted.offset + wanted.length])
    except StopIteration as end:
        assert end.value.facts["tokenizer.ggml.tokens"] == gguf.Passed(20_000)
    assert max(taken) <= 1 << 18
    assert sum(taken) < 3_000_000 < len(content)


@pytest.mark.parametrize(("kind", "block", "size"), [(2, 32, 18), (12, 256, 144), (14, 256, 210), (39, 32, 17)])
def test_the_sizes_of_blocks_are_the_librarys(kind: int, block: int, size: int) -> None:
    assert library.GGML_QUANT_SIZES[library.GGMLQuantizationType(kind)] == (block, size)
    assert gguf._BLOCKS[kind] == (block, size)


def test_every_type_the_library_knows_has_its_size() -> None:
    theirs = {int(kind): sizes for kind, sizes in library.GGML_QUANT_SIZES.items()}
    assert {kind: sizes for kind, sizes in gguf._BLOCKS.items() if kind in theirs} == {
        kind: sizes for kind, sizes in theirs.items() if kind in gguf._BLOCKS
    }
    never_in_files = {library.GGMLQuantizationType.Q8_1}
    assert not theirs.keys() - gguf._BLOCKS.keys() - never_in_files


def start(tensors: int, facts: int, version: int = 3) -> bytes:
    """The first bytes of a file."""
    return b"GGUF" + struct.pack("<IQQ", version, tensors, facts)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"GGML" + bytes(40), "no GGUF file"),
        (start(0, 0, version=3 << 24), "big-endian"),
        (start(0, 0, version=1), "no GGUF has version 1"),
        (start(1 << 62, 0), "do not fit into"),
        (start(0, 1 << 62), "do not fit into"),
        (start(0, 1) + struct.pack("<Q", 1 << 62) + bytes(40), "is too long"),
        (start(0, 1) + struct.pack("<Q", 1) + b"k" + struct.pack("<I", 99) + bytes(40), "no value has type 99"),
        (start(0, 1) + struct.pack("<Q", 1) + b"k" + struct.pack("<IIQ", 9, 8, 1 << 60) + bytes(40), "do not fit"),
        (start(0, 1) + struct.pack("<Q", 1) + b"k" + struct.pack("<IIQ", 9, 9, 1) + bytes(40), "array of type 9"),
        (start(1, 0) + struct.pack("<Q", 1) + b"w" + struct.pack("<I", 77) + bytes(40), "has 77 dimensions"),
        (start(1, 0) + struct.pack("<Q", 1) + b"w" + struct.pack("<IQIQ", 1, 7, 2, 0) + bytes(9), "no usable shape"),
        (start(1, 0) + struct.pack("<Q", 1) + b"w" + struct.pack("<IQIQ", 1, 7, 98, 0) + bytes(9), "is not known: 98"),
        (start(1, 0)[:-3], "ends within its header"),
    ],
)
def test_a_header_that_makes_no_sense_is_refused_with_the_place(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(content)
    with pytest.raises(HeaderError, match=said) as caught:
        read_local(path, gguf.header)
    assert f"{path}, byte " in str(caught.value)


@given(data=st.data())
@settings(max_examples=200)
def test_broken_bytes_end_in_a_sentence_and_never_in_more_than_the_limit(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    kept = tmp_path_factory.getbasetemp() / "fuzzed.gguf"
    if not kept.exists():
        write_model(kept)
    whole = bytearray(kept.read_bytes()[:9000])
    for place in data.draw(st.lists(st.integers(0, 400), max_size=6)):
        whole[place] = data.draw(st.integers(0, 255))
    content, taken = bytes(whole[: data.draw(st.integers(0, len(whole)))]), 0
    steps = gguf.header("x", len(content))
    try:
        wanted = next(steps)
        while True:
            taken += wanted.length
            wanted = steps.send(content[wanted.offset : wanted.offset + wanted.length])
    except (StopIteration, HeaderError):
        pass
    assert taken <= min(MOST, len(content) + 8)
