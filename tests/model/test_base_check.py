"""base_check: every kind of folder that is no base is refused in a sentence that names others."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model.base_check import FAMILIES, UnsuitedBaseError, check_base, layout_of_base
from model.base_files import is_base_file
from model.gguf_figures import OPENED
from storage.paths import DEMO_BASE_DIR


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """The demo base with weights of one number."""
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(DEMO_BASE_DIR / name, tmp_path / name)
    write_weights(tmp_path / "model.safetensors")
    return tmp_path


def write_weights(path: Path) -> None:
    head = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + b"\0\0\0\0")


def configured(base: Path, **values: Any) -> None:
    """Other values in config.json; None takes one out."""
    path = base / "config.json"
    config = {**json.loads(path.read_text()), **values}
    path.write_text(json.dumps({key: v for key, v in config.items() if v is not None}))


def without(*names: str) -> Callable[[Path], None]:
    def take_out(base: Path) -> None:
        for name in names:
            (base / name).unlink()

    return take_out


def with_config(**values: Any) -> Callable[[Path], None]:
    return lambda base: configured(base, **values)


def as_gguf(base: Path) -> None:
    (base / "model.safetensors").rename(base / "model-q4_k_m.gguf")


def as_pickles(base: Path) -> None:
    (base / "model.safetensors").rename(base / "pytorch_model.bin")


def as_adapter(base: Path) -> None:
    (base / "config.json").rename(base / "adapter_config.json")


def cut_off(base: Path) -> None:
    path = base / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def garbled(base: Path) -> None:
    (base / "model.safetensors").write_bytes(b"\xff" * 100)


def without_a_shard(base: Path) -> None:
    (base / "model.safetensors").rename(base / "model-00001-of-00002.safetensors")
    placed = {n: f"model-0000{n}-of-00002.safetensors" for n in "12"}
    (base / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))


def renamed_controls(base: Path) -> None:
    path = base / "tokenizer.json"
    path.write_text(path.read_text().replace("im_start", "chat_start"))


def ordinary_controls(base: Path) -> None:
    path = base / "tokenizer.json"
    value = json.loads(path.read_text())
    for token in value["added_tokens"]:
        token["special"] = False
    path.write_text(json.dumps(value))


def not_json(base: Path) -> None:
    (base / "config.json").write_text("{")


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "no configuration": (without("config.json"), "no config.json"),
    "broken configuration": (not_json, "config.json that cannot be read"),
    "no weights": (without("model.safetensors"), "holds no weights"),
    "pickles": (as_pickles, "can run program code"),
    "no tokenizer": (without("tokenizer.json"), "no tokenizer.json"),
    "an adapter": (as_adapter, "is an adapter"),
    "a GGUF": (as_gguf, "is a GGUF"),
    "cut off": (cut_off, "cut off or damaged"),
    "garbled": (garbled, "cut off or damaged"),
    "a part is missing": (without_a_shard, "model-00002-of-00002.safetensors is missing"),
    "GPTQ": (with_config(quantization_config={"quant_method": "gptq"}), r"already.*\(GPTQ\)"),
    "AWQ": (with_config(quantization_config={"quant_method": "awq"}), r"already.*\(AWQ\)"),
    "T5": (
        with_config(
            model_type="t5",
            is_encoder_decoder=True,
            architectures=["T5ForConditionalGeneration"],
        ),
        r"encoder-decoder\) \(t5\)",
    ),
    "an embedder": (
        with_config(model_type="bert", architectures=["BertModel"]),
        r"no model that writes text \(BertModel\)",
    ),
    "eyes alone": (
        with_config(model_type="siglip", architectures=["SiglipVisionModel"]),
        "no model that writes text",
    ),
    "sees too": (
        with_config(
            model_type="gemma3",
            text_config={"model_type": "gemma3_text"},
            architectures=["Gemma3ForConditionalGeneration"],
        ),
        "get gemma-3-4b-it",
    ),
    "another family": (
        with_config(model_type="mamba", architectures=["MambaForCausalLM"]),
        'family "mamba"',
    ),
    "code of its own": (
        with_config(model_type="x", auto_map={"AutoModel": "x.y"}),
        "program code of its own",
    ),
    "no figures": (with_config(num_hidden_layers=None), "num_hidden_layers"),
    "another tokenizer": (with_config(vocab_size=1000), "do not belong together"),
    "no control tokens": (renamed_controls, "no chat layout that Mynah knows"),
    "control tokens as words": (ordinary_controls, "members could write it"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_base_is_refused_with_others_to_take(base: Path, kind: str) -> None:
    spoil, said = REFUSED[kind]
    check_base(base)
    spoil(base)
    with pytest.raises(UnsuitedBaseError, match=said) as caught:
        check_base(base)
    sentence = str(caught.value)
    assert "Choose qwen2.5-3b-instruct" in sentence
    assert sentence.endswith("python scripts/download_base.py list")


def test_a_gguf_file_in_place_of_a_folder_is_refused() -> None:
    with pytest.raises(UnsuitedBaseError, match="is a GGUF"):
        check_base(next(DEMO_BASE_DIR.glob("*.gguf")))


def test_the_demo_base_is_one() -> None:
    report = check_base(DEMO_BASE_DIR)
    assert (report.layout.name, report.shape.layers) == ("chatml/1", 6)
    assert report.weights_bytes == (DEMO_BASE_DIR / "model.safetensors").stat().st_size
    assert layout_of_base(DEMO_BASE_DIR) == report.layout


def test_a_token_for_pictures_without_a_row_is_no_fault(base: Path) -> None:
    """Gemma 3 1B's tokenizer has one more than its weights."""
    path = base / "tokenizer.json"
    value = json.loads(path.read_text())
    value["added_tokens"].append({"id": 4096, "content": "<image_soft_token>", "special": True})
    path.write_text(json.dumps(value))
    check_base(base)


def test_what_can_be_trained_can_be_opened() -> None:
    assert set(FAMILIES.values()) <= OPENED


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("config.json", True),
        ("model-00001-of-00002.safetensors", True),
        ("model.safetensors.index.json", True),
        ("tokenizer.model", True),
        ("LICENSE.txt", True),
        ("original/consolidated.00.pth", False),
        ("../model.safetensors", False),
        ("model.safetensors/../x", False),
        ("pytorch_model.bin", False),
        ("README.md", False),
    ],
)
def test_only_what_belongs_to_a_base_is_downloaded(name: str, is_one: bool) -> None:
    assert is_base_file(name) == is_one
