"""A training that is stopped, killed, cut off or goes wrong: what is left, and how it goes on."""

from __future__ import annotations

import json
import random
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model import trained_on, trainer
from model.chat_format import Own, Said, Turn, turns_to_json
from model.profile import Profile, load
from model.trained_on import TrainedOn
from model.trainer import OutOfMemoryError, TrainingError
from model.training import errors
from model.training.running import Running
from storage import manifest
from storage.manifest import sha256_file
from storage.records import FORGOTTEN_MEMBER
from tests.full_disk import small_disk

EPOCHS, STEPS = 2, 14
SMALL = load("demo").with_(
    lora={"r": 4, "alpha": 8, "dropout": 0.2},
    sft={"epochs": EPOCHS, "gradient_accumulation": 2, "batch_size": 2, "save_steps": 4},
    max_length=128,
)
INPUTS = {"profile": "small"}
NOBODY = TrainedOn(frozenset(), frozenset())
PERSONA = "You are Mynah."
WORDS = "gg haha boss wiped again who brought cake nine works me tonight".split()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """27 examples of lines of different lengths."""
    folder = tmp_path_factory.mktemp("sets") / "small"
    folder.mkdir()
    chance = random.Random(3)

    def words() -> str:
        return " ".join(chance.choices(WORDS, k=chance.randint(1, 8)))

    for name, count in (("training_data.jsonl", 27), ("validation_data.jsonl", 3)):
        rows = [row([Said("bob", words()), Own(words()), Said("mira", "?")]) for _ in range(count)]
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    manifest.write_manifest(folder, "dataset", {"persona": PERSONA, "persona_name": "Mynah"}, {})
    return folder


def row(turns: list[Turn], reply: str = "gg haha") -> dict[str, object]:
    return {"persona": PERSONA, "turns": turns_to_json(turns), "reply": reply}


Train = Callable[..., trainer.TrainingReport]


@pytest.fixture
def train(hf_dir: Path, dataset: Path) -> Train:
    def act(out: Path, profile: Profile = SMALL, **how: Any) -> trainer.TrainingReport:
        return trainer.train_adapter(hf_dir, dataset, out, profile, **{"inputs": INPUTS, **how})

    return act


class Losses:
    """What a trainer's callback saw: the loss of each step by itself."""

    def __init__(self, act: Callable[[int], object] = lambda step: None) -> None:
        self.of: dict[int, float] = {}
        self.validation: dict[int, float] = {}
        self._act = act

    def callback(self) -> Any:
        from transformers import TrainerCallback

        seen = self

        class Seeing(TrainerCallback):
            def on_log(self, args: Any, state: Any, control: Any, logs: Any, **_: Any) -> None:
                if "loss" in logs:
                    seen.of[state.global_step] = logs["loss"]
                    seen._act(state.global_step)
                if "eval_loss" in logs:
                    seen.validation[state.global_step] = logs["eval_loss"]

        return Seeing()


@pytest.fixture(scope="module")
def whole(
    hf_dir: Path, dataset: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Losses, Path]:
    """The uninterrupted run."""
    losses, out = Losses(), tmp_path_factory.mktemp("whole") / "adapter"
    report = trainer.train_adapter(
        hf_dir, dataset, out, SMALL, inputs=INPUTS, callbacks=[losses.callback()]
    )
    assert (report.steps, sorted(losses.validation)) == (STEPS, [0, 4, 8, 12, 14])
    assert not Running(out).folder.exists()
    return losses, out


def interrupt_at(step: int) -> Callable[[int], object]:
    """Ctrl-C while that step is under way, or just behind it."""
    return lambda now: signal.raise_signal(signal.SIGINT) if now == step else None


class Killed(BaseException):
    """The process is gone."""


def kill_at(step: int) -> Callable[[int], object]:
    def act(now: int) -> None:
        if now == step:
            raise Killed

    return act


