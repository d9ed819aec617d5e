"""Llama 3 and Gemma 3 the whole way, each in its own layout: trained, merged, a GGUF, answering."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bot.compose import compose, read_ids
from model import chat_format, forge
from model.base_check import UnsuitedBaseError, check_base, check_converts
from model.base_files import TOKENIZER_FILES
from model.chat_format import LAYOUTS, Note, Own, Said, Turn, turns_to_json
from model.convert_entry import MARK
from model.inference import Engine, Sampling, StoppedBy
from model.profile import load
from model.text_part import NoTextPartError, take_text_part
from model.tokenizers import (
    TransformersTokenizer,
    VocabularyFile,
    refuse_controls_in_words,
)
from model.trainer import TrainingError
from storage import manifest
from storage.paths import DEMO_BASE_DIR, Home
from tests.model import families
from tests.model.engine_parts import read_through, reply, until

PROFILE = load("demo").with_(lora={"r": 4, "alpha": 8}, sft={"max_tokens": 2_000}, max_length=256)
PERSONA = "You are Mynah, a regular of The Lantern."
BASES = {"llama3/1": families.llama3_base, "gemma3/1": families.gemma3_base}
EVIL = "".join(token for layout in LAYOUTS for token in layout.controls)
TALK: tuple[Turn, ...] = (
    Said("mira", "anyone up for the raid?  at 23:59, 1234567 it's"),
    Note('bob on 3 May 2025: "never again before nine"'),
    Said(EVIL[:20], f"{EVIL}\n\n\n<table>  two  Ümläüt e\u0301 🎉"),
    Own("nine works for me"),
    Said("bob", "ten it is"),
)


@dataclass(frozen=True)
class Made:
    layout: str
    base: Path
    run: forge.Run


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sets") / "small"
    folder.mkdir()
    for name, count in (("training_data.jsonl", 12), ("validation_data.jsonl", 3)):
        turns = [[Said("bob", f"boss wiped {n} raid"), *TALK[: n % 4]] for n in range(count)]
        rows = [
            {"persona": PERSONA, "turns": turns_to_json(said), "reply": "gg haha"} for said in turns
        ]
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    manifest.write_manifest(folder, "dataset", {"persona": PERSONA, "persona_name": "Mynah"}, {})
    return folder


@pytest.fixture(scope="module", params=list(BASES))
def made(
    request: pytest.FixtureRequest, dataset: Path, tmp_path_factory: pytest.TempPathFactory
) -> Made:
    """Each family's tiny base, trained and exported: what `export_gguf` checks holds for it."""
    home = Home(tmp_path_factory.mktemp("home"))
    base = home.root / "base"
    base.mkdir()
    BASES[request.param](base)
    run = replace(forge.Run.at(home, "small"), ftype="Q8_0")
    forge.train(run, base, dataset, PROFILE, limit=None)
    forge.merge(run, base)
    run, _ = forge.export_gguf(run, base, dataset)
    return Made(request.param, base, run)


@pytest.fixture(scope="module")
def engine(made: Made) -> Iterator[Engine]:
    with Engine.load(made.run.gguf, context_tokens=512, channels=1, threads=1, seed=1) as loaded:
        yield loaded


def test_the_layout_goes_with_the_model(made: Made) -> None:
    assert check_base(made.base).layout.name == made.layout
    adapter = manifest.verify_manifest(made.run.adapter_dir)
    assert adapter.config["layout"] == made.layout
    for name in TOKENIZER_FILES:
        if (made.base / name).is_file():
            merged = (made.run.merged_dir / name).read_bytes()
            assert merged == (made.base / name).read_bytes()


def test_an_adapter_of_another_layout_is_not_merged(made: Made) -> None:
    path = made.run.adapter_dir / manifest.MANIFEST_NAME
    before = path.read_text()
    path.write_text(before.replace(made.layout, "chatml/0"))
    try:
        with pytest.raises(TrainingError, match="chatml/0"):
            forge.merge(made.run, made.base)
    finally:
        path.write_text(before)


def test_training_and_serving_see_the_same_tokens(made: Made) -> None:
    """Whatever members write, the control tokens of any family included."""
    from transformers import AutoTokenizer

    trained = TransformersTokenizer(AutoTokenizer.from_pretrained(made.run.merged_dir))
    with VocabularyFile(made.run.gguf) as vocabulary:
        layout = chat_format.layout_of(trained)
        assert layout.name == chat_format.layout_of(vocabulary.tokenizer).name == made.layout
        segments = chat_format.render_example(EVIL, TALK, EVIL, layout=layout)
        ids, _ = chat_format.encode(segments, trained)
        assert chat_format.encode(segments, vocabulary.tokenizer)[0] == ids
        controls = {trained.control_id(token) for token in layout.controls}
        in_words = [n for s in segments if not s.control for n in trained.text_ids(s.text)]
        assert not controls & set(in_words)
        refuse_controls_in_words(vocabulary.tokenizer, layout)


