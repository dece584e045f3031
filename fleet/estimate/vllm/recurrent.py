"""States of recurrent layers: their bytes, and the attention blocks that are made as large as one of them."""

from __future__ import annotations

from fleet.architecture.architecture import Recurrence, State
from fleet.estimate.vllm.pages import Caching
from fleet.estimate.vllm.versions import Era

_ALIGNMENT = 16
_LATENT_ALIGNMENT = 128


def state_bytes(state: State, caching: Caching, drafted: int = 0) -> int:
    """Bytes one layer keeps for one request on one GPU (model_executor/layers/mamba/mamba_utils.py).

    The short convolution keeps its last inputs, one more for every drafted token; the state proper is a matrix for
    each head, or for Mamba-1 a vector for each channel.
    """
    tp, plain = caching.tensor_parallel, caching.weight_bytes
    inner, heads = -(-state.inner // tp), -(-state.heads // tp)
    keys = -(-state.groups * state.state_dim // tp)
    matrix = heads * state.head_dim * state.state_dim
    match state.kind:
        case Recurrence.MAMBA1:
            channels = inner
        case Recurrence.MAMBA2 | Recurrence.DELTA_NET:
            channels = inner + 2 * keys
        case Recurrence.KIMI_DELTA:
            channels = 3 * inner
    return channels * (state.kernel - 1 + drafted) * plain + matrix * (state.state_bytes or plain)


def aligned_block(state: int, token: int, caching: Caching, era: Era, *, latent: bool) -> int:
    """Tokens of an attention block that is no smaller than a state; ``token`` = bytes of one in one layer."""
    step = _ALIGNMENT
    if era.release >= (0, 20):
        step = max(_ALIGNMENT, caching.block_size, _LATENT_ALIGNMENT if latent else 0)
    return max(caching.block_size, -(-state // (step * token)) * step)
