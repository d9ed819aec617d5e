"""From a history to a model that is judged: environment, data, training, export, judge, audit.

    python scripts/train_all.py --profile rtx3070
    python scripts/train_all.py --profile demo --sample          The Lantern, which we invented
    python scripts/train_all.py --profile rtx3070 --import exports/ --declare "ground" --deploy
    python scripts/train_all.py --profile rtx3070 --limit 100 --epochs 1     a trial: rtx3070-trial

Start it again whenever it was stopped, or failed: what is done is not done again, and a training
goes on at its last checkpoint. The profile (model/profiles/, or a file of your own) says which base
is trained, with which numbers, and what the model must reach before it is deployed.

Exit status: 0 all done, and what was asked of the model is reached; 1 the model is there and has
not reached it; 2 a step could not be done; 130 stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from filelock import FileLock, Timeout

from model.profile import Profile, load, shipped
from scripts.edge import add_home, add_json, ending_in_a_sentence, folder_name, stop_when_terminated
from scripts.events import Events, add_events
from scripts.history import bring_history, refuse_mixing, sample_files
from scripts.run_pace import RunPace, in_words
from scripts.step_process import StepError, StepResult, run_step
from storage.database import Database
from storage.errors import MynahError
from storage.gates import AUDIT, PERSONALITY, lacking
from storage.model_registry import ModelRegistry
from storage.paths import Home, find_home
from storage.records import ModelVersion, Origin

DONE, KEPT, SKIPPED, FAILED = "done", "done before", "skipped", "not done"
TITLES = {
    "environment": "Looking at this machine",
    "history": "Bringing the history in",
    "examples": "Preparing examples",
    "train": "Training",
    "sample": "Writing rejected replies",
    "preference": "Training on preferences",
    "judge": "Judging",
    "audit": "Auditing for leaks",
    "deploy": "Deploying",
}
"""All steps, in order."""
MAY_SKIP = ("environment", "judge", "audit")


@dataclass
class Outcome:
    """What became of a step."""

    name: str
    state: str
    """DONE, KEPT, SKIPPED or FAILED."""
    why: str = ""
    seconds: float = 0.0


@dataclass
class TrainAll:
    """One run. Main thread."""

    home: Home
    profile: Profile
    options: argparse.Namespace
    events: Events
    outcomes: list[Outcome] = field(default_factory=list)
    version: str = ""
    gguf: str = ""
    _begun: str = ""
    """The step that is at it."""

    def run(self) -> None:
        """All steps in order. Raises StepError."""
        todo = [name for name in self._planned() if not self._why_skipped(name)]
        self.pace = RunPace(self.home, self.profile.name, todo)
        for name in self._planned():
            why = self._why_skipped(name)
            if why:
                self._close(Outcome(name, SKIPPED, why))
            else:
                getattr(self, f"_{name}")()

    def _planned(self) -> Iterator[str]:
        """The steps that belong to this run, the skipped ones too."""
        given = self.options
        left_out = {
            "history": not (given.paths or given.sample),
            "sample": given.preference != "dpo",
            "preference": given.preference == "none",
            "deploy": not given.deploy,
        }
        return (name for name in TITLES if not left_out.get(name))

    def _why_skipped(self, name: str) -> str:
        if name in self.options.skip:
            return "as --skip asks"
        if name == "audit" and not (self.profile.audit.is_needed or self.options.audit):
            return f"the profile {self.profile.name} asks for none (--audit makes it)"
        return ""

    # -- the steps ----------------------------------------------------------------------------

    def _environment(self) -> None:
        what = ("--profile", self.options.profile)
        self._script("environment", "0_check_environment.py", *what, refused=lacking_here)

    def _history(self) -> None:
        given, began = self.options, time.monotonic()
        made = None
        try:
            with Database.open(self.home.database, backups=self.home.backups) as database:
                if given.sample:
                    self._begin("history")
                    files = sample_files(self.home)
                    made = bring_history(self.home, database, files, Origin.SAMPLE)
                else:
                    refuse_mixing(self.home, database, Origin.EXPORT)
        except MynahError as error:
            self._fail("history", str(error))
        if given.sample:
            state = KEPT if made is None else DONE
            self._close(Outcome("history", state, "", time.monotonic() - began))
        else:
            self._script("history", "1_fetch_all_history.py", "--import", *given.paths)

    def _examples(self) -> None:
        given = self.options
        declared = ("--declare", given.declare) if given.declare else ()
        base = given.base_model or self.profile.base
        self._script(
            "examples",
            "2_prepare_training_data.py",
            *("--keep", "--name", self._name, "--base", base, *declared),
            *("--max_length", str(max(self.profile.max_length, 256))),
        )

    def _train(self) -> None:
        self._trained(self._script("train", "3_train_model.py", "--mode", "all", *self._numbers()))

    def _sample(self) -> None:
        self._script("sample", "2b_sample_rejected.py", "--name", self._name, "--model", self.gguf)

    def _preference(self) -> None:
        """The version that was trained before is judged first: the new one has to be better."""
        if not self._why_skipped("judge"):
            self._judge()
        made = ("--mode", "all", "--preference", self.options.preference, *self._numbers())
        self._trained(self._script("preference", "3_train_model.py", *made))

    def _judge(self) -> None:
        self._judged("judge", PERSONALITY, "4_evaluate_personality.py")

    def _audit(self) -> None:
        more = ("--dataset", self._name, "--profile", self.options.profile)
        self._judged("audit", AUDIT, "4b_audit_leaks.py", *more)

    def _deploy(self) -> None:
        if lacks := self.lacks():
            self._close(Outcome("deploy", FAILED, lacks))
        else:
            self._script("deploy", "6_manage_models.py", "deploy", self.version, is_told=False)

    # -- how ----------------------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return str(self.options.name)

    def _numbers(self) -> list[str]:
        """What the training is told of this run's options."""
        given = self.options
        told = {
            "dataset": self._name,
            "name": self._name,
            "profile": given.profile,
            "base_model": given.base_model,
            "backend": given.backend,
            "limit": given.limit,
            "epochs": given.epochs,
            "ftype": given.ftype,
            "max-size-gb": given.max_size_gb,
        }
        named = {f"--{name}": str(value) for name, value in told.items() if value is not None}
        return [*chain(*named.items()), *(["--auto-fit"] if given.auto_fit else [])]

    def _trained(self, made: StepResult) -> None:
        self.version, self.gguf = str(made.value["version"]), str(made.value["gguf"])

    def _judged(self, step: str, kind: str, script: str, *more: str) -> None:
        """Have the version tested, unless it was."""
        if any(one.kind == kind for one in self._registry(lambda r: r.evaluations(self.version))):
            self._close(Outcome(step, KEPT, self._said_of(kind)))
        else:
            what = ("--version", self.version, *more)
            self._script(step, script, *what, said=partial(self._said_of, kind))

    def _said_of(self, kind: str) -> str:
        """What came of a test of the version."""
        gates = self._registry(lambda registry: registry.gates(self.version))
        return next((str(gate.said) for gate in gates if gate.name == kind), "")

    def lacks(self) -> str:
        """What bars the version from being deployed; "" where nothing does."""
        version = self._registry(lambda registry: registry.get(self.version))
        gates = self._registry(lambda registry: registry.gates(self.version))
        barred = f"it learned from {version.tainted_because}: start this again"
        return "; ".join(filter(None, (barred * version.is_barred, lacking(gates))))

    def is_deployed(self) -> bool:
        """Whether the version answers now."""
        version: ModelVersion = self._registry(lambda registry: registry.get(self.version))
        return version.status == "deployed"

    def _registry(self, ask: Callable[[ModelRegistry], Any]) -> Any:
        with Database.open(self.home.database, backups=self.home.backups) as database:
            return ask(ModelRegistry(database, self.home))

    def _script(
        self,
        step: str,
        script: str,
        *arguments: str,
        is_told: bool = True,
        refused: Callable[[StepResult], str] = lambda made: "",
        said: Callable[[], str] = lambda: "",
    ) -> StepResult:
        """Run a step's script; `said` is told of it. Raises StepError where it fails, or `refused`
        gives a reason; its status 1 alone is a step's own "no", and no failure."""
        self._begin(step)
        told = ["--events"] if is_told else []
        whole = [*arguments, "--home", str(self.home.root), "--json", *told]
        began = time.monotonic()
        made = run_step(script, whole, self.log_file, lambda event: self._heard(step, event))
        if made.status not in (0, 1) or not made.value:
            self._fail(step, made.last_words or f"{script} ended with status {made.status}.")
        if why := refused(made):
            self._fail(step, why)
        state = DONE if self.pace.was_made else KEPT
        self._close(Outcome(step, state, said(), time.monotonic() - began))
        return made

    def _begin(self, step: str) -> None:
        self._begun = step
        self.events.begin(step)
        self.pace.begin(step)

    @property
    def log_file(self) -> Path:
        """What the steps said for people."""
        return self.home.logs / "train_all.log"

    def _heard(self, step: str, event: dict[str, Any]) -> None:
        left_s = self.pace.hear(event)
        show(TITLES[step], event, left_s)
        if event["event"] in ("begin", "progress"):  # a part that begins is told without figures
            kept = {k: v for k, v in event.items() if k not in ("event", "stage")}
            is_last = event.get("step") == event.get("steps")
            self.events.progress(
                step, is_last=is_last, part=event.get("stage"), **{**kept, "all_left_s": left_s}
            )

    def _close(self, outcome: Outcome) -> None:
        """A step is over; one that there was nothing to do of begins and ends here."""
        if self._begun != outcome.name:
            self._begin(outcome.name)
        self._begun = ""
        self.outcomes.append(outcome)
        if outcome.state == DONE:
            self.pace.keep(outcome.name, outcome.seconds)
        is_made, told = outcome.state == DONE, {"state": outcome.state, "why": outcome.why}
        self.events.end(outcome.name, outcome.seconds, made=is_made, **told)
        end_line()
        took = f" ({in_words(outcome.seconds)})" if outcome.state == DONE else ""
        why = f": {outcome.why}" if outcome.why else ""
        say(f"{TITLES[outcome.name]}: {outcome.state}{took}{why}")

    def _fail(self, step: str, why: str) -> NoReturn:
        self._close(Outcome(step, FAILED))
        raise StepError(f"{why} (All that was said: {self.log_file})")


