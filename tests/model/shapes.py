"""The configurations of known bases, as their publishers' config.json says them."""

from __future__ import annotations

from typing import Any

from model.base_shape import BaseShape, shape_of


def _config(family: str, *numbers: int, tied: bool = True, **more: Any) -> dict[str, Any]:
    """`numbers`: layers, hidden, intermediate, heads, key-value heads, vocabulary."""
    names = (
        "num_hidden_layers",
        "hidden_size",
        "intermediate_size",
        "num_attention_heads",
        "num_key_value_heads",
        "vocab_size",
    )
    named = dict(zip(names, numbers, strict=True))
    return {"model_type": family, "tie_word_embeddings": tied, **named, **more}


CONFIGS: dict[str, dict[str, Any]] = {
    "qwen2.5-0.5b": _config("qwen2", 24, 896, 4864, 14, 2, 151_936),
    "qwen2.5-1.5b": _config("qwen2", 28, 1536, 8960, 12, 2, 151_936),
    "qwen2.5-3b": _config("qwen2", 36, 2048, 11_008, 16, 2, 151_936),
    "qwen2.5-7b": _config("qwen2", 28, 3584, 18_944, 28, 4, 152_064, tied=False),
    "qwen3-4b": _config("qwen3", 36, 2560, 9728, 32, 8, 151_936, head_dim=128),
    "llama-3.2-3b": _config("llama", 28, 3072, 8192, 24, 8, 128_256, head_dim=128),
    "gemma-3-1b": _config("gemma3_text", 26, 1152, 6912, 4, 1, 262_144, head_dim=256),
}
PARAMETERS = {
    "qwen2.5-0.5b": 494_032_768,
    "qwen2.5-1.5b": 1_543_714_304,
    "qwen2.5-3b": 3_085_938_688,
    "qwen2.5-7b": 7_615_616_512,
    "qwen3-4b": 4_022_468_096,
    "llama-3.2-3b": 3_212_749_824,
    "gemma-3-1b": 999_885_952,
}
"""As published with the models."""


def shape(name: str) -> BaseShape:
    return shape_of(CONFIGS[name])