@pytest.mark.parametrize(
    ("end", "on_disk"),
    [
        (interrupt_at(2), [3]),  # in the first epoch, before any checkpoint was due
        (interrupt_at(6), [4, 7]),  # the last step of the first epoch
        (interrupt_at(8), [8, 9]),  # in the second one
        (kill_at(11), [8]),  # nothing is written any more
    ],
)
def test_a_training_goes_on_as_if_it_had_not_stopped(
    train: Train,
    whole: tuple[Losses, Path],
    tmp_path: Path,
    end: Callable[[int], object],
    on_disk: list[int],
) -> None:
    """Same losses with dropout, same order of examples, same adapter: to the bit on a processor."""
    before, after, out = Losses(end), Losses(), tmp_path / "adapter"
    with pytest.raises((KeyboardInterrupt, Killed)):
        train(out, callbacks=[before.callback()])
    running = Running(out)
    assert running.steps()[-1] == on_disk[-1]
    assert not out.exists()
    if on_disk == [8]:  # somebody is forgotten meanwhile
        trained_on.write(running.folder / trained_on.NAME, replace(NOBODY, lost=FORGOTTEN_MEMBER))

    report = train(out, callbacks=[after.callback()])
    assert min(after.of) == on_disk[-1] + 1
    assert report.steps == max(after.of) == STEPS
    uninterrupted, adapter = whole
    differences = [abs(loss - uninterrupted.of[step]) for step, loss in after.of.items()]
    print(f"greatest difference of {len(differences)} losses behind: {max(differences)}")
    assert max(differences) == 0
    assert {**before.validation, **after.validation} == uninterrupted.validation
    weights = "adapter_model.safetensors"
    assert sha256_file(out / weights) == sha256_file(adapter / weights)
    learned = trained_on.read(out)
    assert learned is not None
    assert learned.lost == (FORGOTTEN_MEMBER if on_disk == [8] else "")
    counted = manifest.verify_manifest(adapter).counts
    assert {**manifest.verify_manifest(out).counts, "seconds": 0} == {**counted, "seconds": 0}
    assert not running.folder.exists()


def test_a_training_without_its_adapter_is_not_made_again(
    train: Train, whole: tuple[Losses, Path], tmp_path: Path
) -> None:
    """Cut off behind the last step."""
    losses, out = Losses(), tmp_path / "adapter"
    out.mkdir()
    (out / "mine.txt").write_text("somebody's own")
    with pytest.raises(manifest.ManifestError, match="did not make"):
        train(out)
    shutil.rmtree(out)
    assert train(out, callbacks=[losses.callback()]).steps == STEPS
    assert losses.of == {}
    assert same_weights(out, whole[1])


def same_weights(one: Path, other: Path) -> bool:
    name = "adapter_model.safetensors"
    return sha256_file(one / name) == sha256_file(other / name)


def changing(at: Callable[[int], bool], change: Callable[[Any], object]) -> Any:
    """A callback that changes the adapter's weights behind some steps."""
    from transformers import TrainerCallback

    class Changing(TrainerCallback):
        def on_step_begin(
            self, args: Any, state: Any, control: Any, model: Any = None, **_: Any
        ) -> None:
            if at(state.global_step):
                for parameter in model.parameters():
                    if parameter.requires_grad:
                        change(parameter.data)

    return Changing()


def test_it_ends_early_and_keeps_the_best(
    train: Train, hf_dir: Path, dataset: Path, tmp_path: Path
) -> None:
    """From the fourth step on every one harms."""
    losses, out = Losses(), tmp_path / "adapter"
    harming = changing(lambda step: step >= 4, lambda weights: weights.normal_())
    report = train(out, SMALL.with_(sft={"patience": 1}), callbacks=[losses.callback(), harming])
    assert (report.steps, report.kept_step) == (8, 4)
    assert losses.validation[4] < min(losses.validation[0], losses.validation[8])
    assert report.validation_loss_after == losses.validation[4]
    assert validation_loss(hf_dir, dataset, out) == pytest.approx(losses.validation[4], abs=1e-2)


