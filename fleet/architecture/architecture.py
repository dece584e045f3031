"""The facts of a model's ``config.json`` (or GGUF header) that decide its memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from fleet.architecture.stored import GgufBytes, Stored
from fleet.architecture.towers import AudioTower, VisionTower


class Span(StrEnum):
    """What one layer looks back on."""

    FULL = "full"
    SLIDING = "sliding"
    CHUNKED = "chunked"
    """Everything since the last multiple of the chunk."""
    RECURRENT = "recurrent"
    """A state of fixed size instead of a cache: Mamba, gated delta nets, Kimi delta attention."""
    CROSS = "cross"
    """The encoder's output, of fixed length."""
    NONE = "none"
    """Nothing that is kept: a layer without attention, or one that reads another layer's cache."""


@dataclass(frozen=True, slots=True)
class Heads:
    """The keys and values one layer keeps of a token."""

    count: int
    """KV heads over all ranks."""
    key_dim: int
    value_dim: int


class Part(StrEnum):
    """Kinds of weights a quantisation treats alike."""

    ATTENTION = "attention"
    MLP = "mlp"
    EXPERTS = "experts"
    HEAD = "head"
    RECURRENT = "recurrent"
    """The projections of layers with a state instead of a cache."""


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
    beside_mlp: bool = False
    """Layers with experts have the ordinary MLP too (Gemma 4)."""
    biases: bool = False


@dataclass(frozen=True, slots=True)
class LatentAttention:
    """Multi-head latent attention: one compressed vector a token instead of a key and a value per head."""

    kv_rank: int
    query_rank: int | None
    rope_dim: int
    nope_dim: int
    value_dim: int
    indexer_heads: int = 0
    """Heads of the indexer that picks the tokens sparse attention looks at; 0 where there is none."""
    indexer_dim: int = 0

    @property
    def cached_width(self) -> int:
        """Elements the cache holds per token and layer."""
        return self.kv_rank + self.rope_dim


@dataclass(frozen=True, slots=True)
class CompressedAttention:
    """Latent attention that keeps one vector for every ``ratio`` tokens beyond a short window (DeepSeek-V4)."""

    width: int
    """Elements of one kept vector."""
    ratios: tuple[int, ...]
    """Of each layer; 0 keeps the window only."""
    output_rank: int
    query_rank: int
    indexer_heads: int
    indexer_dim: int


class Recurrence(StrEnum):
    """Kinds of state."""

    MAMBA1 = "mamba1"
    MAMBA2 = "mamba2"
    DELTA_NET = "gated-delta-net"
    KIMI_DELTA = "kimi-delta-attention"


@dataclass(frozen=True, slots=True)
class State:
    """The shape of a recurrent layer: what it keeps for each request, whatever its length."""

    kind: Recurrence
    heads: int
    """Value heads; for Mamba-1 the inner width."""
    head_dim: int
    """Elements of a value head; 1 for Mamba-1."""
    state_dim: int
    """Elements of a key head, or the size of Mamba's state."""
    groups: int
    """Key heads, or Mamba-2's groups of B and C."""
    kernel: int
    """Width of the short convolution."""
    state_bytes: int | None = None
    """Bytes of an element of the state proper; None means the model's own type."""

    @property
    def inner(self) -> int:
        """Width of the values."""
        return self.heads * self.head_dim


@dataclass(frozen=True, slots=True)
class Quantization:
    """How the checkpoint stores its linear weights. Embeddings, norms, routers and vision stay in 16 bit."""

    method: str
    bytes_per_weight: float
    """Scales and zero points included."""
    by_part: Mapping[Part, float] = field(default_factory=lambda: MappingProxyType({}))
    """Parts stored otherwise, 0 for 16 bit; the head is kept in 16 bit unless it is named here."""
    kv_cache_dtype: str | None = None
    """The checkpoint's own cache scheme, used where the engine is told ``auto``."""
    kept_layers: int = 0
    """Layers (the first and last ones) left in 16 bit."""

    def bytes_of(self, part: Part, plain: float) -> float:
        """Bytes of one weight of that part; ``plain`` = bytes of an unquantised one."""
        default = plain if part is Part.HEAD else self.bytes_per_weight
        stored = self.by_part.get(part, default)
        return stored or plain

    def __hash__(self) -> int:
        return hash((self.method, self.bytes_per_weight, tuple(self.by_part.items()), self.kv_cache_dtype))


