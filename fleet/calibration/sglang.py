"""SGLang's start-up lines. Its GB are 2^30 bytes. A draft's weights and cache add to those of the model."""

from __future__ import annotations

import re

from fleet.calibration.dialect import COUNT, NUMBER, SERVICE_BEGINS, Begin, Dialect
from fleet.startup import Ending
from fleet.units import GiB

_FACTS = (
    rf"Load weight end\..*? mem usage=(?P<weights>{NUMBER}) GB",
    rf"KV Cache is allocated\..*? K size: (?P<cache>{NUMBER}) GB",
    rf"KV Cache is allocated\..*? V size: (?P<cache>{NUMBER}) GB",
    rf"KV Cache is allocated\..*? KV size: (?P<cache>{NUMBER}) GB",
    rf"Capture (?:\w+ ){{0,3}}(?:cuda|CUDA|npu) graph end\..*? mem usage=(?P<graphs>{NUMBER}) GB",
    rf"max_total_num_tokens=(?P<tokens>{COUNT}),.*? context_len=(?P<length>\d{{1,10}})",
    rf"Load weight end\. elapsed=(?P<seconds>{NUMBER}) s",
)
_REFUSALS = (
    (Ending.REFUSED, r"Not enough memory\. Please try to increase --mem-fraction-static.*"),
    (Ending.REFUSED, r"Loaded weights leave no GPU memory for the KV cache .*"),
    (Ending.REFUSED, r"The memory capacity is unbalanced\..*"),
    (Ending.OOM, r"(?:torch\.(?:cuda\.)?)?OutOfMemoryError: .*"),
)

SGLANG = Dialect(
    engine="sglang",
    unit=GiB,
    speaker=re.compile(r"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d((?: [A-Z]{2}\d{1,4}){1,4})\]"),
    begins=(SERVICE_BEGINS, (Begin.SERVER, re.compile(r"server_args=ServerArgs\("))),
    facts=tuple(map(re.compile, _FACTS)),
    serves=re.compile(r"The server is fired up and ready to roll"),
    refusals=tuple((ending, re.compile(text)) for ending, text in _REFUSALS),
    disturbed=re.compile(r"The memory capacity is unbalanced"),
    adds=True,
)
