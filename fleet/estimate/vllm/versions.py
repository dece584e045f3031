"""What changed from one vLLM version to the next, as far as memory and refusals go: the era table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from fleet.architecture.architecture import Architecture
from fleet.hardware import Accelerator
from fleet.model import Version
from fleet.units import GiB

NEWEST = Version("0.33.0")
"""The newest version this table was checked against; assumed where a version is not known."""


class Generation(StrEnum):
    """Which engine runs."""

    V0 = "V0"
    V1 = "V1"


class Sampler(StrEnum):
    """What the sampling pass of the profile run holds at its peak."""

    SORT = "sort"
    """PyTorch's sort: V0, and V1 through 0.16."""
    TRITON = "triton"
    """The V1 model runner's kernels, from 0.17."""
    LOGITS = "logits"
    """The V2 model runner through 0.32."""
    WARMED = "warmed"
    """The V2 model runner from 0.33, which warms up with sampling parameters."""


class Admission(StrEnum):
    """How the engine adds up what one request of the largest length needs."""

    LAYERS = "layers"
    """Every layer's own pages, without padding: V1 through 0.13."""
    FIRST_GROUP = "first-group"
    """The first group's pages only: 0.14 to 0.18."""
    GROUPS = "groups"
    """All groups' pages, from 0.19."""


@dataclass(frozen=True, slots=True, eq=False)
class Era:
    """The facts of one version on one platform, one object for each. Versions are the first that show the fact."""

    release: tuple[int, ...]
    generation: Generation
    rocm: bool
    default_utilization: float
    """0.90 through 0.19, 0.92 from 0.20."""
    checks_free_memory: bool
    """V1 from 0.9.1 refuses to begin where less than the budget is free (pull requests 18974, 19312)."""
    charges_neighbours: bool
    """V0 0.6.4 and V1 through 0.9.0 count what others hold as their own (10533, 14376)."""
    rounds_budget_up: bool
    """From 0.14 the budget is the ceiling of utilization x total."""
    graphs_in_budget: bool
    """From 0.20, on ROCm from 0.26, an estimate of the graphs comes off the cache."""
    loading_by_driver: bool
    """ROCm from 0.7 through 0.20: the weights are counted by the driver, not by PyTorch."""
    separate_expert_workspace: bool
    """From 0.14 the experts' workspace stays beside the forward pass's peak."""
    chunk_tokens: int
    """Tokens of one chunk where V0 chunks prefill."""
    groups_layers: bool
    """V1 gives sliding layers their own, shorter block tables; before, they are counted as full."""
    group_ratio: float | None
    """How unequal two kinds of layers may be and still be padded to one group size."""
    doubles_window: bool
    """From 0.26 a sliding layer is admitted with one batch for every batch in flight."""
    admission: Admission
    checks_all_stages: bool
    """From 0.14 one pipeline stage's memory must hold a request's pages of every stage's layers."""
    reserves_null_block: bool
    """From 0.29 one block is held back."""
    tokens_by_concurrency: bool
    """From 0.20.2 the reported tokens are concurrency x length; before, blocks x block size."""
    offloads_weights: bool
    """V1 took ``--cpu-offload-gb`` without heeding it before 0.8.3 (pull request 15354)."""
    warns_of_half: bool
    """From 0.10 some models are refused in float16."""
    caches_hybrid_prefixes: bool
    """From 0.26 prefixes of models with a recurrent state are cached by default, which keeps a second state."""
    latent_in_full: bool
    """Before 0.7.1 latent attention was cached as the full heads it expands to."""
    counts_freed: bool
    """From 0.27 what is gone from the driver counts, holes in PyTorch's pool included."""


def era(version: Version | None, vendor: str, use_v1: bool | None = None) -> Era:
    """The era of a version (None: the newest known) on NVIDIA or AMD; ``use_v1`` is ``VLLM_USE_V1`` where it is set."""
    return _era((version or NEWEST).release, vendor == "amd", use_v1)


@cache
def _era(release: tuple[int, ...], rocm: bool, use_v1: bool | None) -> Era:
    # V1 by default from 0.8.0 on CUDA; on ROCm V0 stays the default through 0.9.1 (platforms/rocm.py, arg_utils.py)
    v1 = use_v1 if use_v1 is not None else release >= ((0, 9, 2) if rocm else (0, 8, 0))
    return Era(
        release=release,
        generation=Generation.V1 if v1 else Generation.V0,
        rocm=rocm,
        default_utilization=0.92 if release >= (0, 20) else 0.90,
        checks_free_memory=v1 and release >= (0, 9, 1),
        charges_neighbours=release < (0, 9, 1) if v1 else (0, 6, 4) <= release < (0, 6, 6),
        rounds_budget_up=release >= (0, 14),
        graphs_in_budget=release >= ((0, 26) if rocm else (0, 20)),
        loading_by_driver=rocm and (0, 7) <= release < (0, 21),
        separate_expert_workspace=release >= (0, 14),
        chunk_tokens=2048 if release >= (0, 6, 6) else 512,
        groups_layers=v1 and release >= (0, 9, 2),
        group_ratio=None if release < (0, 12) else 1.25 if release < (0, 18) else 1.5,
        doubles_window=release >= (0, 26),
        admission=_admission(release),
        checks_all_stages=v1 and release >= (0, 14),
        reserves_null_block=release >= (0, 29),
        tokens_by_concurrency=release >= (0, 20, 2),
        offloads_weights=not v1 or release >= (0, 8, 3),
        warns_of_half=release >= (0, 10),
        caches_hybrid_prefixes=release >= (0, 26),
        latent_in_full=release < (0, 7, 1),
        counts_freed=release >= (0, 27),
    )


def _admission(release: tuple[int, ...]) -> Admission:
    if release >= (0, 19):
        return Admission.GROUPS
    return Admission.FIRST_GROUP if release >= (0, 14) else Admission.LAYERS


def uses_second_runner(era: Era, architecture: Architecture) -> bool:
    """Whether the V2 model runner serves it: Qwen3 dense from 0.22, every supported architecture from 0.29."""
    if era.release >= (0, 29):
        return True
    return era.release >= (0, 22) and architecture.model_type == "qwen3"


def sampler(era: Era, architecture: Architecture) -> Sampler:
    """Which sampling pass the profile run of that model makes."""
    if era.release < (0, 17):
        return Sampler.SORT
    if not uses_second_runner(era, architecture):
        return Sampler.TRITON
    return Sampler.WARMED if era.release >= (0, 33) else Sampler.LOGITS


def default_batch(era: Era, accelerator: Accelerator) -> tuple[int, int]:
    """Tokens and sequences of one V1 batch where no argument says (API server, ``get_batch_defaults``)."""
    total, name = accelerator.total_bytes, accelerator.name.lower()
    if era.release < (0, 8):
        return (8192 if "h100" in name or "h200" in name else 2048), 256
    if era.release < (0, 8, 5):
        return (8192 if "h100" in name or "h200" in name else 2048), 1024
    large = total >= 70 * GiB and ("a100" not in name or era.release < (0, 9, 2))
    if era.release >= (0, 28) and total >= 160 * GiB:
        return 16384, 1024
    return (8192, 1024) if large else (2048, 256)
