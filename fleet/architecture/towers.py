"""Vision and audio towers, and how a ``config.json`` and each family's processor of images and clips tell of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Config = Mapping[str, Any]

_QWEN_LARGEST = 3584
"""Side of the largest square Qwen's processors pass on: 12,845,056 pixels."""
_QWEN3_LARGEST = 4096
_MLP_WIDTHS = {1152: 4304, 1280: 5120, 1024: 4096}
"""Of the towers people use, by their own width (SigLIP, ViT-H, CLIP-L and Pixtral)."""


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
    total_parameters: int | None = None
    """Weights of tower and projector where known; else they are reckoned."""
    positions: int = 0
    """Rows of its learned position table."""
    merge: int = 1
    """Patches along one side that make one token."""
    gated: bool = False
    """Whether the tower's MLP is gated, with three matrices."""
    cross_attention: bool = False
    """Its output is read by cross-attention layers instead of taking the place of tokens."""
    tiles: int = 1

    @property
    def patches(self) -> int:
        """Positions the tower computes for one image."""
        return self.tiles * (self.image_size // self.patch_size) ** 2

    def parameters(self, text_hidden: int) -> int:
        """Weights and biases of tower and projector (SigLIP layout where nothing else is known)."""
        if self.total_parameters is not None:
            return self.total_parameters
        patch = 3 * self.patch_size**2 * self.hidden + self.hidden + self.positions * self.hidden
        attention = 4 * (self.hidden**2 + self.hidden)
        matrices = 3 if self.gated else 2
        mlp = matrices * self.hidden * self.intermediate + self.intermediate + self.hidden
        norms = 4 * self.hidden
        return patch + self.layers * (attention + mlp + norms) + 2 * self.hidden + self.projector(text_hidden)

    def projector(self, text_hidden: int) -> int:
        """A matrix from the tower to the language model; two where patches are merged first."""
        if self.merge == 1:
            return self.hidden * text_hidden + self.hidden
        merged = self.hidden * self.merge**2
        return merged * merged + merged + merged * text_hidden + text_hidden


@dataclass(frozen=True, slots=True)
class AudioTower:
    """An encoder of spectrogram frames, in the layout of Whisper's."""

    layers: int
    hidden: int
    intermediate: int
    frames: int
    """Positions of its output for one clip."""
    tokens_per_clip: int
    """Tokens the language model sees of one clip; 0 where it is read by cross attention."""

    def parameters(self, text_hidden: int) -> int:
        """Weights and biases of the encoder and its two convolutions, and of the projector."""
        attention = 4 * self.hidden**2 + 3 * self.hidden
        mlp = 2 * self.hidden * self.intermediate + self.intermediate + self.hidden
        layer = attention + mlp + 4 * self.hidden
        convolutions = 3 * 128 * self.hidden + 3 * self.hidden**2 + 2 * self.hidden
        projector = self.hidden * text_hidden + text_hidden if self.tokens_per_clip else 0
        return self.layers * layer + convolutions + self.frames * self.hidden + 2 * self.hidden + projector


def vision(model_type: str, config: Config) -> VisionTower | None:
    """The tower, with the sizes its family's processor makes of the largest image."""
    tower = config.get("vision_config")
    if not isinstance(tower, Mapping):
        return None
    hidden = int(tower.get("embed_dim") or tower.get("hidden_size") or 1152)
    if model_type.startswith("qwen2_vl") and tower.get("embed_dim") is None:
        hidden = 1280
    image, patch, merge, tiles, tokens = _processed(model_type, config, tower)
    gated = model_type == "qwen2_5_vl" or "pixtral" in str(tower.get("model_type")) or model_type == "mistral"
    usual = 3420 if model_type == "qwen2_5_vl" else _MLP_WIDTHS.get(hidden, 4 * hidden)
    width = int(tower.get("intermediate_size") or usual)
    return VisionTower(
        layers=int(tower.get("depth") or tower.get("num_hidden_layers") or 27),
        hidden=hidden,
        intermediate=width,
        image_size=image,
        patch_size=patch,
        tokens_per_image=tokens,
        positions=_positions(model_type, tower, image // patch),
        merge=merge,
        gated=gated,
        cross_attention=model_type == "mllama",
        tiles=tiles,
    )


def _positions(model_type: str, tower: Config, rows: int) -> int:
    """Rows of the position table: Qwen's older towers and Pixtral rotate instead, newer ones stretch a small one."""
    if model_type.startswith(("qwen2", "mistral")):
        return 0
    if model_type.startswith("qwen3"):
        return int(tower.get("num_position_embeddings") or 48**2)
    return rows**2


def _processed(model_type: str, config: Config, tower: Config) -> tuple[int, int, int, int, int]:
    """Side of an image, side of a patch, patches merged along a side, tiles, and tokens of the largest image."""
    patch = int(tower.get("patch_size") or 14)
    if model_type.startswith(("qwen2_vl", "qwen2_5_vl")):
        side = _QWEN_LARGEST
        return side, patch, 2, 1, (side // patch // 2) ** 2
    if model_type.startswith("qwen3"):
        patch = int(tower.get("patch_size") or 16)
        return _QWEN3_LARGEST, patch, 2, 1, (_QWEN3_LARGEST // patch // 2) ** 2
    if model_type.startswith("gemma"):
        said = tower.get("image_tokens") or config.get("mm_tokens_per_image")
        side = int(tower.get("image_size") or (768 if "4" in model_type else 896))
        return side, patch, 1, 1, int(said or 256)
    if model_type == "mllama":
        side = int(tower.get("image_size") or 560)
        tiles = int(tower.get("max_tiles") or tower.get("max_num_tiles") or 4)
        return side, patch, 1, tiles, tiles * ((side // patch) ** 2 + 1)
    if model_type.startswith("llama4"):
        side, tiles = int(tower.get("image_size") or 336), 17
        return side, patch, 1, tiles, tiles * ((side // patch) ** 2 // 4)
    if model_type == "mistral":
        side = int(tower.get("image_size") or 1540)
        rows = side // patch // 2
        return side, patch, 2, 1, rows * (rows + 1)
    if model_type.startswith("kimi"):
        return 64 * patch, patch, 2, 1, 1024
    if model_type == "granite":
        side = int(tower.get("image_size") or 384)
        return side, patch, 1, 10, 10 * (side // patch) ** 2
    side = int(tower.get("image_size") or 336)
    said = tower.get("image_tokens") or config.get("mm_tokens_per_image")
    return side, patch, 1, 1, int(said or (side // patch) ** 2)


def audio(model_type: str, config: Config) -> AudioTower | None:
    """The encoder of speech models: Whisper's own, or one in front of a language model."""
    if model_type == "whisper":
        pattern = (config.get("layer_pattern") or {}).get("counts") or {}
        hidden = int(config.get("hidden_size") or 1280)
        layers = int(config.get("encoder_layers") or pattern.get("encoder") or config.get("num_hidden_layers") or 32)
        width = int(config.get("encoder_ffn_dim") or config.get("intermediate_size") or 4 * hidden)
        return AudioTower(layers, hidden, width, int(config.get("max_source_positions") or 1500), 0)
    tower = config.get("audio_config")
    if not isinstance(tower, Mapping):
        return None
    hidden = int(tower.get("d_model") or tower.get("hidden_size") or 1280)
    width = int(tower.get("encoder_ffn_dim") or tower.get("intermediate_size") or 4 * hidden)
    return AudioTower(int(tower.get("encoder_layers") or 32), hidden, width, 1500, 750)
