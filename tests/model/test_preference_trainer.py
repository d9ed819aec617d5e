"""DPO and KTO on the tiny model: where they begin, that margins rise, and how they go on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from model import evaluate, forge, served_as, trained_on, trainer
from model.preference_trainer import PreferenceReport, train_preferences
from model.profile import load
from model.telemetry import Telemetry
from model.training.errors import DivergedError, TrainingError
from model.training.plain_head import PlainHead, plain_head_without_triton
from model.training.preferences import Mode
from model.training.progress import Progress
from storage import manifest
from storage.paths import Home
from storage.training_events import TrainingEvent, read_events
from tests.model.preference_sets import make_set

ROUNDS = {"epochs": 2, "learning_rate": 2e-3, "save_steps": 3}
PROFILE = load("demo").with_(
    lora={"r": 4, "alpha": 8}, max_length=128, sft={"batch_size": 8}, dpo=ROUNDS, kto=ROUNDS
)
START = {"dpo": math.log(2), "kto": 0.5}
MODES: tuple[Mode, ...] = ("dpo", "kto")


@dataclass(frozen=True)
class Tuned:
    """A finished SFT adapter and what it came from."""

    base: Path
    dataset: Path
    adapter: Path

    def go_on(self, mode: Mode, out: Path, **more: Any) -> PreferenceReport:
        callbacks = [*more.pop("callbacks", ()), Telemetry(out.with_name("curve")).callback()]
        return train_preferences(
            mode,
            self.base,
            self.dataset,
            self.adapter,
            out,
            more.pop("profile", PROFILE),
            inputs={"made": "so"},
            callbacks=callbacks,
            **more,
        )


@pytest.fixture(scope="module")
def tuned(hf_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    folder = tmp_path_factory.mktemp("preferences")
    dataset = make_set(folder / "set")
    report = trainer.train_adapter(hf_dir, dataset, folder / "sft", PROFILE, inputs={})
    assert report.validation_loss_before is not None
    assert report.validation_loss_after is not None
    assert report.validation_loss_after < report.validation_loss_before - 0.1, "it is not the base"
    return Tuned(hf_dir, dataset, folder / "sft")


@dataclass(frozen=True)
class Whole:
    """An uninterrupted run."""

    folder: Path
    report: PreferenceReport
    events: tuple[TrainingEvent, ...]


@pytest.fixture(scope="module", params=MODES)
def whole(
    request: pytest.FixtureRequest, tuned: Tuned, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Mode, Whole]:
    mode: Mode = request.param
    out = tmp_path_factory.mktemp(mode) / "adapter"
    report = tuned.go_on(mode, out)
    return mode, Whole(out, report, read_events(out.with_name("curve")))


def test_it_begins_where_the_reference_is_and_margins_rise(whole: tuple[Mode, Whole]) -> None:
    """ln 2 (DPO) and 0.5 (KTO) to the last digit: the reference is the SFT adapter, no base."""
    mode, run = whole
    report, first = run.report, run.events[1]
    assert report.preference_loss_before == pytest.approx(START[mode], abs=1e-9)
    assert (report.margin_before, report.accuracy_before) == (0.0, 0.5)
    assert first.step == 1
    assert first.loss == pytest.approx(START[mode], abs=1e-6)
    assert first.margin == pytest.approx(0.0, abs=1e-6)
    assert report.preference_loss_after is not None
    assert report.preference_loss_after < START[mode] - 0.1
    margins = [event.margin for event in run.events if event.margin is not None]
    assert margins[-1] > margins[4] > margins[1] + 0.1
    assert (report.margin_after or 0.0) > 1.0
    assert report.accuracy_after == 1.0


def test_what_is_left_is_an_adapter_like_any_other(whole: tuple[Mode, Whole], tuned: Tuned) -> None:
    run = whole[1]
    found = manifest.verify_manifest(run.folder)
    assert found.config == {"made": "so"}
    assert found.counts["steps"] == run.report.steps == 8
    assert "adapter_model.safetensors" in found.files
    assert not any("/" in name for name in found.files), "the reference is not in it"
    assert served_as.read(run.folder) == served_as.read(tuned.adapter)
    learned = trained_on.read(run.folder)
    assert learned is not None
    assert learned.messages == set(range(1000, 1016)), "and none that is held out"
    assert learned.members == {7, 8, 9}
    assert not run.folder.with_name("adapter.running").exists()


def test_a_stopped_run_goes_on_to_the_same_end(
    whole: tuple[Mode, Whole], tuned: Tuned, tmp_path: Path
) -> None:
    """Killed in step 5, behind the checkpoint of step 3."""
    mode, expected = whole

    def kill(progress: Progress) -> None:
        if progress.step == 5:
            raise KeyboardInterrupt

    out = tmp_path / "adapter"
    with pytest.raises(KeyboardInterrupt):
        tuned.go_on(mode, out, on_progress=kill)
    assert not out.exists()
    files = {p.name for p in (tmp_path / "adapter.running" / "checkpoint-3").iterdir()}
    assert {"adapter_model.safetensors", "optimizer.pt", "manifest.json"} <= files
    assert "ref" not in files
    report = tuned.go_on(mode, out)
    assert report.preference_loss_before == pytest.approx(START[mode], abs=1e-9)
    there = read_events(tmp_path / "curve")
    assert [event.step for event in there] == [event.step for event in expected.events]
    for new, old in zip(there, expected.events, strict=True):
        assert new.loss == pytest.approx(old.loss, abs=1e-6)
        assert new.validation_loss == pytest.approx(old.validation_loss, abs=1e-6)
    assert report.margin_after == pytest.approx(expected.report.margin_after, abs=1e-5)


def test_a_loss_that_is_no_number_ends_it_with_a_sentence(tuned: Tuned, tmp_path: Path) -> None:
    import torch
    from transformers import TrainerCallback

    class Spoil(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **what: Any) -> None:
            if state.global_step == 3:
                for name, weights in what["model"].named_parameters():
                    if "lora_B.default" in name:
                        with torch.no_grad():
                            weights.fill_(float("nan"))

    with pytest.raises(DivergedError, match="no longer a number"):
        tuned.go_on("dpo", tmp_path / "a", callbacks=[Spoil()])
    assert (tmp_path / "a.running" / "checkpoint-3" / "manifest.json").is_file()


def test_the_trainer_gets_the_very_ids(tuned: Tuned, tmp_path: Path) -> None:
    """No template, no end and no cut of TRL's own."""
    from transformers import AutoTokenizer, TrainerCallback

    from model.tokenizers import TransformersTokenizer
    from model.training.preferences import encoded, read_rows

    seen: list[tuple[list[int], list[int]]] = []

    class Look(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **what: Any) -> None:
            for batch in what["train_dataloader"]:
                for ids, mask, reply in zip(
                    *(batch[n] for n in ("input_ids", "attention_mask", "completion_mask")),
                    strict=True,
                ):
                    length = int(mask.sum())
                    seen.append((ids[:length].tolist(), reply[:length].tolist()))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tuned.go_on("dpo", tmp_path / "a", callbacks=[Look()])
    tokenizer = TransformersTokenizer(AutoTokenizer.from_pretrained(tuned.base))
    rows, _ = read_rows(tuned.dataset, "dpo", tokenizer)
    wanted = [*encoded(rows, "liked"), *encoded(rows, "disliked")]
    assert sorted(seen) == sorted((ids, [int(m) for m in marks]) for ids, marks in wanted)


