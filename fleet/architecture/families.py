"""What a model type means without saying it in its ``config.json``, and which type a bare name belongs to.

The facts are those of transformers' ``modeling_*.py`` and vLLM's ``model_executor/models`` of each type.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fleet.architecture.architecture import Recurrence


@dataclass(frozen=True, slots=True)
class Family:
    """Facts shared by every model of a type."""

    qkv_bias: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False
    qk_norm: bool = False
    norms: int = 2
    """Norms in one layer."""
    norm_bias: bool = False
    plain_mlp: bool = False
    """Two matrices instead of three."""
    tied: bool = False
    local_rope: bool = False
    no_rope: bool = False
    learned_positions: int | None = None
    """Rows of a position table beyond ``max_position_embeddings``; None where positions are not learned."""
    encoder: bool = False
    """Looks at the whole text at once and keeps no cache."""
    attention_gate: bool = False
    shared_gate: bool = False
    window_ignored: bool = False
    """Its config names a window that the model does not use."""
    state: Recurrence | None = None
    expert_biases: bool = False
    residual_streams: int = 1


_PLAIN = Family()
_QWEN2 = Family(qkv_bias=True, window_ignored=True)
_QWEN2_MOE = Family(qkv_bias=True, window_ignored=True, shared_gate=True)
_QWEN3 = Family(qk_norm=True, window_ignored=True)
_QWEN3_NEXT = Family(
    qk_norm=True, attention_gate=True, shared_gate=True, window_ignored=True, state=Recurrence.DELTA_NET
)
_GEMMA = Family(tied=True)
_GEMMA2 = Family(tied=True, norms=4)
_GEMMA3 = Family(tied=True, norms=4, qk_norm=True, local_rope=True)
_GPT = Family(
    plain_mlp=True, attention_bias=True, mlp_bias=True, norm_bias=True, tied=True, no_rope=True, learned_positions=0
)
_BERT = Family(
    plain_mlp=True,
    attention_bias=True,
    mlp_bias=True,
    norm_bias=True,
    no_rope=True,
    learned_positions=0,
    encoder=True,
    tied=True,
)

FAMILIES: dict[str, Family] = {
    "llama": _PLAIN,
    "mistral": _PLAIN,
    "mixtral": _PLAIN,
    "phi3": _PLAIN,
    "granite": Family(tied=True),
    "granitemoe": Family(tied=True),
    "granitemoehybrid": Family(tied=True, state=Recurrence.MAMBA2),
    "qwen2": _QWEN2,
    "qwen2_moe": _QWEN2_MOE,
    "qwen2_vl": _QWEN2,
    "qwen2_5_vl": _QWEN2,
    "qwen2_audio": _QWEN2,
    "qwen3": _QWEN3,
    "qwen3_moe": _QWEN3,
    "qwen3_vl": _QWEN3,
    "qwen3_vl_moe": _QWEN3,
    "qwen3_omni_moe": _QWEN3,
    "qwen3_next": _QWEN3_NEXT,
    "qwen3_5": _QWEN3_NEXT,
    "qwen3_5_text": _QWEN3_NEXT,
    "qwen3_5_moe": _QWEN3_NEXT,
    "qwen3_5_moe_text": _QWEN3_NEXT,
    "seed_oss": Family(qkv_bias=True),
    "gemma": _GEMMA,
    "gemma2": _GEMMA2,
    "gemma3": _GEMMA3,
    "gemma3_text": _GEMMA3,
    "gemma3n": _GEMMA3,
    "gemma4": _GEMMA3,
    "gemma4_text": _GEMMA3,
    "gpt_oss": Family(attention_bias=True, expert_biases=True),
    "glm4": Family(norms=4, qkv_bias=True),
    "glm4_moe": Family(qkv_bias=True, qk_norm=True),
    "exaone4": Family(qk_norm=True),
    "minimax_m2": Family(qk_norm=True),
    "olmo2": Family(qk_norm=True),
    "cohere": Family(tied=True, norms=1),
    "cohere2": Family(tied=True, norms=1),
    "starcoder2": Family(plain_mlp=True, attention_bias=True, mlp_bias=True, norm_bias=True),
    "phi": Family(plain_mlp=True, attention_bias=True, mlp_bias=True, norm_bias=True, norms=1),
    "opt": Family(
        plain_mlp=True,
        attention_bias=True,
        mlp_bias=True,
        norm_bias=True,
        tied=True,
        no_rope=True,
        learned_positions=2,
    ),
    "gpt2": _GPT,
    "gpt_bigcode": _GPT,
    "gpt_neox": Family(plain_mlp=True, attention_bias=True, mlp_bias=True, norm_bias=True),
    "bloom": Family(plain_mlp=True, attention_bias=True, mlp_bias=True, norm_bias=True, tied=True, no_rope=True),
    "falcon": Family(plain_mlp=True, norm_bias=True, tied=True),
    "mpt": Family(plain_mlp=True, tied=True, no_rope=True),
    "chatglm": Family(qkv_bias=True),
    "bert": _BERT,
    "roberta": _BERT,
    "xlm-roberta": _BERT,
    "nomic_bert": Family(encoder=True, tied=True),
    "modernbert": Family(encoder=True, tied=True),
    "whisper": Family(
        plain_mlp=True,
        attention_bias=True,
        mlp_bias=True,
        norm_bias=True,
        norms=3,
        tied=True,
        no_rope=True,
        learned_positions=0,
    ),
    "mllama": _PLAIN,
    "llama4": _PLAIN,
    "llama4_text": _PLAIN,
    "deepseek_v2": _PLAIN,
    "deepseek_v3": _PLAIN,
    "deepseek_v32": _PLAIN,
    "deepseek_v4": Family(residual_streams=4),
    "kimi_k2": _PLAIN,
    "kimi_vl": _PLAIN,
    "glm_moe_dsa": _PLAIN,
    "kimi_linear": Family(state=Recurrence.KIMI_DELTA, no_rope=True),
    "jamba": Family(state=Recurrence.MAMBA1, no_rope=True),
    "mamba": Family(state=Recurrence.MAMBA1, tied=True, no_rope=True),
    "mamba2": Family(state=Recurrence.MAMBA2, tied=True, no_rope=True),
    "falcon_mamba": Family(state=Recurrence.MAMBA1, tied=True, no_rope=True),
    "bamba": Family(state=Recurrence.MAMBA2),
    "zamba2": Family(state=Recurrence.MAMBA2),
    "nemotron_h": Family(state=Recurrence.MAMBA2, plain_mlp=True, norms=1),
}

_NAMES: tuple[tuple[str, str], ...] = (
    (r"whisper", "whisper"),
    (r"xlm-?roberta|bge-m3|bge-reranker-v2|multilingual-e5-(base|large)", "xlm-roberta"),
    (r"modernbert|gte-reranker", "modernbert"),
    (r"bge-|minilm|mpnet|multilingual-e5-small|\be5-(small|base|large)|gte-(base|large|small)|bert", "bert"),
    (r"qwen-?1\.5-moe|qwen2-57b", "qwen2_moe"),
    (r"qwen-?3[._-]?next|qwen3\.[5-9].*-a\d+b", "qwen3_5_moe_text"),
    (r"qwen3\.[5-9]", "qwen3_5_text"),
    (r"qwen-?3-omni", "qwen3_omni_moe"),
    (r"qwen-?3.*-a\d+b", "qwen3_moe"),
    (r"qwen-?3(?!\d)", "qwen3"),
    (r"qwen2\.5-vl", "qwen2_5_vl"),
    (r"qwen2-vl", "qwen2_vl"),
    (r"qwen|qwq|deepcoder|openthinker|kimi-dev", "qwen2"),
    (r"gemma-?4", "gemma4_text"),
    (r"gemma-?3n", "gemma3n"),
    (r"gemma-?3|medgemma", "gemma3_text"),
    (r"gemma-?2", "gemma2"),
    (r"gemma", "gemma"),
    (r"gpt-?oss", "gpt_oss"),
    (r"granite-?4.*-h|bamba", "granitemoehybrid"),
    (r"granite", "granite"),
    (r"seed-?oss", "seed_oss"),
    (r"starcoder2", "starcoder2"),
    (r"phi-?2\b|phi-1", "phi"),
    (r"phi-?[34]", "phi3"),
    (r"\bopt-\d", "opt"),
    (r"llama-3\.2-\d+b-vision", "mllama"),
    (r"llama-?4", "llama4_text"),
    (r"mixtral", "mixtral"),
    (r"mistral|devstral|codestral|magistral|zephyr|hermes|wildguard|functionary|ministral", "mistral"),
    (r"jamba", "jamba"),
    (r"kimi-linear|kimi-k3", "kimi_linear"),
    (r"kimi-vl", "kimi_vl"),
    (r"kimi-k2", "kimi_k2"),
    (r"deepseek-v4", "deepseek_v4"),
    (r"deepseek-v3\.2", "deepseek_v32"),
    (r"deepseek-(v2|coder-v2)", "deepseek_v2"),
    (r"deepseek-(v3|r1)(?!-distill)", "deepseek_v3"),
    (r"glm-5", "glm_moe_dsa"),
    (r"glm-4\.[5-9]", "glm4_moe"),
    (r"glm-4", "glm4"),
    (r"minimax-m[2-9]", "minimax_m2"),
    (r"nemotron-(h|nano)", "nemotron_h"),
    (r"falcon-mamba", "falcon_mamba"),
    (r"falcon", "falcon"),
    (r"command-(a|r7b)", "cohere2"),
    (r"command-r|aya", "cohere"),
    (r"olmo-?2", "olmo2"),
)


def family(model_type: str) -> Family:
    """The facts of a type; those of Llama for one not known, which most newcomers follow."""
    return FAMILIES.get(model_type, _PLAIN)


def model_type_of(name: str) -> str:
    """The type a model's name tells of, for a config that does not say; ``llama`` where none does."""
    plain = name.rpartition("/")[2].lower()
    return next((kind for pattern, kind in _NAMES if re.search(pattern, plain)), "llama")