def lacking_here(made: StepResult) -> str:
    """What the look at this machine found missing, with remedies; "" for nothing."""
    lacks = [c for c in made.value.get("checks", ()) if c.get("state") == "lacks"]
    said = " ".join(f"{c['found'].rstrip('.')}. {c['remedy']}".strip() for c in lacks)
    return f"{said} (--skip environment goes on all the same)." if said else ""


def show(title: str, event: dict[str, Any], left_s: float | None) -> None:
    """One line that is rewritten on a terminal."""
    if not sys.stderr.isatty() or event["event"] != "progress":
        return
    parts = [title]
    if event.get("steps"):
        parts.append(f"{event.get('step', 0):,} of {event['steps']:,}")
    if event.get("loss") is not None:
        parts.append(f"loss {event['loss']:.3f}")
    if left_s is not None:
        parts.append(f"about {in_words(left_s)} left of all")
    print(f"\r{' · '.join(parts)}\033[K", end="", file=sys.stderr, flush=True)


def end_line() -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    arguments = parse_arguments()
    stop_when_terminated()
    home = find_home(arguments.home).ensure()
    began = time.monotonic()
    run = TrainAll(home, load(arguments.profile), arguments, Events(arguments.events))
    try:
        with FileLock(home.data_storage / "train_all.lock", timeout=0):
            run.log_file.write_text("", encoding="utf-8")
            run.run()
    except Timeout:
        say("A training is running in this home already: let it finish, or choose another --home.")
        return 2
    lacks = run.lacks()
    total_s = round(time.monotonic() - began, 1)
    if arguments.json:
        print(json.dumps(result_of(run, lacks, total_s), ensure_ascii=False))
    say(f"{run.version}: {lacks or ending(run)} ({in_words(total_s)} in all)")
    return 1 if lacks else 0