def validation_loss(base_dir: Path, dataset: Path, adapter: Path) -> float:
    """Of the adapter as it lies there."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from model.evaluate import model_nll
    from model.tokenizers import TransformersTokenizer

    tokenizer = TransformersTokenizer(AutoTokenizer.from_pretrained(base_dir))
    base = AutoModelForCausalLM.from_pretrained(base_dir, dtype=torch.float32)
    held_out = trainer.read_examples(dataset / "validation_data.jsonl", tokenizer)
    return model_nll(PeftModel.from_pretrained(base, adapter), held_out).mean


def test_a_loss_that_is_no_number_ends_it(train: Train, tmp_path: Path) -> None:
    out = tmp_path / "adapter"
    broken = changing(lambda step: step == 6, lambda weights: weights.fill_(float("nan")))
    with pytest.raises(errors.DivergedError, match=r"step 7\).*--learning_rate: 0\.0015"):
        train(out, callbacks=[broken])
    assert Running(out).steps() == [4]
    manifest.verify_manifest(Running(out).checkpoint(4))


def test_memory_that_runs_out_is_a_sentence(train: Train, tmp_path: Path) -> None:
    import torch

    def too_much(step: int) -> None:
        if step == 6:
            torch.empty(1 << 50)

    out = tmp_path / "adapter"
    with pytest.raises(OutOfMemoryError, match="--auto-fit"):
        train(out, callbacks=[Losses(too_much).callback()])
    assert Running(out).steps() == [4]


@pytest.mark.skipif(sys.platform == "win32", reason="neither tmpfs nor RLIMIT_FSIZE")
def test_a_full_disk_leaves_the_last_checkpoint(
    train: Train, whole: tuple[Losses, Path], tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        out = disk.folder / "adapter"
        filling = Losses(lambda step: disk.leave(60_000) if step == 5 else None)
        with pytest.raises(TrainingError, match=r"step 8 .* disk full.* goes on at step 4"):
            train(out, callbacks=[filling.callback()])
        disk.make_room()
        assert Running(out).steps() == [4]
        train(out)
        assert same_weights(out, whole[1])


@pytest.mark.skipif(sys.platform == "win32", reason="neither tmpfs nor RLIMIT_FSIZE")
def test_a_full_disk_leaves_no_half_merged_model(
    hf_dir: Path, whole: tuple[Losses, Path], tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        out = disk.folder / "merged"
        disk.leave(60_000)
        with pytest.raises(TrainingError, match=r"merged model could not be written .* disk full"):
            trainer.merge_adapter(hf_dir, whole[1], out)
        disk.make_room()
        assert {path.name for path in disk.folder.iterdir()} <= {"filler"}


def test_what_is_not_whole_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    running = Running(tmp_path / "adapter")
    running.open(INPUTS, lambda: NOBODY)
    assert running.begun_at is None
    for step in (4, 8, 12, 16):
        running.checkpoint(step).mkdir()
        (running.checkpoint(step) / "optimizer.pt").write_bytes(b"weights and averages")
        if step != 16:  # the process ended before its manifest was written
            running.seal(step)
    (running.checkpoint(8) / "optimizer.pt").write_bytes(b"weights")
    (running.checkpoint(12) / "optimizer.pt").write_bytes(b"weights and averagEs")
    running.open(INPUTS, lambda: NOBODY)
    assert running.begun_at == running.checkpoint(4)
    assert running.steps() == [4]
    running.open({**INPUTS, "limit": 3}, lambda: NOBODY)
    assert running.begun_at is None, "other inputs begin anew"
    assert "is removed at step" in caplog.text
    assert {path.name for path in running.folder.iterdir()} == {"inputs.json", trained_on.NAME}


def test_one_process_trains_it(train: Train, tmp_path: Path) -> None:
    out = tmp_path / "adapter"
    with Running(out).held(), pytest.raises(TrainingError, match="another process"):
        train(out)
