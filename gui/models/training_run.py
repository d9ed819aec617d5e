"""A training: examples, fine-tuning, merging, export, one after the other, and how far they are.

scripts/2_prepare_training_data.py, then scripts/3_train_model.py. What a stage has finished stays;
stopped and started again, it goes on with the stage that was not. Tk's thread alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from gui.app_model import AppModel
from gui.models.outlasting import Outlasting
from gui.models.words import left_words, many
from gui.script_run import ScriptRun
from storage.paths import DEMO_BASE_DIR

PREPARE, TRAIN = "2_prepare_training_data.py", "3_train_model.py"
DATASET = "demo"
PROFILE = "demo"
MAX_TOKENS = 256
"""Of one example: the demo profile's length (model/profiles.py)."""

STAGES = ("examples", "sft", "merge", "export")
STAGE_WORDS = {
    "examples": "Prepare examples",
    "sft": "Fine-tune",
    "merge": "Merge",
    "export": "Convert and check",
}
STOPPED = "Stopped. What was finished stays: the next training goes on from there."

State = Literal["idle", "running", "stopping"]


class TrainingRun(Outlasting):
    """The window's one; one training at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: tuple[str, str] = (PREPARE, TRAIN)
        """What is run, in scripts/ or with a whole path."""
        self.state: State = "idle"
        self.stage = ""
        """The one that is being done, or where it was stopped."""
        self.finished: tuple[str, ...] = ()
        """Stages that are done."""
        self.progress: dict[str, Any] = {}
        """The last figures of the stage."""
        self.points: list[tuple[float, float]] = []
        """(step, loss) of this training."""
        self.steps = 0
        """Of all the fine-tuning; 0 while that is not known."""
        self.version = ""
        """The model that came of the last training; "" where none did."""
        self.outcome = ""
        """What came of it, in words."""
        self.failure = ""
        """Why it failed; "" where it did not."""
        self._run: ScriptRun | None = None
        self._was_made = False

    @property
    def is_busy(self) -> bool:
        return self.state != "idle"

    # -- what the user does -------------------------------------------------------------------

    def start(self, app: AppModel, ground: str = "") -> None:
        """Train; `ground` is declared before, where it says something."""
        if self.is_busy:
            return
        self.state, self.stage, self.finished, self.progress = "running", "examples", (), {}
        self.points, self.steps, self.version, self.outcome, self.failure = [], 0, "", "", ""
        self._was_made = False
        declared = ("--declare", ground.strip()) if ground.strip() else ()
        self._script(
            app,
            self.scripts[0],
            *("--name", DATASET, "--max_length", str(MAX_TOKENS), "--base", str(DEMO_BASE_DIR)),
            *declared,
            then=lambda result: self._fine_tune(app),
        )
        self.tell()

    def cancel(self) -> None:
        """Stop it; what is finished stays."""
        if self.state == "running" and self._run is not None:
            self.state = "stopping"
            self._run.cancel()
            self.tell()

    def dismiss(self) -> None:
        """What came of it has been read."""
        self.outcome = self.failure = ""
        self.tell()

    # -- in words -------------------------------------------------------------------------------

    @property
    def share(self) -> float | None:
        """How much of the stage is done, 0 to 1; None where that cannot be known."""
        step, steps = self.progress.get("step"), self.progress.get("steps")
        return min(step / steps, 1.0) if step is not None and steps else None

    @property
    def words(self) -> str:
        """What is being done and how far it is."""
        if self.state == "stopping":
            return "The training is being stopped."
        if self.state == "running":
            return stage_words(self.stage, self.progress)
        return self.outcome

    # -- how ------------------------------------------------------------------------------------

    def _fine_tune(self, app: AppModel) -> None:
        app.tell("data")
        if self.state == "stopping":  # it came too late for the script before
            self._end(app, STOPPED)
            return
        self.stage, self.progress = "", {}
        self._script(
            app,
            self.scripts[1],
            *("--mode", "all", "--dataset", DATASET, "--profile", PROFILE),
            then=lambda result: self._done(app, result),
        )
        self.tell()

    def _script(self, app: AppModel, script: str, *arguments: str, then: Any) -> None:
        # Before the run is made: where it cannot start, `failed` comes at once.
        self._run = app.run_script(
            script,
            *arguments,
            "--json",
            "--events",
            on_line=self._heard,
            done=then,
            failed=lambda reason: self._failed(app, reason),
        )

    def _heard(self, line: dict[str, Any]) -> None:
        event, stage = line.get("event"), str(line.get("stage", ""))
        if event == "begin":
            self.stage, self.progress = stage, {}
        elif event == "end":
            self.finished = (*self.finished, stage)
            self._was_made = self._was_made or (stage != "examples" and bool(line.get("made")))
        elif event == "progress":
            self.progress = line
            if stage == "sft":
                self._note_loss(line)
        else:
            return
        self.tell()

    def _note_loss(self, line: Mapping[str, Any]) -> None:
        """One point for each loss that was measured: between them the last is told again."""
        self.steps = int(line["steps"])
        loss = line.get("loss")
        if loss is not None and (not self.points or self.points[-1][1] != loss):
            self.points.append((float(line["step"]), float(loss)))

    def _done(self, app: AppModel, result: dict[str, Any]) -> None:
        self.version = str(result.get("version") or "")
        self._end(app, result_words(result, self._was_made))

    def _failed(self, app: AppModel, reason: str) -> None:
        if self.state == "stopping":
            self._end(app, STOPPED)
        else:
            self.failure = reason
            self._end(app, "")

    def _end(self, app: AppModel, outcome: str) -> None:
        self.state, self._run, self.outcome = "idle", None, outcome
        app.tell("data")
        self.tell()


def stage_words(stage: str, progress: Mapping[str, Any]) -> str:
    """ "Fine-tuning: step 210 of 640 · loss 3.214 · 1:05 left"."""
    if not stage:
        return "The training packages are being loaded."
    step, steps = progress.get("step"), progress.get("steps")
    if stage == "examples":
        words = "Examples are made of the history"
        if steps:
            words = f"{str(progress.get('what', '')).capitalize()}: {step:,} of {steps:,}"
        return words
    if stage == "merge":
        return "What was learned is merged into the model."
    if stage == "export":
        return "The model is converted, made smaller and compared with what was trained."
    if not steps:
        return "Fine-tuning begins: the loss before it is measured."
    parts = [f"Fine-tuning: step {step:,} of {steps:,}"]
    if progress.get("loss") is not None:
        parts.append(f"loss {progress['loss']:.3f}")
    if (progress.get("left_s") or 0) >= 1:
        parts.append(left_words(progress["left_s"]))
    return " · ".join(parts)


def result_words(result: Mapping[str, Any], was_made: bool) -> str:
    """What came of a training, in a sentence or two."""
    version = result.get("version")
    if not was_made:
        return f"Nothing changed since {version} was trained: it is still the newest."
    adapter = result.get("counts", {}).get("adapter", {})
    words = f"{version} is ready"
    if adapter.get("examples"):
        words += f": it learned from {many(adapter['examples'], 'example')}"
    words += f" in {result.get('total_s', 0):,.0f} s."
    before = adapter.get("validation_loss_before")
    after = adapter.get("validation_loss_after")
    if before is not None and after is not None:
        words += f" The loss on what it never saw went from {before:.2f} to {after:.2f}."
    return words