@dataclass(frozen=True, slots=True, eq=False)
class Architecture:
    """One model. Counts and widths have the meaning Hugging Face gives the field of the same name.

    Compared by identity, so that what follows from it can be kept at little cost; the catalogue hands out one object
    for a name.
    """

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
    """Tokens a sliding layer looks back on, or the chunk of a chunked one."""
    full_heads: Heads | None = None
    """Keys and values of the full layers where they are not those of the sliding ones (Gemma 4)."""
    keys_are_values: bool = False
    """Full layers have no value projection of their own."""
    ties_embeddings: bool = False
    has_head: bool = True
    """False for models that only embed or rank."""
    generates: bool = True
    """False for encoders, which keep no cache."""
    cross_attention: bool = False
    """Every layer has cross attention beside its own (Whisper's decoder)."""
    gated_mlp: bool = True
    attention_gate: bool = False
    """Full layers have an output gate as wide as their queries."""
    qkv_bias: bool = False
    attention_bias: bool = False
    """All four projections have a bias."""
    mlp_bias: bool = False
    qk_norm: bool = False
    residual_streams: int = 1
    """States that run beside each other through all layers (DeepSeek-V4's hyper-connections)."""
    norms_per_layer: int = 2
    norm_bias: bool = False
    learned_positions: int = 0
    """Rows of a learned position table."""
    rotary_dim: int = 0
    """Elements of a head that are rotated; 0 where positions are not rotary."""
    rope_positions: int = 0
    """Rows of the cosine and sine table, linear scaling included."""
    rope_bytes: int = 2
    """Bytes of one of its elements."""
    local_rope: bool = False
    """Whether sliding layers have a table of their own."""
    mlp_widths: tuple[int, ...] = ()
    """Of each layer, where they differ (Gemma 3n); empty means ``intermediate`` everywhere."""
    per_layer_embedding: int = 0
    """Elements of each layer's own embedding of a token (Gemma 3n and 4)."""
    experts: Experts | None = None
    latent: LatentAttention | None = None
    compressed: CompressedAttention | None = None
    state: State | None = None
    quantization: Quantization | None = None
    vision: VisionTower | None = None
    audio: AudioTower | None = None
    extra_parameters: int = 0
    """Weights the fields above do not explain, where the checkpoint's parameter count is known; may be negative."""
    stored: Stored | None = None
    """What the checkpoint's own headers say, where they were read; it goes before all the fields."""
    checkpoint_bytes: int | None = None
    """Bytes of the checkpoint's tensors, where that is all there is to know about how it is stored."""
    dtype: str = "bfloat16"
    """The checkpoint's own type. Engines serve a float32 checkpoint in 16 bit unless told otherwise."""
    gguf: GgufBytes | None = None

    @property
    def is_multimodal(self) -> bool:
        """Whether it takes images or sound."""
        return self.vision is not None or self.audio is not None

    @property
    def has_state(self) -> bool:
        """Whether some layers keep a recurrent state."""
        return self.state is not None and Span.RECURRENT in self.spans

    @property
    def encoder_tokens(self) -> int:
        """Tokens cross-attention layers keep of a request; 0 where there are none."""
        if not self.cross_attention and Span.CROSS not in self.spans:
            return 0
        if self.vision:
            return self.vision.tokens_per_image
        return self.audio.frames if self.audio else 0

    def heads_of(self, span: Span) -> Heads:
        """The keys and values a layer of that kind keeps."""
        if span is Span.FULL and self.full_heads:
            return self.full_heads
        return Heads(self.kv_heads, self.head_dim, self.head_dim)

    def has_experts(self, layer: int) -> bool:
        """Whether that layer (from 0) is a mixture of experts."""
        experts = self.experts
        return experts is not None and layer >= experts.first_dense and (layer + 1) % experts.step == 0

    def expert_layers(self, layers: range) -> int:
        """How many of these layers are mixtures of experts."""
        return sum(self.has_experts(layer) for layer in layers) if self.experts else 0
