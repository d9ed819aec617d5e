"""A few real steps of LoRA on the tiny model, the merge, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model import forge, parity, served_as, trainer
from model.chat_format import Own, Said, Turn, turns_to_json
from model.profile import load
from model.server_prompt import EstimatingTokenizer
from model.trainer import TrainingError, choose_within_budget
from model.training.running import Running
from storage import manifest
from storage.paths import Home

PROFILE = load("demo").with_(lora={"r": 4, "alpha": 8}, sft={"max_tokens": 4_000}, max_length=128)
PERSONA = "You are Mynah, a regular of The Lantern."


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty examples of one habit: whatever is said, the reply is "gg haha"."""
    folder = tmp_path_factory.mktemp("sets") / "small"
    folder.mkdir()
    for name, count in (("training_data.jsonl", 40), ("validation_data.jsonl", 4)):
        rows = [example([Said("bob", f"boss wiped {n} raid"), Own("lol")]) for n in range(count)]
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = {"persona": PERSONA, "persona_name": "Mynah"}
    manifest.write_manifest(folder, "dataset", config, {})
    return folder


def example(turns: list[Turn], reply: str = "gg haha") -> dict[str, object]:
    return {"persona": PERSONA, "turns": turns_to_json(turns), "reply": reply}


def test_training_lowers_the_loss_and_leaves_a_manifest_last(
    hf_dir: Path, dataset: Path, tmp_path: Path
) -> None:
    seen: list[trainer.Progress] = []
    out = tmp_path / "adapter"
    report = trainer.train_adapter(
        hf_dir, dataset, out, PROFILE, inputs={"a": 1}, on_progress=seen.append
    )
    assert report.validation_loss_before is not None
    assert report.validation_loss_after is not None
    assert report.validation_loss_after < report.validation_loss_before - 0.5
    assert report.steps == 10 == seen[-1].step == seen[-1].steps
    assert report.tokens <= 4_000
    assert 0 < report.learned_tokens < report.tokens / 2
    found = manifest.verify_manifest(out)
    assert found.config == {"a": 1}
    assert "adapter_model.safetensors" in found.files
    assert not any(name.startswith("trainer") for name in found.files)


def test_no_fitting_example_is_a_sentence(hf_dir: Path, dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="No training example fits"):
        trainer.train_adapter(
            hf_dir, dataset, tmp_path / "a", PROFILE.with_(max_length=32), inputs={}
        )


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "training_data.jsonl"
    file.write_text('{"persona": "p", "turns": [["shouted", "x"]], "reply": "y"}\n')
    with pytest.raises(TrainingError, match=r"training_data\.jsonl, line 1"):
        trainer.read_examples(file, EstimatingTokenizer())


def test_the_whole_run_is_made_once(hf_dir: Path, dataset: Path, tmp_path: Path) -> None:
    """Adapter, merged, GGUF; each stage is skipped while its inputs are the same."""
    run = forge.Run.at(Home(tmp_path), "small")
    assert not forge.is_finished(run, hf_dir, dataset, PROFILE)
    assert forge.train(run, hf_dir, dataset, PROFILE, limit=None)
    assert forge.merge(run, hf_dir)
    assert forge.export_gguf(run, hf_dir, dataset) == (run, True)
    assert forge.is_finished(run, hf_dir, dataset, PROFILE)
    assert run.gguf_sha256() == manifest.sha256_file(run.gguf)
    figures = manifest.verify_manifest(run.gguf_dir).counts
    assert served_as.read(run.gguf_dir) == served_as.ServedAs((("Mynah", PERSONA),))
    assert figures["nll_f16"] == pytest.approx(figures["nll_merged"], rel=parity.F16_TOLERANCE)

    assert not forge.train(run, hf_dir, dataset, PROFILE, limit=None)
    assert not forge.merge(run, hf_dir)
    assert forge.export_gguf(run, hf_dir, dataset) == (run, False)
    assert not forge.is_finished(run, hf_dir, dataset, PROFILE.with_(sft={"learning_rate": 1e-3}))

    (run.merged_dir / "config.json").unlink()  # what is half there is made again
    assert not forge.is_finished(run, hf_dir, dataset, PROFILE)
    with Running(run.adapter_dir).held(), pytest.raises(TrainingError, match="another process"):
        forge.merge(run, hf_dir)
    assert not (run.merged_dir / "config.json").exists()
    assert forge.merge(run, hf_dir)
    assert forge.export_gguf(run, hf_dir, dataset) == (run, False), "the same merged bytes"


def test_the_budget_counts_tokens_of_all_epochs() -> None:
    examples = [([1] * 10, [True] * 10) for _ in range(100)] + [([1] * 200, [True] * 200)]
    chosen, too_long = choose_within_budget(
        examples, PROFILE.with_(sft={"max_tokens": 500, "epochs": 2})
    )
    assert (len(chosen), too_long) == (25, 1)
    everything, _ = choose_within_budget(examples, PROFILE.with_(sft={"max_tokens": None}))
    assert len(everything) == 100
