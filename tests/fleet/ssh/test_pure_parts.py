"""Addresses and lines: the parts of a connection that need none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.ssh.address import Address
from fleet.ssh.lines import LINE_LIMIT, LineSplitter


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("gpu01", Address("gpu01")),
        ("ops@gpu01", Address("gpu01", "ops")),
        ("ops@gpu01:2222", Address("gpu01", "ops", 2222)),
        ("ssh://ops@gpu01:2222", Address("gpu01", "ops", 2222)),
        ("fe80::1", Address("fe80::1")),
        ("ops@[fe80::1]:2222", Address("fe80::1", "ops", 2222)),
    ],
)
def test_an_address_is_read_as_ssh_reads_it(text: str, address: Address) -> None:
    assert Address.parse(text) == address


@pytest.mark.parametrize("text", ["", "ops@", "-oProxyCommand=x", "gpu01:ssh", "ops@-x"])
def test_what_is_no_address_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        Address.parse(text)


@given(st.lists(st.binary(max_size=40)))
def test_lines_are_the_same_however_they_are_cut(chunks: list[bytes]) -> None:
    splitter = LineSplitter()
    cut = [line for chunk in chunks for line in splitter.feed(chunk)]
    whole = LineSplitter().feed(b"".join(chunks))
    assert cut == whole


def test_a_line_without_an_end_is_held_only_so_far() -> None:
    splitter = LineSplitter()
    for _ in range(10):
        assert splitter.feed(b"x" * LINE_LIMIT) == []
    (line,) = splitter.feed(b"\n")
    assert len(line) == LINE_LIMIT
