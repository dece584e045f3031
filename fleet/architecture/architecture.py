"""The facts of a model's ``config.json`` (or GGUF header) that decide its memory."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Span(StrEnum):
    """What one layer's attention looks back on."""

    FULL = "full"
    SLIDING = "sliding"


@dataclass(frozen=True, slots=True)
class Experts:
    """A mixture of experts. Widths are of one gated MLP."""

    count: int
    per_token: int
    """Experts each token is sent to."""
    intermediate: int
    shared_intermediate: int = 0
    """Summed width of the experts every token passes."""
    shared_gate: bool = False
    first_dense: int = 0
    """Leading layers that have an ordinary MLP instead."""
    step: int = 1
    """Every ``step``-th layer has experts."""


@dataclass(frozen=True, slots=True)
class LatentAttention:
    """Multi-head latent attention: one compressed vector a token instead of a key and a value per head."""

    kv_rank: int
    query_rank: int | None
    rope_dim: int
    nope_dim: int
    value_dim: int

    @property
    def cached_width(self) -> int:
        """Elements the cache holds per token and layer."""
        return self.kv_rank + self.rope_dim


@dataclass(frozen=True, slots=True)
class Quantization:
    """How the checkpoint stores its linear weights. Embeddings, norms, routers and vision stay in 16 bit."""

    method: str
    bytes_per_weight: float
    """Scales and zero points included."""
    experts_only: bool = False
    """Attention and ordinary MLPs stay in 16 bit too."""
    kv_cache_dtype: str | None = None
    """The checkpoint's own cache scheme, used where the engine is told ``auto``."""


@dataclass(frozen=True, slots=True)
class VisionTower:
    """A ViT in front of the language model, and the projector between them."""

    layers: int
    hidden: int
    intermediate: int
    image_size: int
    """Pixels along one side of the square the processor makes of an image."""
    patch_size: int
    tokens_per_image: int
    """Tokens the language model sees of one image."""

    @property
    def patches(self) -> int:
        """Positions the tower computes for one image."""
        return (self.image_size // self.patch_size) ** 2

    def parameters(self, text_hidden: int) -> int:
        """Weights and biases of tower and projector (SigLIP layout, as Gemma 3 uses it)."""
        patch = 3 * self.patch_size**2 * self.hidden + self.hidden + self.patches * self.hidden
        attention = 4 * (self.hidden**2 + self.hidden)
        mlp = 2 * self.hidden * self.intermediate + self.intermediate + self.hidden
        norms = 4 * self.hidden
        projector = self.hidden * text_hidden + self.hidden
        return patch + self.layers * (attention + mlp + norms) + 2 * self.hidden + projector


@dataclass(frozen=True, slots=True)
class GgufBytes:
    """What a GGUF file holds: bytes of the token embedding, of each layer, and of the output head."""

    input_bytes: int
    layer_bytes: tuple[int, ...]
    output_bytes: int


@dataclass(frozen=True, slots=True)
class Architecture:
    """One model. Counts and widths have the meaning Hugging Face gives the field of the same name."""

    name: str
    model_type: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocab: int
    max_positions: int
    """The longest sequence the model was made for: ``max_position_embeddings``."""
    spans: tuple[Span, ...]
    """What each layer looks back on; one per layer."""
    sliding_window: int | None = None
    ties_embeddings: bool = False
    gated_mlp: bool = True
    qkv_bias: bool = False
    qk_norm: bool = False
    norms_per_layer: int = 2
    rotary_dim: int = 0
    """Elements of a head that are rotated; 0 where positions are not rotary."""
    rope_positions: int = 0
    """Rows of the cosine and sine table, linear scaling included."""
    local_rope: bool = False
    """Whether sliding layers have a table of their own."""
    experts: Experts | None = None
    latent: LatentAttention | None = None
    quantization: Quantization | None = None
    vision: VisionTower | None = None
    dtype: str = "bfloat16"
    """The checkpoint's own type. Engines serve a float32 checkpoint in 16 bit unless told otherwise."""
    gguf: GgufBytes | None = None

    @property
    def is_multimodal(self) -> bool:
        """Whether it takes images."""
        return self.vision is not None

    def has_experts(self, layer: int) -> bool:
        """Whether that layer (from 0) is a mixture of experts."""
        experts = self.experts
        return experts is not None and layer >= experts.first_dense and (layer + 1) % experts.step == 0

    def expert_layers(self, layers: range) -> int:
        """How many of these layers are mixtures of experts."""
        return sum(self.has_experts(layer) for layer in layers) if self.experts else 0
