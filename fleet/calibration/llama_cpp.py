"""llama.cpp's start-up lines: one buffer of each kind on each device, in MiB. Buffers of one kind add up."""

from __future__ import annotations

import re

from fleet.calibration.dialect import NUMBER, SERVICE_BEGINS, Begin, Dialect
from fleet.startup import Ending
from fleet.units import MiB

_FACTS = (
    rf" model buffer size = +(?P<weights>{NUMBER}) MiB",
    rf" (?:KV|RS) buffer size = +(?P<cache>{NUMBER}) MiB",
    rf" compute buffer size = +(?P<activations>{NUMBER}) MiB",
    r"llama_context: n_ctx += +(?P<tokens>\d{1,10})\b",
)
_REFUSALS = (
    r"error loading model: .*",
    r"failed to initialize the context: .*",
    r"ggml_cuda_init: failed to initialize \w+: out of memory",
)

LLAMA_CPP = Dialect(
    engine="llama.cpp",
    unit=MiB,
    speaker=re.compile(r" ((?:ROCm|CUDA|HIP|Vulkan|SYCL)\d{1,3}) (?:model|KV|RS|compute) buffer size"),
    begins=(
        SERVICE_BEGINS,
        (Begin.SERVER, re.compile(r"build: (?P<build>\d{1,6} \([0-9a-f]{1,40}\))")),
        (Begin.SERVER, re.compile(r"ggml_cuda_init: found \d+ (?:ROCm|CUDA) devices")),
    ),
    facts=tuple(map(re.compile, _FACTS)),
    serves=re.compile(r"server is listening on|all slots are idle"),
    refusals=tuple((Ending.OOM, re.compile(text)) for text in _REFUSALS),
    disturbed=re.compile(r"(?!)"),
    adds=True,
    only_named=True,
)