def test_kto_wants_two_replies_to_compare(tuned: Tuned, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="--batch_size 2 or more"):
        tuned.go_on("kto", tmp_path / "a", profile=PROFILE.with_(kto={"batch_size": 1}))


def test_the_forge_makes_it_once_and_merges_it(tuned: Tuned, tmp_path: Path) -> None:
    profile = PROFILE.with_(dpo={"epochs": 1})
    run = forge.Run.at(Home(tmp_path), "small")
    what = (tuned.base, tuned.dataset, profile)
    with pytest.raises(TrainingError, match="There is no whole adapter"):
        forge.train_preferences(run, "dpo", *what, limit=8)
    assert forge.train(run, *what, limit=8)
    assert not forge.are_preferences_begun(run, "dpo", *what, 8)
    assert forge.train_preferences(run, "dpo", *what, limit=8)
    assert forge.are_preferences_begun(run, "dpo", *what, 8)
    assert not forge.train_preferences(run, "dpo", *what, limit=8)
    tuned_on = run.after("dpo")
    assert tuned_on.adapter_dir == Home(tmp_path).checkpoints / "small-dpo"
    assert forge.merge(tuned_on, tuned.base)
    assert manifest.read_manifest(Home(tmp_path).finetuned / "small-dpo" / "merged") is not None
    config = manifest.verify_manifest(tuned_on.adapter_dir).config
    assert (config["mode"], config["sft"]) == ("dpo", "small")
    assert config["sft_sha256"] == manifest.content_hash(run.adapter_dir)


