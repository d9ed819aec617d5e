"""What a base model is made of, by its config.json alone: layers, widths, parameters by formula.

For the preflight and the sizes of an export, so before anything is loaded. Imports no torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.errors import MynahError


class ShapeError(MynahError):
    """A config.json that cannot be read, or of a family whose formula is not known."""


@dataclass(frozen=True)
class _Family:
    """What a family does that its config.json may leave unsaid."""

    has_qkv_bias: bool = False
    has_qk_norm: bool = False
    norms_a_layer: int = 2
    is_tied: bool = False
    defaults: tuple[tuple[str, int], ...] = ()


_GEMMA3 = _Family(
    has_qk_norm=True,
    norms_a_layer=4,
    is_tied=True,
    defaults=(
        ("vocab_size", 262_208),
        ("num_attention_heads", 8),
        ("num_key_value_heads", 4),
        ("head_dim", 256),
    ),
)
_FAMILIES = {
    "qwen2": _Family(has_qkv_bias=True),
    "qwen3": _Family(has_qk_norm=True, defaults=(("head_dim", 128),)),
    "llama": _Family(),
    "gemma3_text": _GEMMA3,
    "gemma3": _GEMMA3,
}


@dataclass(frozen=True)
class BaseShape:
    """One causal language model. Widths are numbers of values; a Gemma 3 that sees, its text part
    alone."""

    family: str
    """`model_type` as transformers names it."""
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    is_tied: bool
    """The embeddings are the head too."""
    has_qkv_bias: bool = False
    has_o_bias: bool = False
    has_mlp_bias: bool = False
    has_qk_norm: bool = False
    norms_a_layer: int = 2
    max_positions: int = 0
    """Longest text that it was made for, in tokens; 0 where it does not say."""

    @property
    def linears(self) -> dict[str, tuple[int, int]]:
        """In and out width of each linear layer of a block: what LoRA is put on, what NF4
        quantises."""
        query, key = self.heads * self.head_dim, self.kv_heads * self.head_dim
        return {
            "q_proj": (self.hidden, query),
            "k_proj": (self.hidden, key),
            "v_proj": (self.hidden, key),
            "o_proj": (query, self.hidden),
            "gate_proj": (self.hidden, self.intermediate),
            "up_proj": (self.hidden, self.intermediate),
            "down_proj": (self.intermediate, self.hidden),
        }

    @property
    def linear_parameters(self) -> int:
        """Of the linear layers of all blocks, biases left out."""
        return self.layers * sum(wide * high for wide, high in self.linears.values())

    @property
    def embedding_parameters(self) -> int:
        """Of the embeddings, and of the head where it is another matrix."""
        return self.vocab * self.hidden * (1 if self.is_tied else 2)

    @property
    def small_parameters(self) -> int:
        """Of norms and biases."""
        out = {name: high for name, (_, high) in self.linears.items()}
        biases = self.has_qkv_bias * (out["q_proj"] + out["k_proj"] + out["v_proj"])
        biases += self.has_o_bias * self.hidden
        biases += self.has_mlp_bias * (2 * self.intermediate + self.hidden)
        norms = self.norms_a_layer * self.hidden + self.has_qk_norm * 2 * self.head_dim
        return self.layers * (biases + norms) + self.hidden

    @property
    def parameters(self) -> int:
        """All of them; the number that a model's page gives."""
        return self.linear_parameters + self.embedding_parameters + self.small_parameters

    def lora_parameters(self, r: int) -> int:
        """Of an adapter of rank `r` on all linear layers: r x (in + out) each."""
        return self.layers * r * sum(wide + high for wide, high in self.linears.values())


def read(base_dir: Path) -> BaseShape:
    """The shape of a folder of transformers. Raises ShapeError."""
    try:
        value = json.loads((base_dir / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ShapeError(f"{base_dir} holds no config.json that can be read ({error}).") from error
    if not isinstance(value, dict):
        raise ShapeError(f"{base_dir / 'config.json'} is no configuration.")
    return shape_of(value)


def shape_of(config: Mapping[str, Any]) -> BaseShape:
    """The shape that a configuration describes. Raises ShapeError where a number is missing, or
    the family is none of those whose parts are known."""
    text = config.get("text_config")
    said = text if isinstance(text, dict) else config
    family = str(said.get("model_type") or config.get("model_type") or "")
    known = _FAMILIES.get(family)
    if known is None:
        raise ShapeError(
            f'What a model of the family "{family}" is made of is not known here, only of '
            f"{', '.join(_FAMILIES)}."
        )
    defaults = dict(known.defaults)
    heads = _number(said, "num_attention_heads", defaults)
    hidden = _number(said, "hidden_size", defaults)
    has_bias = bool(said.get("attention_bias", False))
    is_tied = config.get("tie_word_embeddings", said.get("tie_word_embeddings", known.is_tied))
    return BaseShape(
        family=family,
        layers=_number(said, "num_hidden_layers", defaults),
        hidden=hidden,
        intermediate=_number(said, "intermediate_size", defaults),
        heads=heads,
        kv_heads=_number(said, "num_key_value_heads", {"num_key_value_heads": heads, **defaults}),
        head_dim=_number(said, "head_dim", {"head_dim": hidden // heads, **defaults}),
        vocab=_number(said, "vocab_size", defaults),
        is_tied=bool(is_tied),
        has_qkv_bias=known.has_qkv_bias or has_bias,
        has_o_bias=has_bias,
        has_mlp_bias=bool(said.get("mlp_bias", False)),
        has_qk_norm=known.has_qk_norm,
        norms_a_layer=known.norms_a_layer,
        max_positions=_number(said, "max_position_embeddings", {"max_position_embeddings": 0}),
    )


def _number(said: Mapping[str, Any], name: str, defaults: Mapping[str, int]) -> int:
    """A whole number of the configuration; Raises ShapeError where it is neither said nor known."""
    value = said.get(name)
    if value is None:
        value = defaults.get(name)
    if type(value) is not int or value < (0 if defaults.get(name) == 0 else 1):
        raise ShapeError(f"config.json names no {name} that can be used ({value!r}).")
    return value