def ending(run: TrainAll) -> str:
    """What comes next."""
    if run.is_deployed():
        return "deployed; python scripts/rehearse.py run shows what it would say"
    return f"ready: python scripts/6_manage_models.py deploy {run.version}"


def result_of(run: TrainAll, lacks: str, total_s: float) -> dict[str, Any]:
    """What --json prints."""
    return {
        "version": run.version,
        "gguf": run.gguf,
        "lacks": lacks,
        "steps": [asdict(one) for one in run.outcomes],
        "total_s": total_s,
    }


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add_home(parser)
    add("--profile", default="rtx3070", help=f"{', '.join(shipped())}, or a YAML file")
    add(
        "--name",
        type=folder_name,
        help="of the training set and the model (default: the profile's, with -trial where --limit "
        "is given)",
    )
    history = parser.add_mutually_exclusive_group()
    history.add_argument("--import", dest="paths", nargs="+", metavar="PATH",
        help="files or folders of exports, first")  # fmt: skip
    history.add_argument("--sample", action="store_true", help="The Lantern, a sample, first")
    add("--declare", metavar="GROUND", help="why training on content from Discord is allowed")
    add("--preference", choices=("none", "dpo", "kto"), default="none",
        help="train on preferences too (experimental: deployed only if better)")  # fmt: skip
    add("--base_model", help="another base than the profile's: a name or a folder")
    add("--backend", choices=("trl", "unsloth"))
    add("--limit", type=int, metavar="N", help="train on so many examples only")
    add("--epochs", type=int, metavar="N")
    add("--auto-fit", action="store_true", help="take smaller settings where memory is short")
    add("--ftype", help="what the model is quantised to (default: the profile's)")
    add("--max-size-gb", type=float, metavar="GB", help="the best type that is no larger")
    add("--skip", choices=MAY_SKIP, action="append", default=[], help="leave a step out")
    add(
        "--audit", action="store_true", help="audit for leaks where the profile does not ask for it"
    )
    add("--deploy", action="store_true", help="let it answer, where it reached what was asked")
    add_json(parser, "one object with all steps on the last line")
    add_events(parser)
    arguments = parser.parse_args()
    of_profile = load(arguments.profile).name
    arguments.name = arguments.name or of_profile + ("-trial" if arguments.limit else "")
    return arguments


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
