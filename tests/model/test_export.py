"""Conversion and quantisation of the tiny model; refusals leave nothing behind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import get_args

import pytest

from model import export, forge
from model.convert_entry import MARK, marked_pre_tokenizer
from model.export import (
    CONVERTER_VARIABLE,
    FTYPES,
    ExportError,
    best_that_fits,
    convert_to_gguf,
    converter_home,
    find_converter,
    quantize,
    refuse_too_little_room,
    sizes,
)
from model.gguf_check import GgufError, check
from model.profile import FType
from model.tokenizers import VocabularyFile
from storage.manifest import write_manifest
from storage.paths import Home


def test_f16_holds_the_same_weights(f16_gguf: Path, hf_dir: Path) -> None:
    import gguf
    import numpy as np
    from safetensors.numpy import load_file

    weights = load_file(hf_dir / "model.safetensors")
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(f16_gguf).tensors}
    embedding = tensors["token_embd.weight"].data
    assert np.array_equal(embedding, weights["model.embed_tokens.weight"].astype(np.float16))
    assert check(f16_gguf).metadata["tokenizer.ggml.pre"] == "qwen2"


def test_q4_is_smaller_and_sound(q4_gguf: Path, f16_gguf: Path) -> None:
    assert q4_gguf.stat().st_size < f16_gguf.stat().st_size / 2
    assert check(q4_gguf).file_type == 15
    # The turn's end must be an end of generation for the engine.
    with VocabularyFile(q4_gguf) as vocabulary:
        end = vocabulary.tokenizer.control_id("<|im_end|>")
    assert check(q4_gguf).metadata["tokenizer.ggml.eos_token_id"] == end


def copy_of(hf_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(hf_dir, tmp_path / "copy"))


def edit(path: Path, **changes: object) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, **changes}), encoding="utf-8")


def test_saving_again_keeps_the_mark(hf_dir: Path, tmp_path: Path) -> None:
    """What merging an adapter does: the tokenizer goes through AutoTokenizer and is saved again."""
    from transformers import AutoTokenizer

    assert marked_pre_tokenizer(hf_dir) == "qwen2"
    AutoTokenizer.from_pretrained(hf_dir).save_pretrained(tmp_path)
    assert marked_pre_tokenizer(tmp_path) == "qwen2"


def test_the_mark_is_not_believed_blindly(hf_dir: Path, tmp_path: Path) -> None:
    folder = copy_of(hf_dir, tmp_path)
    edit(folder / "tokenizer.json", normalizer={"type": "Lowercase"})
    with pytest.raises(ValueError, match="normalises"):
        marked_pre_tokenizer(folder)
    edit(folder / "tokenizer.json", pre_tokenizer={"type": "Whitespace"})
    with pytest.raises(ValueError, match="does not split"):
        marked_pre_tokenizer(folder)
    edit(folder / "tokenizer_config.json", **{MARK: "gpt-5"})
    with pytest.raises(ValueError, match="known are"):
        marked_pre_tokenizer(folder)


@pytest.mark.slow
def test_an_unknown_tokenizer_without_the_mark_is_refused(hf_dir: Path, tmp_path: Path) -> None:
    folder = copy_of(hf_dir, tmp_path)
    edit(folder / "tokenizer_config.json", **{MARK: None})
    out = tmp_path / "out" / "model.gguf"
    with pytest.raises(ExportError, match="could not be converted"):
        convert_to_gguf(folder, out)
    assert list(out.parent.iterdir()) == []


def test_a_folder_without_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"config\.json"):
        convert_to_gguf(tmp_path, tmp_path / "out.gguf")


def test_quantize_refuses_and_keeps_the_old(tmp_path: Path, f16_gguf: Path) -> None:
    target = tmp_path / "model.gguf"
    target.write_bytes(b"the old one")
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(f16_gguf.read_bytes()[:-10_000])
    with pytest.raises(GgufError, match="incomplete"):
        quantize(broken, target)
    with pytest.raises(ExportError, match="Q9_Z"):
        quantize(f16_gguf, target, "Q9_Z")
    assert target.read_bytes() == b"the old one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.gguf", "model.gguf"]


def test_find_converter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CONVERTER_VARIABLE, raising=False)
    assert find_converter() == converter_home()
    monkeypatch.setenv(CONVERTER_VARIABLE, str(tmp_path))
    with pytest.raises(ExportError, match=CONVERTER_VARIABLE):
        find_converter()
    (tmp_path / "convert_hf_to_gguf.py").touch()
    (tmp_path / "conversion").mkdir()
    assert find_converter() == tmp_path


# -- types and sizes -------------------------------------------------------------------------------


def test_the_size_of_each_type_is_known_before_it_is_made(
    f16_gguf: Path, hf_dir: Path, tmp_path: Path
) -> None:
    """Within 1% (seen: 0.2%), and never too small: --max-size-gb takes what fits."""
    assert set(FTYPES) == set(get_args(FType))
    predicted = sizes(f16_gguf)
    assert list(predicted) == list(FTYPES)
    assert sorted(predicted.values(), reverse=True) == list(predicted.values())
    for ftype in ("Q3_K_M", "Q4_0", "Q5_0", "Q8_0"):
        made = quantize(f16_gguf, tmp_path / ftype, ftype, threads=1).stat().st_size
        assert made <= predicted[ftype] <= 1.02 * made


def test_the_best_type_that_fits() -> None:
    of = {ftype: size for size, ftype in enumerate(reversed(FTYPES), start=1)}
    assert best_that_fits(of, 7) == "Q8_0"
    assert best_that_fits(of, 3.5) == "Q4_K_M"
    assert best_that_fits(of, 1) == "Q3_K_M"
    large = {ftype: 1_500_000_000 + number for number, ftype in enumerate(FTYPES)}
    with pytest.raises(ExportError, match=r"fits into 1\.0 GB .*Q8_0 1\.5 GB.*Q3_K_M 1\.5 GB"):
        best_that_fits(large, 1e9)


def test_room_is_asked_for_before_converting(
    hf_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_too_little_room(hf_dir, tmp_path, "Q4_K_M")
    weights = (hf_dir / "model.safetensors").stat().st_size
    usage = shutil._ntuple_diskusage(weights * 2, 0, weights + 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ExportError, match=r"needs about 0\.004 GB .*has 0\.00\d GB free"):
        refuse_too_little_room(hf_dir, tmp_path, "Q4_K_M")
    refuse_too_little_room(hf_dir, tmp_path, None, max_bytes=1)


def test_each_type_is_an_artefact_of_its_own(tmp_path: Path) -> None:
    home = Home(tmp_path)
    usual, larger = forge.Run.at(home, "a"), forge.Run.at(home, "a", "Q6_K")
    usual.merged_dir.mkdir(parents=True)
    write_manifest(usual.merged_dir, "merged", {}, {})
    assert usual.gguf_dir.name.startswith("gguf-")
    assert larger.gguf_dir.name == f"{usual.gguf_dir.name}-q6_k"
    assert (usual.gguf.name, larger.gguf.name) == ("a-q4_k_m.gguf", "a-q6_k.gguf")
    assert (usual.type_suffix, larger.type_suffix) == ("", "-q6_k")
    assert export.DEFAULT_FTYPE == "Q4_K_M"