def test_the_plain_head_computes_what_the_model_computes(hf_dir: Path) -> None:
    """TRL's patched forward with it, against the model's own logits."""
    import torch
    from transformers import AutoModelForCausalLM
    from trl.trainer.utils import add_fused_lm_head

    model = AutoModelForCausalLM.from_pretrained(hf_dir, dtype=torch.float32)
    examples = [(list(range(5, 25)), [False] * 12 + [True] * 8)]
    expected = evaluate.model_nll(model, examples).examples[0]
    names = ("log_probs", "entropy", "mean_logits", "is_top1", "log_sum_sq_probs")
    add_fused_lm_head(model, outputs=names)
    ids = torch.tensor([examples[0][0]])
    labels = ids.masked_fill(~torch.tensor([examples[0][1]]), -100)
    with plain_head_without_triton():
        out = model(input_ids=ids, labels=labels, fused_lm_head=True)
    logits = model(input_ids=ids).logits[0, :-1][labels[0, 1:] != -100]
    assert -out.log_probs.sum().item() == pytest.approx(expected.nats, rel=1e-5)
    p = logits.softmax(-1)
    told = {name: getattr(out, name)[0, -8:] for name in names}
    assert told["entropy"].tolist() == pytest.approx((-(p * p.log()).sum(-1)).tolist(), rel=1e-4)
    assert told["mean_logits"].tolist() == pytest.approx(logits.mean(-1).tolist(), abs=1e-5)
    wanted = p.square().sum(-1).log().tolist()
    assert told["log_sum_sq_probs"].tolist() == pytest.approx(wanted, rel=1e-4)
    best = [b == i for b, i in zip(expected.best, examples[0][0][12:], strict=True)]
    assert told["is_top1"].tolist() == best


def test_the_plain_head_bends_logits_as_a_model_asks() -> None:
    """Scale, then cap, then temperature, and a gradient through all of them."""
    import torch

    hidden = torch.randn(3, 4, requires_grad=True, generator=torch.manual_seed(1))
    weight, bias, targets = torch.randn(6, 4), torch.randn(6), torch.tensor([0, 5, 2])
    found, *rest = PlainHead.apply(hidden, weight, bias, targets, 0.7, 2, 5.0, 1.5)
    logits = 5.0 * torch.tanh((hidden @ weight.T + bias) * 1.5 / 5.0) / 0.7
    assert torch.allclose(found, logits.log_softmax(-1)[range(3), targets], atol=1e-5)
    assert rest == [None] * 4
    found.sum().backward()
    assert hidden.grad is not None
    assert hidden.grad.abs().sum() > 0
