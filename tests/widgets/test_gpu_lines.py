"""A GPU in one line: what does not fit is counted, not cut in the middle of a word."""

from __future__ import annotations

import pytest

from widgets.gpu_pane import _names


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], ""),
        (["gemma-3-27b"], "gemma-3-27b"),
        (["e5", "bge", "docling"], "e5 bge docling"),
        (["llama-3.1-8b", "kb-whisper-large"], "llama-3.1-8b +1"),
        (["e5", "bge", "docling", "whisper"], "e5 bge docling +1"),
        (["a-name-of-many-many-cells", "e5"], "a-name-of-many… +1"),
    ],
)
def test_as_many_names_as_fit_and_how_many_more(names: list[str], told: str) -> None:
    assert _names(names, 18) == told
