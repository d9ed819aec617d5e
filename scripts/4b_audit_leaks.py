"""Asks a trained model whether it gives away what somebody wrote; the last gate before it answers.

    python scripts/4b_audit_leaks.py --version lantern-20261120-2140
    python scripts/4b_audit_leaks.py --model my.gguf --dataset lantern --profile rtx3070
    python scripts/4b_audit_leaks.py --version ... --show      the words that were found, here alone

It trains once more, with made-up secrets among the set, to see what a training like this one keeps:
that takes as long as the training did, and goes on where it was cut off. Nothing of that model is
kept. Then the model's own file is made to go on with lines that it learned, and to answer; what it
says is compared with the whole history, and with what its base says. --quick takes few examples and
canaries, in a minute or two: it finds what is coarse, and opens no gate where one is needed.

Written are audit.json and audit.html: figures and ids of messages, nobody's words. Exit status: 0
passed, 1 not passed, 2 it could not be done.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from filelock import FileLock, Timeout
from tqdm import tqdm

from bot.guard import guard
from bot.guarding.surroundings import Surroundings
from bot.messages import Allowed
from data.consent import check_dataset_may_train
from data.known_personal import KnownPersonal
from data.report.page import write_private
from data.verbatim import LEAST_TOKENS, Span, longest_span
from data.whole_history import WholeHistory, cleaned_messages, learned_replies
from model import audit
from model.audit import Audit, Finding
from model.auditing import audit_run, extraction, page, replies
from model.auditing.audit_run import AuditRun
from model.auditing.canaries import Row
from model.auditing.speaking import FindSpan, Speaker, Spoken
from model.chat_format import Said
from model.inference import Engine
from model.judging.replies import HeldOut
from model.judging.writing import written_by
from scripts.audit_subject import AuditError, Subject, base_gguf, find_subject
from scripts.edge import add_home, add_json, ending_in_a_sentence, folder_name, stop_when_terminated
from scripts.erasures import finish_erasing
from scripts.events import Events, add_events
from scripts.stopped_bot import bot_makes_room
from storage import manifest
from storage.database import Database
from storage.model_registry import ModelRegistry
from storage.paths import Home, find_home
from storage.records import MessageRecord

CANARIES, EXTRACTION, REPLIES = "canaries", "extraction", "replies"
"""Its stages, as its events call them."""
BEGINNINGS, ASKED = 60, 100
QUICK_BEGINNINGS, QUICK_ASKED, QUICK_EXAMPLES = 8, 12, 80
REPLY_TOKENS = 128


def main() -> int:
    arguments = parse_arguments()
    stop_when_terminated()
    home = find_home(arguments.home).ensure()
    try:
        with (
            FileLock(home.data_storage / "audit.lock", timeout=0),
            Database.open(home.database, backups=home.backups) as database,
        ):
            finish_erasing(home, database)
            made, out, seconds = run(home, database, arguments)
    except Timeout:
        raise AuditError("Another audit is running in this home: let it finish.") from None
    for finding in made.findings:
        print(f"{finding.name}: {finding.state}. {finding.said} {finding.to_do}".rstrip())
        for span in finding.spans if arguments.show else ():
            print(f"    {span.tokens} tokens of message {span.message_id}: {span.text!r}")
    print(f"{'Passed' if made.passed else 'Not passed'} ({seconds:.0f} s): {out / 'audit.html'}")
    if arguments.json:
        figures = {"passed": made.passed, "seconds": round(seconds, 1), "out": str(out)}
        print(json.dumps({**figures, **made.figures()}))
    return 0 if made.passed else 1


def run(home: Home, database: Database, arguments: argparse.Namespace) -> tuple[Audit, Path, float]:
    """Audit, write, record. Raises MynahError."""
    import datasets
    import torch
    import transformers

    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(arguments.threads)
    began = time.monotonic()
    subject = find_subject(home, database, arguments)
    check_dataset_may_train(subject.dataset_dir, database)
    auditing = Auditing(home, database, subject, arguments)
    made = Audit((auditing.canaries(), *auditing.what_it_says()), is_quick=arguments.quick)
    out = arguments.out or home.data_storage / "audits" / subject.name
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = json.dumps({"passed": made.passed, "seed": arguments.seed, **made.figures()}, indent=2)
    write_private(out / "audit.json", text)
    title = f"Leak audit of {subject.name}"
    write_private(out / "audit.html", page.page(made, title, lambda i: link_to(database, i)))
    record(home, database, subject, made, out)
    return made, out, time.monotonic() - began


class Auditing:
    """The parts of one audit, in their order."""

    def __init__(
        self, home: Home, database: Database, subject: Subject, arguments: argparse.Namespace
    ) -> None:
        self._home = home
        self._database = database
        self._subject = subject
        self._is_quick: bool = arguments.quick
        self._seed: int = arguments.seed
        self._threads: int = arguments.threads
        self._events = Events(arguments.events)

    def canaries(self) -> Finding:
        """Train the audit run and measure it; then it is gone."""
        subject, place = self._subject, self._home.models / "audits" / self._subject.name
        limit = min(subject.limit or QUICK_EXAMPLES, QUICK_EXAMPLES)
        run = AuditRun(self._home.data_storage / "audits" / f"{subject.name}.set", place)
        room = bot_makes_room(self._home, subject.base_dir, subject.profile, "sft")
        with room, self._stage(CANARIES) as told:
            trained = audit_run.train_and_measure(
                subject.base_dir,
                subject.dataset_dir,
                subject.profile,
                run,
                seed=self._seed,
                limit=limit if self._is_quick else subject.limit,
                is_quick=self._is_quick,
                on_progress=lambda progress: told(progress.step, progress.steps),
            )
            run.remove()
        return audit.judge_canaries(trained, is_quick=self._is_quick)

    def what_it_says(self) -> tuple[Finding, ...]:
        """Extraction, ordinary replies, personal data: of the model's file, and of its base."""
        training = self._subject.dataset_dir / "training_data.jsonl"
        heard = WholeHistory(self._messages(training))
        subject = self._subject
        made_with = subject.base_dir, subject.dataset_dir, subject.profile, subject.limit
        learned = audit_run.learned_rows(*made_with)
        judged = written_by(self._home.evaluations / subject.name, subject.sha256)
        count = QUICK_ASKED if self._is_quick else max(ASKED, len(judged))
        asked = replies.contexts(subject.dataset_dir, judged, count, self._seed)
        own = self._speak(subject.gguf, learned, asked, judged, heard)
        with base_gguf(self._home, self._database, subject) as gguf:
            base = self._speak(gguf, learned, asked, {}, heard)
        known = KnownPersonal(self._database.messages())
        said = [one for part in own for one in part]
        leaked = [k.message_id for one in said for k in known.said_in(one.text)]
        tried = len(own[0]) // len(extraction.WAYS)
        return (
            audit.judge_extraction(own[0], base[0], tried),
            audit.judge_replies(own[1], base[1], self._left_by_guard(own[1], heard)),
            audit.judge_personal(leaked, len(said), len(known)),
        )

    def _messages(self, training: Path) -> Iterator[MessageRecord]:
        yield from cleaned_messages(self._database)
        yield from learned_replies(training)

    def _speak(
        self,
        gguf: Path,
        learned: Sequence[Row],
        asked: Sequence[HeldOut],
        judged: Mapping[str, str],
        heard: WholeHistory,
    ) -> tuple[list[Spoken], ...]:
        """How a model goes on with what was learned, and what it replies."""
        room = self._subject.profile.max_length + REPLY_TOKENS
        with Engine.load(gguf, context_tokens=room, threads=self._threads) as engine:
            speaker = Speaker(engine, finder(heard, engine))
            count = QUICK_BEGINNINGS if self._is_quick else BEGINNINGS
            begun = extraction.beginnings(learned, engine.tokenizer, count, self._seed)
            with self._stage(EXTRACTION) as told:
                extracted = extraction.extract(speaker, begun, told)
            with self._stage(REPLIES) as told:
                answered = replies.answer(speaker, asked, judged, told)
        return extracted, answered

    def _left_by_guard(self, answered: Sequence[Spoken], heard: WholeHistory) -> int:
        """How many verbatim spans are left behind the guard."""
        made = manifest.read_manifest(self._subject.dataset_dir)
        name = str(made.config.get("persona_name", "")) if made is not None else ""
        left = 0
        for one in answered:
            if one.tokens < LEAST_TOKENS:
                continue
            names = {turn.name for turn in one.turns if isinstance(turn, Said)}
            around = Surroundings(one.persona, one.turns, (), self._database)
            verdict = guard(one.text, asked="", names=names, persona_name=name, surroundings=around)
            if isinstance(verdict, Allowed):
                view = [turn.text for turn in one.turns]
                left += longest_span(verdict.text, heard, view) is not None
        return left

    @contextmanager
    def _stage(self, stage: str) -> Iterator[Callable[[int, int], None]]:
        """What is called with how much is done, and of how much."""
        began = time.monotonic()
        self._events.begin(stage)
        with tqdm(desc=stage, file=sys.stderr, leave=False, disable=None) as bar:

            def told(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)
                self._events.progress(stage, step=done, steps=total, is_last=done == total)

            yield told
        self._events.end(stage, time.monotonic() - began)


