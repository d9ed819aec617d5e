"""A real trainer of transformers on a model of one layer: what it tells, also when it goes on."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from model import training_picture
from model.telemetry import PICTURE, TENSORBOARD, Telemetry
from storage.readonly import TrainingEvent, read_events
from storage.training_events import EVENTS, to_line

STEPS, LOGGED, SAVED = 12, 2, 4


def train(out: Path, telemetry: Telemetry, *, until: int = STEPS, from_step: int = 0) -> None:
    """To step `until` of twelve, from the checkpoint of `from_step`; a checkpoint every four."""
    import torch
    from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

    class Next(torch.nn.Module):
        """Tokens of a vocabulary of 8, each guessed from the one before it."""

        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Embedding(8, 8)

        def forward(self, input_ids: Any, labels: Any, **_: Any) -> dict[str, Any]:
            logits = self.table(input_ids)[:, :-1].flatten(0, 1)
            return {
                "loss": torch.nn.functional.cross_entropy(logits, labels[:, 1:].flatten()),
                "logits": logits,
            }

    class Stop(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_training_stop |= state.global_step >= until

    torch.manual_seed(1)
    told = [[n % 8, 1, 2, 3] for n in range(48)]
    rows = [{"input_ids": ids, "labels": ids, "attention_mask": [1] * 4} for ids in told]
    arguments = TrainingArguments(
        str(out),
        max_steps=STEPS,
        per_device_train_batch_size=4,
        logging_steps=LOGGED,
        eval_strategy="steps",
        eval_steps=SAVED,
        save_steps=SAVED,
        learning_rate=0.1,
        include_num_input_tokens_seen="non_padding",
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    trainer = Trainer(
        model=Next(),
        args=arguments,
        train_dataset=rows,
        eval_dataset=rows[:4],
        callbacks=[telemetry.callback(), Stop()],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train(
        resume_from_checkpoint=str(out / f"checkpoint-{from_step}") if from_step else None
    )


def scalars(folder: Path) -> list[tuple[int, str, float]]:
    """Step, name and value of what stands in TensorBoard's files: records of a length of 8 bytes,
    4 of checksum, the event, and 4 of checksum."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in sorted(folder.glob("events.out.*")):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (size,) = struct.unpack_from("<Q", data, at)
            event = Event.FromString(data[at + 12 : at + 12 + size])
            found += [(event.step, v.tag, v.simple_value) for v in event.summary.value]
            at += size + 16
    return found


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stopped at step 10, gone on from the checkpoint of step 8 to the end."""
    folder = tmp_path_factory.mktemp("telemetry")
    train(folder / "out", Telemetry(folder / "run"), until=10)
    assert [event.step for event in read_events(folder / "run")] == [2, 4, 6, 8, 10]
    (folder / "first.png").write_bytes((folder / "run" / PICTURE).read_bytes())
    train(folder / "out", Telemetry(folder / "run"), from_step=8)
    return folder


def test_a_step_is_told_once_also_when_the_training_went_on(trained: Path) -> None:
    events = read_events(trained / "run")
    assert [event.step for event in events] == [2, 4, 6, 8, 10, 12]
    assert {event.steps for event in events} == {STEPS}
    lines = (trained / "run" / EVENTS).read_text().splitlines()
    of_training = [json.loads(line)["step"] for line in lines if '"loss"' in line]
    assert of_training == [2, 4, 6, 8, 10, 12], "what stood behind the checkpoint is cut"


def test_an_event_has_what_was_measured(trained: Path) -> None:
    events = read_events(trained / "run")
    assert [event.step for event in events if event.validation_loss is not None] == [4, 8, 12]
    losses = [event.loss for event in events]
    assert losses[0] is not None
    assert losses[-1] is not None
    assert losses[-1] < losses[0]
    assert all(event.learning_rate is not None for event in events)
    assert all((event.tokens_per_s or 0) > 0 for event in events)
    assert all(event.at_ms > 1_600_000_000_000 for event in events)


def test_tensorboard_can_read_its_files(trained: Path) -> None:
    found = scalars(trained / "run" / TENSORBOARD)
    told = {step: loss for step, name, loss in found if name == "train/loss"}
    assert told == pytest.approx({e.step: e.loss for e in read_events(trained / "run")})
    assert [step for step, name, _ in found if name == "eval/loss"] == [4, 8, 12]


def test_the_picture_is_drawn_at_each_checkpoint_and_at_the_end(trained: Path) -> None:
    first = (trained / "first.png").read_bytes()
    last = (trained / "run" / PICTURE).read_bytes()
    assert first.startswith(b"\x89PNG")
    assert last.startswith(b"\x89PNG")
    assert first != last


def test_a_training_that_begins_anew_begins_the_files_anew(tmp_path: Path) -> None:
    telemetry = Telemetry(tmp_path)
    telemetry.begin(0)
    telemetry.tell(TrainingEvent(1, 2, 4, loss=1.0), {"loss": 1.0})
    telemetry.end()
    telemetry.begin(0)
    telemetry.tell(TrainingEvent(1, 1, 4, loss=2.0), {"loss": 2.0})
    telemetry.end()
    assert [event.step for event in read_events(tmp_path)] == [1]
    assert scalars(tmp_path / TENSORBOARD) == [(1, "train/loss", 2.0)]


def test_a_folder_that_cannot_be_written_ends_no_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "taken").write_text("a file where the folder would be")
    telemetry = Telemetry(tmp_path / "taken")
    telemetry.begin(0)
    telemetry.tell(TrainingEvent(1, 2, 4, loss=1.0), {"loss": 1.0})
    telemetry.end()
    assert len(caplog.records) == 1
    assert "its curve is not written" in caplog.text


def test_what_is_no_event_is_passed_over(tmp_path: Path) -> None:
    whole = TrainingEvent(1, 2, 4, loss=0.5)
    torn = to_line(TrainingEvent(1, 4, 4, loss=0.4))[:-9]
    wrong = '{"at_ms": 1, "step": "x", "steps": 4}\n[1]\n{"step": 1}\n'
    (tmp_path / EVENTS).write_text(to_line(whole) + wrong + torn)
    assert read_events(tmp_path) == (whole,)
    assert read_events(tmp_path / "nothing") == ()


def test_a_jumpy_curve_is_drawn_with_its_mean(tmp_path: Path) -> None:
    assert not training_picture.draw([], tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()
    events = [TrainingEvent(1, step, 60, loss=step % 2, margin=0.1) for step in range(1, 61)]
    assert training_picture.draw(events, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["curve.png"]
