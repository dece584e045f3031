"""DeepSeek-V4's cache: compressed vectors of the whole text, a short window, and what compressing keeps meanwhile."""

from __future__ import annotations

from collections import Counter

from fleet.architecture.architecture import CompressedAttention, Span
from fleet.estimate.vllm.pages import Pages
from fleet.estimate.vllm.stages import Stage

_VECTOR_BYTES = 584
"""448 values in fp8 with their scales, and 64 rotated ones in 16 bit."""
_INDEX_BYTES = 132
_WINDOW = 128
_BLOCK = 256
_OVERLAP = 8
"""Tokens a ratio-4 compressor looks back on; the others look back on one whole group."""
_FLOAT = 4


def compressed_pages(compressed: CompressedAttention, stage: Stage) -> tuple[Pages, ...]:
    """The kinds of pages of one rank; nothing of it is split over a tensor parallel group.

    The compressors' running sums are kept in fp32 for every token of the batches in flight, which is most of what
    one request of ordinary length needs: with them DeepSeek-V4-Pro wants 23.6 GiB for 1,048,576 tokens on eight
    MI300X, where vLLM says 23.3.
    """
    ratios = Counter(compressed.ratios[layer] for layer in stage.layers if layer < len(compressed.ratios))
    pages = [Pages(sum(ratios.values()), _BLOCK * _VECTOR_BYTES, _BLOCK, Span.SLIDING, _WINDOW)]
    running = 4 * compressed.width * _FLOAT
    for ratio, count in sorted(ratios.items()):
        if not ratio:
            continue
        kept, window = _VECTOR_BYTES, ratio
        if ratio == 4:
            kept, window = kept + _INDEX_BYTES, _OVERLAP
            sums = 4 * compressed.indexer_dim * _FLOAT
            pages.append(Pages(count, _BLOCK * sums, _BLOCK, Span.SLIDING, window))
        pages.append(Pages(count, _BLOCK // ratio * kept if ratio < _BLOCK else kept, _BLOCK, Span.FULL))
        pages.append(Pages(count, _BLOCK * running, _BLOCK, Span.SLIDING, window))
    return tuple(pages)