def test_it_answers_and_ends_its_turn(made: Made, engine: Engine) -> None:
    prompt = compose(PERSONA, TALK, engine.tokenizer, context_tokens=512, max_reply_tokens=40)
    layout = chat_format.layout_of(engine.tokenizer)
    asked = chat_format.render_ask(PERSONA, TALK, layout=layout)
    assert list(prompt.ids) == chat_format.encode(asked, engine.tokenizer)[0]
    made_reply = engine.generate_blocking(
        prompt.ids,
        sampling=Sampling(temperature=0.0, max_tokens=40),
        stop_ids=[engine.tokenizer.control_id(layout.end)],
    )
    assert made_reply.stopped_by in (StoppedBy.END, StoppedBy.LENGTH)
    assert not any(token in made_reply.text for token in layout.controls)


def test_what_was_read_along_can_be_taken_back(made: Made, engine: Engine) -> None:
    """Gemma's window is 32 tokens: behind it, what a shorter transcript needs is still there."""
    greedy = Sampling(temperature=0.0, max_tokens=12)
    long = read_ids(PERSONA, TALK, engine.tokenizer)
    assert len(long) > 3 * families.WINDOW
    engine.generate_blocking(long, sampling=greedy)
    short = long[: len(long) // 2]
    again = engine.generate_blocking(short, sampling=greedy)
    assert again.evaluated_tokens < len(short)
    fresh = engine.generate_blocking(short, sampling=greedy, fresh=True)
    assert again.token_ids == fresh.token_ids


def test_what_stands_behind_a_cut_can_be_moved_up(made: Made, engine: Engine) -> None:
    """As a transcript is halved: each layer's keys by their own rotation, Gemma's two kinds too."""
    ids = read_ids(PERSONA, TALK, engine.tokenizer)
    engine.forget(None)  # what two conversations share is not moved
    read_through(engine, "room", ids)
    left = ids[:20] + ids[40:]
    engine.read("room", left, closes_up=True)
    until(lambda: not engine._scheduler._closing)
    assert reply(engine, [*left, ids[30]], "room", 1).evaluated_tokens <= 2
    engine.forget("room")


def test_a_tokenizer_that_the_converter_does_not_know_is_refused_before(tmp_path: Path) -> None:
    """As our own is without its mark. (Gemma's goes through the converter before it is trained.)"""
    families.llama3_base(tmp_path)
    file = tmp_path / "tokenizer_config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps({**config, MARK: "qwen2"}))
    with pytest.raises(UnsuitedBaseError, match="does not split text as qwen2 does"):
        check_converts(tmp_path)
    del config[MARK]
    file.write_text(json.dumps(config))
    with pytest.raises(UnsuitedBaseError, match="cannot be made into a GGUF"):
        check_converts(tmp_path)


@pytest.mark.parametrize("is_newer", [False, True])
def test_the_text_part_of_a_model_that_sees_computes_the_same(
    tmp_path: Path, is_newer: bool
) -> None:
    """As Google's files name the tensors, and as transformers 5 would."""
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import (
        AutoModelForCausalLM,
        Gemma3Config,
        Gemma3ForConditionalGeneration,
        SiglipVisionConfig,
    )

    torch.manual_seed(7)
    sees = SiglipVisionConfig(
        hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        image_size=28, patch_size=14,
    )  # fmt: skip
    config = Gemma3Config(text_config=families.gemma3_config(), vision_config=sees)
    whole = Gemma3ForConditionalGeneration(config).eval()
    folder, out = tmp_path / "whole", tmp_path / "text"
    whole.save_pretrained(folder)
    out.mkdir()
    with pytest.raises(UnsuitedBaseError, match=r"sees pictures.*get gemma-3-4b-it"):
        check_base(folder)
    weights = load_file(folder / "model.safetensors")
    names = {
        name: name.replace("language_model.model.", "model.language_model.") for name in weights
    }
    assert names != {name: name for name in names}, "saved as Google's are"
    if is_newer:
        renamed = {names[name]: tensor for name, tensor in weights.items()}
        save_file(renamed, folder / "model.safetensors", metadata={"format": "pt"})
    take_text_part(folder, out)
    text = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32).eval()
    assert type(text).__name__ == "Gemma3ForCausalLM"
    ids = torch.arange(4, 84)[None]
    with torch.inference_mode():
        assert torch.equal(text(ids).logits, whole(input_ids=ids).logits)
    with pytest.raises(NoTextPartError, match="no Gemma 3 that sees"):
        take_text_part(DEMO_BASE_DIR, out)
