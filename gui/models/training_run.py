"""A training: from the history to a model that is judged, step by step, and how far it is.

scripts/train_all.py with the chosen profile. What a step has finished stays; stopped and started
again, it goes on with the step that was not. Tk's thread alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from gui.app_model import AppModel
from gui.models.outlasting import Outlasting
from gui.models.training_profiles import TrainingProfile
from gui.models.words import left_words
from gui.script_run import ScriptRun
from storage.readonly import read_events

SCRIPT = "train_all.py"
REACHED, LACKING = 0, 1
"""With what the script ends where there is a model: all is reached, or something lacks."""

STAGES = ("environment", "examples", "sft", "merge", "export", "judge", "audit")
STAGE_WORDS = {
    "environment": "Look at this machine",
    "examples": "Prepare examples",
    "sft": "Fine-tune",
    "merge": "Merge",
    "export": "Convert and check",
    "judge": "Judge",
    "audit": "Audit",
}
TRAINING = "training"
"""Below Home.logs (model/telemetry.py)."""
TRAIN = "train"
"""The script's step that is three stages here, which it tells as its parts."""
PARTS = ("sft", "merge", "export")
DONE, KEPT, SKIPPED, FAILED = "done", "done before", "skipped", "not done"
"""What became of a step, as the script says it."""
STOPPED = "Stopped. What was finished stays: the next training goes on from there."

State = Literal["idle", "running", "stopping"]


