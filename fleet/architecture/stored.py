"""What files of weights hold, by where it goes: as safetensors headers and as GGUF headers tell it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """Weights as a checkpoint's headers list them: elements that are served in 16 bit, and bytes that stay packed."""

    plain: int = 0
    packed: int = 0

    def __add__(self, other: StoredBytes) -> StoredBytes:
        return StoredBytes(self.plain + other.plain, self.packed + other.packed)

    def served(self, weight_bytes: int) -> int:
        """Bytes in memory."""
        return self.plain * weight_bytes + self.packed


@dataclass(frozen=True, slots=True)
class StoredLayer:
    """One layer of a checkpoint."""

    split: StoredBytes = StoredBytes()
    """Divided over a tensor parallel group."""
    copied: StoredBytes = StoredBytes()
    """Kept whole by every rank."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a safetensors checkpoint holds, by where it goes."""

    layers: tuple[StoredLayer, ...]
    embedding: StoredBytes
    head: StoredBytes
    """Empty where the embedding is the head too."""
    others: StoredBytes
    """Towers, projectors and last norms."""
    disk_bytes: int
    """All of the files' tensors, which is what loading reads."""
    dtype: str
    """The type most of it is stored in."""


@dataclass(frozen=True, slots=True)
class GgufBytes:
    """What a GGUF file holds: bytes of the token embedding, of each layer, and of the output head."""

    input_bytes: int
    layer_bytes: tuple[int, ...]
    output_bytes: int
    latents: bool = True
    """False for a model with latent attention whose file lacks the tensors for it: it is cached as full heads."""
