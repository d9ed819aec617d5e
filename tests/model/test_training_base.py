"""What a training's base is made ready with: 4 bits where they are there, a sentence where not."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from model.evaluate import model_nll
from model.profile import load
from model.trainer import TrainingError
from model.training import base
from model.training.base import load_base, prepare_backend

NF4 = load("demo").with_(quantised_base="nf4")


@pytest.mark.skipif(find_spec("unsloth") is not None, reason="it is installed here")
def test_unsloth_that_is_missing_is_a_sentence() -> None:
    with pytest.raises(TrainingError, match=r"setup_training\.py --with-unsloth.*--backend trl"):
        prepare_backend(load("demo").with_(backend="unsloth"))
    prepare_backend(load("demo"))


def test_four_bits_without_bitsandbytes_are_a_sentence(
    hf_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "find_spec", lambda name: None)
    with pytest.raises(TrainingError, match=r"setup_training\.py.*quantised_base: none"):
        load_base(hf_dir, NF4)


@pytest.mark.skipif(sys.platform == "darwin", reason="bitsandbytes is not for macOS")
def test_four_bits_compute_nearly_the_same(hf_dir: Path) -> None:
    example = [(list(range(10, 60)), [True] * 50)]
    whole = model_nll(load_base(hf_dir, load("demo")), example).mean
    model = load_base(hf_dir, NF4)
    assert type(model.model.layers[0].mlp.up_proj).__name__ == "Linear4bit"
    assert model_nll(model, example).mean == pytest.approx(whole, rel=0.1)