class TrainingRun(Outlasting):
    """The window's one; one training at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.script = SCRIPT
        """What is run, in scripts/ or with a whole path."""
        self.state: State = "idle"
        self.stage = ""
        """The one that is being done, or where it was stopped."""
        self.ended: dict[str, str] = {}
        """What became of the stages that are over: DONE, KEPT, SKIPPED or FAILED."""
        self.remarks: tuple[str, ...] = ()
        """Why stages were skipped, as sentences."""
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
        self._told = Path()
        """Where the training notes its own figures."""
        self._run: ScriptRun | None = None

    @property
    def is_busy(self) -> bool:
        return self.state != "idle"

    # -- what the user does -------------------------------------------------------------------

    def start(self, app: AppModel, profile: TrainingProfile, ground: str = "") -> None:
        """Train with the profile; `ground` is declared before, where it says something."""
        if self.is_busy:
            return
        self.state, self.stage, self.ended, self.remarks = "running", "", {}, ()
        self.progress, self.points, self.steps = {}, [], 0
        self.version, self.outcome, self.failure = "", "", ""
        self._told = app.home.logs / TRAINING / (profile.name or profile.key)
        declared = ("--declare", ground.strip()) if ground.strip() else ()
        # Before the run is made: where it cannot start, `failed` comes at once.
        self._run = app.run_script(
            self.script,
            *("--profile", profile.key, *declared, "--json", "--events"),
            on_line=self._heard,
            done=lambda result: self._done(app, result),
            failed=lambda reason: self._failed(app, reason),
            may_end_with=(REACHED, LACKING),
        )
        self.tell()

    def cancel(self) -> None:
        """Stop it; what is finished stays."""
        if self.state == "running" and self._run is not None:
            self.state = "stopping"
            self._run.cancel()
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
            return "The training is being stopped; it keeps what it has learned so far."
        if self.state == "running":
            return stage_words(self.stage, self.progress)
        return self.outcome

    # -- how ------------------------------------------------------------------------------------

    def _heard(self, line: dict[str, Any]) -> None:
        event, step = line.get("event"), str(line.get("stage", ""))
        if event == "begin":
            self._enter("sft" if step == TRAIN else step)
        elif event == "end":
            self._leave(step, str(line.get("state", DONE)), str(line.get("why", "")))
        elif event == "progress":
            part = str(line.get("part"))
            if step == TRAIN and part in PARTS and part != self.stage:
                self._enter(part)
            self.progress = line
            if step == TRAIN and part == "sft":
                self._note_loss(line)
        else:
            return
        self.tell()

    def _enter(self, stage: str) -> None:
        """A stage begins; of those that are parts, the ones before it are over."""
        if stage in PARTS:
            self.ended.update({part: DONE for part in PARTS[: PARTS.index(stage)]})
        self.stage, self.progress = stage, {}

    def _leave(self, step: str, state: str, why: str) -> None:
        """A step is over. What of its parts was over before a failure stays so."""
        if step != TRAIN:
            self.ended[step] = state
        elif state == FAILED:
            self.ended[self.stage] = state
        else:
            self.ended.update({part: state for part in PARTS})
        if state == SKIPPED and step in STAGE_WORDS:
            why = why.split(" (--")[0]  # how the terminal's user changes that
            self.remarks = (*self.remarks, f"{STAGE_WORDS[step]} is left out: {why}.")

    def _note_loss(self, line: Mapping[str, Any]) -> None:
        """One point for each loss that was measured: between them the last is told again."""
        if not self.steps and line.get("step"):
            self.points = earlier_points(self._told, int(line["step"]))
        self.steps = int(line.get("steps") or self.steps)
        loss = line.get("loss")
        if loss is not None and (not self.points or self.points[-1][1] != loss):
            self.points.append((float(line["step"]), float(loss)))

    def _done(self, app: AppModel, result: dict[str, Any]) -> None:
        self.version = str(result.get("version") or "")
        self._end(app, result_words(result))

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


def earlier_points(folder: Path, step: int) -> list[tuple[float, float]]:
    """(step, loss) of what was trained before `step`, where a training goes on. Some milliseconds
    for thousands of steps."""
    if step <= 1:
        return []
    try:
        events = read_events(folder)
    except OSError:
        return []
    return [(float(e.step), e.loss) for e in events if e.loss is not None and e.step < step]


def stage_words(stage: str, progress: Mapping[str, Any]) -> str:
    """ "Fine-tuning: step 210 of 640 · loss 3.214 · 1:05 left · 3:20 left of all"."""
    step, steps = progress.get("step"), progress.get("steps")
    what = _doing(stage, str(progress.get("what") or ""), is_counted=bool(steps))
    if not steps:
        return f"{what}."
    unit = "step " if stage == "sft" else ""
    parts = [f"{what}: {unit}{step:,} of {steps:,}"]
    if progress.get("loss") is not None:
        parts.append(f"loss {progress['loss']:.3f}")
    parts += _left(progress.get("left_s"), "")
    parts += _left(progress.get("all_left_s"), " of all")
    return " · ".join(parts)


def _left(left_s: float | None, of: str) -> Sequence[str]:
    return [f"{left_words(left_s)}{of}"] if (left_s or 0) >= 1 and left_s else []


def _doing(stage: str, what: str, *, is_counted: bool) -> str:
    """What a stage does; `what` is the script's own word for the part of it."""
    if stage == "examples" and is_counted:
        return what.capitalize()
    if stage == "sft" and is_counted:
        return "Fine-tuning"
    return {
        "": "The training begins",
        "environment": "It is looked whether this machine can do it",
        "examples": "Examples are made of the history",
        "sft": "Fine-tuning begins: the packages and the base are being loaded",
        "merge": "What was learned is merged into the model",
        "export": "The model is converted, made smaller and compared with what was trained",
        "judge": "It is judged whether it writes as people here do",
        "audit": "It is tried whether it gives away what somebody wrote",
    }.get(stage, stage.capitalize())


def result_words(result: Mapping[str, Any]) -> str:
    """What came of a training, in a sentence or two."""
    version, lacks = result.get("version"), str(result.get("lacks") or "")
    states = {one["name"]: one["state"] for one in result.get("steps", ())}
    if states.get(TRAIN) == KEPT:
        words = f"Nothing changed since {version} was trained: it is still the newest."
    else:
        words = f"{version} is trained, in {took_words(result.get('total_s', 0))}."
    return f"{words} It may not answer yet: {lacks}." if lacks else words


def took_words(seconds: float) -> str:
    """ "75 s", "12 min", "3 h 20 min"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
