"""Judges how like the community's members a model writes: a score from 0 to 100, and a page.

    python scripts/4_evaluate_personality.py --version lantern-20261120-2140
    python scripts/4_evaluate_personality.py --model my.gguf --data DATASET_DIR --out DIR

It answers held-out talks as it would be served, and what it says is put beside what members said
there: told apart by a classifier, by length, words, habits, meaning, fit and more, each beside what
real replies reach against real ones (model/judging/score.py has the formula). Start it again at any
time: what was answered is kept. Written into --out:

    report.html      score, metrics beside their ceilings, worst replies, what to do about it
    model_card.md    what the model is, without anybody's words
    evaluation.json  all figures
    replies.jsonl    what it answered, beside the real replies

Or asks people, who see replies of both sorts and are not told which is which:

    python scripts/4_evaluate_personality.py --version ID --blind-sheet [OUT.html]
    python scripts/4_evaluate_personality.py --blind-score KEY.json ANSWERS.json...

The first makes one page for raters, which works offline, and its key; the second says how often
they told the model's replies (under 60% is aimed at) and how good they found them (4 of 5). That
is recorded and bars nothing.

Exit status: 0 passed (it scores what its training profile asks for, else 85), 1 not passed, 2 it
could not be judged. A registered version's result is kept in the registry, which asks for it before
it deploys; but not where it was judged by another set, another draw or fewer replies than its own,
or without an embedder: who tries often enough passes once. What lies in the home
(data_storage/evaluations) forgetting reaches; what you put elsewhere it does not.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from filelock import FileLock, Timeout
from tqdm import tqdm

from bot.composition import stored_settings
from bot.generate import sampling
from data.consent import check_dataset_may_train
from data.forgetting import alone
from data.report.page import TEMPLATES, write_private
from model.embedder import Embedder, EmbedderError, ready_embedder
from model.evaluate import EvaluationError
from model.judging.card import model_card
from model.judging.figures import figures
from model.judging.judge import Asked, Judgement, judge
from model.judging.page import FILE, Earlier, lower_than, report
from model.profile import ProfileError, load
from scripts.asking_people import FOLDER, score_answers, score_in_words, sheet_in_words, write_sheet
from scripts.edge import add_home, add_json, ending_in_a_sentence, stop_when_terminated
from scripts.erasures import finish_erasing
from scripts.events import Events, add_events
from scripts.model_origin import base_gguf, find_dataset, origin_of
from storage.database import Database
from storage.gates import PERSONALITY
from storage.manifest import (
    ADDED_LATER,
    Manifest,
    content_hash,
    read_manifest,
    sha256_file,
    write_text_atomically,
)
from storage.model_registry import ModelRegistry
from storage.paths import Home, find_home
from storage.records import ModelVersion

DEPLOY_AT = 85.0
"""Where no training profile asked for anything."""
REPLIES = 200
LEAST_REPLIES, MOST_REPLIES = 50, 500
ITEMS = 50
LEAST_ITEMS, MOST_ITEMS = 10, 250


@dataclass(frozen=True)
class Subject:
    """What is judged."""

    gguf: Path
    dataset_dir: Path
    dataset: Manifest
    version: ModelVersion | None
    folder: str
    """Its own below the evaluations."""
    out: Path
    needed: float
    replies: int
    not_kept: str
    """Why the registry does not keep its result, "" where it does."""

    @property
    def name(self) -> str:
        return self.version.version_id if self.version is not None else self.gguf.stem


def main() -> int:
    arguments = parse_arguments()
    stop_when_terminated()
    home = find_home(arguments.home).ensure()
    with Database.open(home.database, backups=home.backups) as database:
        finish_erasing(home, database)
        if arguments.blind_score:
            return score_blind(home, database, arguments)
        subject = find_subject(home, database, arguments)
        try:
            with FileLock(home.data_storage / "judging.lock", timeout=0):
                if arguments.blind_sheet is not None:
                    return make_blind(home, database, subject, arguments)
                found = run(home, database, subject, arguments)
        except Timeout:
            raise EvaluationError(
                f"Another process is judging a model of {home.root} already: let it finish."
            ) from None
        result = keep(home, database, subject, found)
    print(in_words(result), file=sys.stderr)
    if arguments.json:
        print(json.dumps(result, ensure_ascii=False))
    return 0 if result["passed"] else 1


def make_blind(
    home: Home, database: Database, subject: Subject, arguments: argparse.Namespace
) -> int:
    """Make a blind sheet. Raises MynahError."""
    asked = Asked(
        gguf=subject.gguf,
        dataset_dir=subject.dataset_dir,
        folder=home.evaluations / subject.folder / FOLDER,
        sampling=sampling(stored_settings(database), 0),
        seed=arguments.seed,
        context_tokens=int(subject.dataset.config.get("max_tokens", 1024)),
        threads=arguments.threads,
    )
    result = write_sheet(
        home,
        asked,
        arguments.items,
        subject.version.version_id if subject.version is not None else None,
        arguments.blind_sheet,
        Events(arguments.events),
        lambda: refuse_erased(home, database, subject),
    )
    print(sheet_in_words(result, arguments.items), file=sys.stderr)
    if arguments.json:
        print(json.dumps(result, ensure_ascii=False))
    return 0


def score_blind(home: Home, database: Database, arguments: argparse.Namespace) -> int:
    """What the raters of a blind sheet found. Raises MynahError."""
    result = score_answers(home, database, arguments.blind_score)
    print(score_in_words(result), file=sys.stderr)
    if arguments.json:
        print(json.dumps(result, ensure_ascii=False))
    return 0 if result["passed"] else 1


def find_subject(home: Home, database: Database, arguments: argparse.Namespace) -> Subject:
    """The model, by its version or its file; what it was made from. Raises MynahError."""
    registry = ModelRegistry(database, home)
    version = registry.get(arguments.version) if arguments.version else None
    gguf = arguments.model or (registry.path(version) if version is not None else None)
    if gguf is None:
        raise EvaluationError("Name what is judged: --version ID, or --model X.gguf --data DIR.")
    if not gguf.is_file():
        raise EvaluationError(f"There is no file {gguf}.")
    sha256 = sha256_file(gguf)
    if version is None:
        version = next((one for one in registry.list() if one.sha256 == sha256), None)
    elif version.sha256 != sha256:
        raise EvaluationError(f"{gguf} is another file than {version.version_id} is.")
    if version is not None and version.tainted_because:
        raise EvaluationError(
            f"{version.version_id} learned from messages that are erased now, so nothing it says "
            "is written down. Train a new one with python scripts/3_train_model.py."
        )
    dataset_dir = find_dataset(home, version, arguments.data)
    dataset = read_manifest(dataset_dir)
    if dataset is None:
        raise EvaluationError(f"{dataset_dir} is no complete training set.")
    if is_of_home(home, dataset_dir):
        check_dataset_may_train(dataset_dir, database)
    name = version.version_id if version is not None else f"{gguf.stem}-{sha256[:8]}"
    not_kept = why_not_kept(version, dataset_dir, arguments)
    return Subject(
        gguf,
        dataset_dir,
        dataset,
        version,
        name,
        arguments.out or home.evaluations / (f"{name}-tried" if not_kept else name),
        version.deploy_at if version is not None and version.deploy_at is not None else DEPLOY_AT,
        arguments.replies or asked_replies(version),
        not_kept,
    )


def why_not_kept(
    version: ModelVersion | None, dataset_dir: Path, arguments: argparse.Namespace
) -> str:
    """In what it is not judged as it has to be before it is deployed; "" where it is, or nobody
    asks for that."""
    if version is None or version.kind == "base":
        return ""
    asked, seed = asked_replies(version), getattr(arguments, "seed", 0)
    others = {
        f"by another set than it learned from ({dataset_dir.name})": (
            content_hash(dataset_dir, ADDED_LATER) != version.dataset_sha256
        ),
        f"with another draw (--seed {seed})": seed != 0,
        f"by fewer replies than {asked}": (arguments.replies or asked) < asked,
    }
    return next((what for what, is_so in others.items() if is_so), "")


def why_not_whole(version: ModelVersion | None, found: Judgement) -> str:
    """The same of what could not be measured: without an embedder nothing shows whether a reply
    fits what it answers."""
    seen = {one.metric.key for one in found.score.measured}
    is_asked = version is not None and version.kind != "base"
    return "without an embedder" if is_asked and "meaning" not in seen else ""


def asked_replies(version: ModelVersion | None) -> int:
    """As many as its training profile says, where that is one that ships."""
    try:
        return load(version.profile).judge.replies if version and version.profile else REPLIES
    except ProfileError:
        return REPLIES


def is_of_home(home: Home, folder: Path) -> bool:
    return home.datasets.resolve() in folder.resolve().parents


def run(
    home: Home, database: Database, subject: Subject, arguments: argparse.Namespace
) -> Judgement:
    """Judge, showing how far it is. Raises MynahError."""
    events = Events(arguments.events)
    subject.out.mkdir(mode=0o700, parents=True, exist_ok=True)
    began = time.monotonic()
    stage = ""
    with ExitStack() as stack:
        bar = stack.enter_context(
            tqdm(desc="judging", file=sys.stderr, unit="", leave=False, disable=None)
        )
        asked = Asked(
            gguf=subject.gguf,
            dataset_dir=subject.dataset_dir,
            folder=subject.out,
            sampling=sampling(stored_settings(database), 0),
            replies=subject.replies,
            seed=arguments.seed,
            context_tokens=int(subject.dataset.config.get("max_tokens", 1024)),
            base_gguf=base_gguf(home, database, subject.version),
            embed=open_embedder(home, stack, arguments.threads),
            threads=arguments.threads,
        )

        def show(now: str, done: int, total: int) -> None:
            nonlocal stage, began
            if now != stage:
                stage, began = now, time.monotonic()
                events.begin(stage)
                bar.set_description(stage)
            bar.total = total
            bar.update(done - bar.n)
            events.progress(stage, step=done, steps=total, is_last=done == total)
            if done == total:
                events.end(stage, time.monotonic() - began)

        return judge(asked, show)


def open_embedder(home: Home, stack: ExitStack, threads: int) -> Any:
    """What makes vectors of lines, or None with a word about it."""
    try:
        embedder = stack.enter_context(Embedder.load(ready_embedder(home), threads=threads))
    except EmbedderError as problem:
        print(f"Judging without an embedder: {problem}.", file=sys.stderr)
        return None
    return embedder.embed


def keep(home: Home, database: Database, subject: Subject, found: Judgement) -> dict[str, Any]:
    """Write the page, the card and the figures, and record them; what --json prints."""
    passed = found.score.value >= subject.needed
    earlier = earlier_than(ModelRegistry(database, home), subject.version)
    origin = origin_of(home, database, subject.gguf, subject.version, subject.dataset_dir)
    css = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    not_kept = subject.not_kept or why_not_whole(subject.version, found)
    result: dict[str, Any] = {
        "passed": passed,
        "not_kept": not_kept,
        "needed": subject.needed,
        **figures(found),
        "lower": lower_than(found.score.value, earlier),
        "version": subject.version.version_id if subject.version is not None else None,
        "dataset": subject.dataset_dir.name,
        "at_ms": time.time_ns() // 1_000_000,
    }
    with alone(home):
        refuse_erased(home, database, subject)
        page = report(found, origin, subject.needed, earlier, css)
        write_private(subject.out / FILE, page)
        write_text_atomically(
            subject.out / "model_card.md", model_card(found, origin, subject.needed)
        )
        text = json.dumps(result, indent=2, ensure_ascii=False) + "\n"
        write_text_atomically(subject.out / "evaluation.json", text)
    if subject.version is not None and not not_kept:
        ModelRegistry(database, home).record_evaluation(
            subject.version.version_id,
            PERSONALITY,
            found.score.value,
            subject.needed,
            passed,
            result,
            subject.out / FILE,
        )
    return {**result, "out": str(subject.out)}


def refuse_erased(home: Home, database: Database, subject: Subject) -> None:
    """What was erased while it was judged is not written down again. Raises EvaluationError."""
    if not is_of_home(home, subject.dataset_dir):
        return
    now = read_manifest(subject.dataset_dir)
    if now is None or now.files != subject.dataset.files:
        raise EvaluationError(
            "The training set was changed meanwhile (somebody was forgotten, or it was prepared "
            "again): start it again."
        )


def earlier_than(registry: ModelRegistry, version: ModelVersion | None) -> list[Earlier]:
    """How the versions that were trained before this one did, each as it was judged last."""
    until_ms = version.created_at_ms if version is not None else time.time_ns() // 1_000_000
    before = {
        one.version_id
        for one in registry.list()
        if one.kind == "tuned" and one.created_at_ms < until_ms
    }
    latest = {
        one.version_id: one
        for one in registry.evaluations()
        if one.kind == PERSONALITY and one.version_id in before and one.score is not None
    }
    return [
        Earlier(one.version_id, one.score or 0.0, one.needed, one.at_ms) for one in latest.values()
    ]


def in_words(result: dict[str, Any]) -> str:
    """The figures for people; a score that fell comes first."""
    lines = [str(result["lower"])] if result["lower"] else []
    if result["not_kept"]:
        lines.append(f"This opens no gate: it was judged {result['not_kept']}.")
    verdict = "it passes" if result["passed"] else "it does not pass"
    lines.append(
        f"Personality {result['score']:.1f} of 100, {result['needed']:g} needed: {verdict}. Real "
        f"replies score {result['real_score']:.1f} ({result['replies']} replies)."
    )
    costly = sorted(result["metrics"].values(), key=lambda one: one["share"])[:3]
    lines += [
        f"  {one['title']}: {one['distance']:.2f}, real against real {one['ceiling']:.2f}"
        for one in costly
        if one["share"] < 0.9
    ]
    return "\n".join([*lines, f"{result['out']}"])


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add_home(parser)
    add("--version", metavar="ID", help="a registered model; the others follow from it")
    add("--model", type=Path, metavar="GGUF", help="the file to judge")
    add("--data", type=Path, metavar="DIR", help="a training set (default: what it was made from)")
    add("--out", type=Path, metavar="DIR", help="default: data_storage/evaluations/VERSION")
    add("--replies", type=_replies, metavar="N",
        help=f"{LEAST_REPLIES}-{MOST_REPLIES} (default: as its profile says)")  # fmt: skip
    add("--seed", type=int, default=0, help="draws contexts and replies (default: 0)")
    add("--threads", type=int, default=0, metavar="N",
        help="to compute with (default: one a physical core)")  # fmt: skip
    people = parser.add_argument_group("asking people")
    only = people.add_mutually_exclusive_group()
    only.add_argument("--blind-sheet", nargs="?", const="", metavar="OUT.html",
        help="make one (default: data_storage/evaluations/VERSION/blind)")  # fmt: skip
    only.add_argument("--blind-score", nargs="+", type=Path, metavar="JSON",
        help="its key, then what each rater handed in")  # fmt: skip
    people.add_argument("--items", type=_items, default=ITEMS, metavar="N",
        help=f"replies of each sort, {LEAST_ITEMS}-{MOST_ITEMS} (default: {ITEMS})")  # fmt: skip
    add_json(parser, "end with the figures as one line of JSON")
    add_events(parser)
    return parser.parse_args()


def _replies(text: str) -> int:
    if not text.isdigit() or not LEAST_REPLIES <= int(text) <= MOST_REPLIES:
        raise argparse.ArgumentTypeError(f"a number from {LEAST_REPLIES} to {MOST_REPLIES}")
    return int(text)


def _items(text: str) -> int:
    if not text.isdigit() or not LEAST_ITEMS <= int(text) <= MOST_ITEMS:
        raise argparse.ArgumentTypeError(f"a number from {LEAST_ITEMS} to {MOST_ITEMS}")
    return int(text)


if __name__ == "__main__":
    sys.exit(
        ending_in_a_sentence(
            main, stopped="Stopped. What was answered is kept; start it again to go on."
        )
    )