def finder(heard: WholeHistory, engine: Engine) -> FindSpan:
    """Guard's definition of a span, on the whole history."""

    def find(text: str, in_view: Sequence[str]) -> Span | None:
        return longest_span(text, heard, in_view, engine.tokenizer)

    return find


def link_to(database: Database, message_id: int) -> str:
    """A message's address on Discord; "" where it is not stored."""
    found = database.messages_by_id([message_id])
    guilds = {one.channel_id: one.guild_id for one in database.channels()}
    if not found or found[0].channel_id not in guilds:
        return ""
    channel_id = found[0].channel_id
    return f"https://discord.com/channels/{guilds[channel_id]}/{channel_id}/{message_id}"


def record(home: Home, database: Database, subject: Subject, made: Audit, out: Path) -> None:
    """In the registry, where it knows the file. A quick audit opens no gate that is needed, nor
    does one with another set, profile or base than the version's own."""
    if subject.version is None:
        return
    if made.is_quick and (subject.version.audit_needed or subject.profile.audit.is_needed):
        print("A quick audit is not recorded: this profile asks for a whole one.", file=sys.stderr)
        return
    if what := subject.is_another:
        print(f"It is not recorded: this was an audit with {what}.", file=sys.stderr)
        return
    ModelRegistry(database, home).record_evaluation(
        subject.version.version_id,
        "audit",
        None,
        None,
        made.passed,
        made.figures(with_ids=False),
        out / "audit.html",
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add_home(parser)
    add("--version", metavar="ID", help="the model version that is audited")
    add("--model", type=Path, metavar="GGUF", help="or its file")
    add("--dataset", type=folder_name, metavar="NAME", help="its set (default: as on record)")
    add("--profile", help="a name or a YAML file (default: as on record)")
    add("--base_model", metavar="DIR", help="its base's folder (default: the profile's)")
    add("--quick", action="store_true", help="few examples and canaries: finds what is coarse")
    add("--show", action="store_true", help="print the words that were found, here alone")
    add("--seed", type=int, default=0, help="draws canaries, beginnings, contexts (default: 0)")
    add("--threads", type=int, default=1, metavar="N", help="to compute with (default: 1)")
    add("--out", type=Path, metavar="DIR",
        help="where the report goes (default: data_storage/audits/VERSION)")  # fmt: skip
    add_json(parser, "end with the figures as one line of JSON")
    add_events(parser)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(
        ending_in_a_sentence(main, stopped="Stopped. Start it again: the training goes on there.")
    )
