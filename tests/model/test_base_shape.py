"""The number of parameters by formula is the published one, and the one that the files hold."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

import pytest

from model.base_shape import ShapeError, read, shape_of
from storage.paths import DEMO_BASE_DIR
from tests.model.shapes import CONFIGS, PARAMETERS, shape


def parameters_in(folder: Path) -> int:
    """What the safetensors header lists."""
    with (folder / "model.safetensors").open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    return sum(math.prod(one["shape"]) for name, one in header.items() if name != "__metadata__")


@pytest.mark.parametrize("name", CONFIGS)
def test_the_formula_gives_the_published_number(name: str) -> None:
    assert shape(name).parameters == PARAMETERS[name]


def test_the_base_that_ships_has_what_its_file_has() -> None:
    assert read(DEMO_BASE_DIR).parameters == parameters_in(DEMO_BASE_DIR)


def test_a_made_model_has_what_its_file_has(hf_dir: Path) -> None:
    assert read(hf_dir).parameters == parameters_in(hf_dir)


def test_the_parts_that_few_models_have_count_as_transformers_counts_them() -> None:
    """Biases everywhere, a head of its own, q and k norms: transformers' models without weights."""
    import torch
    from transformers import Gemma3TextConfig, LlamaConfig, Qwen3Config
    from transformers.models.auto import AutoModelForCausalLM

    small = {
        "num_hidden_layers": 2,
        "hidden_size": 96,
        "intermediate_size": 160,
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
        "vocab_size": 500,
        "head_dim": 24,
    }
    odd = (
        LlamaConfig(**small, attention_bias=True, mlp_bias=True, tie_word_embeddings=False),
        Qwen3Config(**small, attention_bias=True, tie_word_embeddings=True),
        Gemma3TextConfig(**small),
    )
    for config in odd:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
        counted = sum(p.numel() for p in model.parameters())
        assert shape_of(config.to_dict()).parameters == counted, config.model_type


def test_the_text_part_of_a_gemma_that_sees_takes_its_familys_defaults() -> None:
    said = {"hidden_size": 2560, "intermediate_size": 10_240, "num_hidden_layers": 34}
    found = shape_of({"model_type": "gemma3", "text_config": {"model_type": "gemma3_text", **said}})
    assert (found.heads, found.kv_heads, found.head_dim, found.vocab) == (8, 4, 256, 262_208)
    assert found.parameters == 3_880_263_168


def test_the_adapter_counts_in_and_out_of_each_linear_layer() -> None:
    assert shape("qwen2.5-3b").lora_parameters(64) == 119_734_272


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("{", "holds no config.json that can be read"),
        ("[]", "is no configuration"),
        ('{"model_type": "mamba"}', 'the family "mamba"'),
        ('{"model_type": "qwen2", "hidden_size": 8}', "num_attention_heads"),
        ('{"model_type": "llama", "num_attention_heads": "many"}', "'many'"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(tmp_path: Path, config: str, said: str) -> None:
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(ShapeError, match=said):
        read(tmp_path)
    with pytest.raises(ShapeError, match=r"holds no config\.json"):
        read(tmp_path / "elsewhere")
