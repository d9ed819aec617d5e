"""Prepares a training set from the imported history: examples, preferences and a report.

    python scripts/2_prepare_training_data.py
    python scripts/2_prepare_training_data.py --declare "open data, CC-BY-4.0"
    python scripts/2_prepare_training_data.py --limit 2000 --name small
    python scripts/2_prepare_training_data.py --name two --target Pip=mira,bob --target Ann=kai

The history is cleaned, who answers whom is found, and examples are made in the layout that the bot
serves: from all members together as one persona, or with --target from some as personas of their
own. Members' shares are evened out, what was well or badly received becomes preferences, and
dataset_report.html shows it all. The same history, options and seed give the same files; but where
scikit-learn is installed (it comes with what training needs), who answers whom is learned from the
community's own replies besides, and the examples are slightly others ("links_learned_here").

Whose words it may learn from is the setting consent_mode. Content that came from Discord (its API
or an exporter's file) needs a ground besides, recorded once with your user name and the time:
--declare, which also sets consent_mode to declared where nothing else was chosen. See
docs/consent.md. Nothing leaves this machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tqdm import tqdm

from data.budget import EstimatedTokenizer
from data.consent import check_dataset_may_train, declare
from data.dataset import REPORT_FILE, DatasetOptions, is_made_from, make_dataset
from data.emoji_weights import EmojiWeights
from data.personas import Personas, PersonaText
from data.report.page import PAGE_FILE
from data.style.card import make_style_card
from data.whole_persona import training_persona
from data.windows import WindowOptions
from model.base_models import find_base
from model.chat_format import Tokenizer
from model.tokenizers import TransformersTokenizer, VocabularyFile
from scripts.edge import add_home, add_json, ending_in_a_sentence, folder_name, stop_when_terminated
from scripts.erasures import finish_erasing
from scripts.events import Events, add_events
from storage.database import Database
from storage.errors import MynahError
from storage.model_registry import ModelRegistry
from storage.paths import DEMO_BASE_DIR, Home, find_home
from storage.records import community_name
from storage.settings import Settings, load

ESTIMATE = "an estimate of four characters a token: no model's vocabulary was found"


STAGE = "examples"
"""What its events call it."""


class BaseError(MynahError):
    """The base that was named has no vocabulary that could be read."""


def main() -> int:
    arguments = parse_arguments()
    stop_when_terminated()
    home = find_home(arguments.home).ensure()
    with Database.open(home.database, backups=home.backups) as database:
        finish_erasing(home, database)
        report = run(home, database, arguments)
    print(in_words(report))
    if arguments.json:
        print(json.dumps(report, ensure_ascii=False))
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add_home(parser)
    add("--name", type=folder_name, default="default", help="the set's folder (default: default)")
    add("--seed", type=int, default=0, help="draws contexts, notes and the split (default: 0)")
    add("--max_length", type=_tokens, default=1024, metavar="TOKENS",
        help="longest example, persona and reply included, 256-32768 (default: 1024)")  # fmt: skip
    add("--limit", type=_count, metavar="N", help="at most N examples, drawn from all")
    add("--declare", metavar="GROUND", help="why training on content from Discord is allowed")
    add("--base", metavar="BASE",
        help="what will be trained, for counting tokens: a base's name (download_base.py list), "
        "its folder or its GGUF (default: the deployed model, else demo-base)")  # fmt: skip
    add("--persona-name", help="who the model is trained to be (default: the setting)")
    add("--target", type=_target, action="append", default=[], metavar="NAME=MEMBER[,MEMBER...]",
        help="learn a persona from these members alone, by name or id; may be given again "
        "(default: one persona, from all)")  # fmt: skip
    add("--keep", action="store_true", help="make nothing where the set is there, of the same "
        "history and options")  # fmt: skip
    add_json(parser, "end with the report as one line of JSON")
    add_events(parser)
    return parser.parse_args()


def run(home: Home, database: Database, arguments: argparse.Namespace) -> dict[str, Any]:
    """Make the set; its report. Raises MynahError."""
    began = time.monotonic()
    events = Events(arguments.events)
    events.begin(STAGE)
    if arguments.declare is not None:
        declare(database, arguments.declare)
    settings, warnings = load(database.config_rows())
    for warning in warnings:
        say(warning)
    folder = home.datasets / arguments.name
    with tokenizer_of(counting_base(home, database, arguments.base)) as (tokenizer, counted_by):
        if isinstance(tokenizer, EstimatedTokenizer):
            say(f"Token counts are {counted_by}. --base names one.")

        def asked_for() -> tuple[PersonaText, DatasetOptions]:
            persona, personas = personas_of(home, database, arguments, settings)
            windows = WindowOptions(arguments.seed, arguments.max_length, arguments.limit)
            emoji = EmojiWeights.of(home)
            return persona, DatasetOptions(
                windows, token_counts_by=counted_by, personas=personas, emoji_weights=emoji
            )

        is_there = arguments.keep and is_made_from(folder, database, *asked_for())
        if is_there:
            report = json.loads((folder / REPORT_FILE).read_text(encoding="utf-8"))
        else:
            with progress_bar(events) as progress:
                make_style_card(home, database, progress=progress)
            persona, options = asked_for()
            with progress_bar(events) as progress:
                report = make_dataset(database, folder, tokenizer, persona, options, progress)
    check_dataset_may_train(folder, database)
    events.end(STAGE, time.monotonic() - began, made=not is_there)
    return {"folder": str(folder), "seconds": round(time.monotonic() - began, 2), **report}


def personas_of(
    home: Home, database: Database, arguments: argparse.Namespace, settings: Settings
) -> tuple[PersonaText, Personas | None]:
    """Who the set is for, and who is learned as whom where targets were named. Raises
    PersonaError."""
    server = community_name(database.channels())

    def text_of(name: str) -> str:
        most = arguments.max_length
        return training_persona(home, settings, name=name, server=server, max_tokens=most)

    name = arguments.persona_name or settings.text("persona_name")
    persona = PersonaText(name, text_of(name))
    if not arguments.target:
        return persona, None
    return persona, Personas.of_targets(arguments.target, database.members(), text_of)


def counting_base(home: Home, database: Database, named: str | None) -> Path | None:
    """Whose vocabulary counts the tokens: the base named, the deployed model, or the demo base.

    Raises NoSuchBaseError.
    """
    if named is not None:
        base = find_base(named, home)
        return _gguf_in(base) or base
    registry = ModelRegistry(database, home)
    version = registry.deployed()
    if version is not None and registry.path(version).is_file():
        return registry.path(version)
    return _gguf_in(DEMO_BASE_DIR)


@contextmanager
def tokenizer_of(base: Path | None) -> Iterator[tuple[Tokenizer, str]]:
    """The tokenizer and what the report calls it. Raises BaseError."""
    if base is None:
        yield EstimatedTokenizer(), ESTIMATE
    elif base.is_dir():
        from transformers import AutoTokenizer

        try:
            loaded = AutoTokenizer.from_pretrained(str(base), local_files_only=True)
        except (OSError, ValueError) as error:
            raise BaseError(f"{base} holds neither a GGUF file nor a tokenizer.") from error
        yield TransformersTokenizer(loaded), f"the tokenizer of {base.name}"
    else:
        try:
            vocabulary = VocabularyFile(base)
        except ValueError as error:
            raise BaseError(f"{error}; name another with --base.") from error
        with vocabulary:
            yield vocabulary.tokenizer, f"the vocabulary of {base.name}"


@contextmanager
def progress_bar(events: Events) -> Iterator[Any]:
    """A bar a step on stderr, and the same as events."""
    bar: tqdm[Any] | None = None
    current = ""

    def show(step: str, done: int, total: int) -> None:
        nonlocal bar, current
        if bar is None or step != current:
            if bar is not None:
                bar.close()
            current = step
            bar = tqdm(
                desc=step, total=total, file=sys.stderr, unit=" lines", leave=False, disable=None
            )  # no bar where stderr is a file
        bar.update(done - bar.n)
        events.progress(STAGE, what=step, step=done, steps=total)

    try:
        yield show
    finally:
        if bar is not None:
            bar.close()


def in_words(report: dict[str, Any]) -> str:
    """The report for people."""
    lines = []
    for what in ("messages", "examples"):
        counted = report[what]
        lines.append(f"{what}: {counted['in']:,} in, {counted['kept']:,} kept")
        lines += [f"    {n:>9,}  {reason}" for reason, n in counted["dropped"].items()]
    if report["redactions"]:
        found = ", ".join(f"{n:,} {what}" for what, n in report["redactions"].items())
        lines.append(f"personal data replaced: {found}")
    for side in ("training", "validation"):
        own = report[side]
        lines.append(
            f"{side}: {own['examples']:,} examples, {own['tokens']:,} tokens "
            f"({own['learned_tokens']:,} learned), half up to {own['tokens_p50']}, "
            f"nine tenths up to {own['tokens_p90']}; notes in {own['share_with_notes']:.0%}"
        )
    lines += _choice_in_words(report)
    consent = report["consent"]
    declared = f"; {consent['declared']}" if consent["declared"] else ""
    lines.append(f"consent_mode {consent['mode']}: {consent['coverage']}{declared}")
    lines += [f"    {n:>9,}  {reason}" for reason, n in consent["left_out"].items()]
    if not report["validation"]["examples"]:
        lines.append("The history is too short to set a tenth aside: there is no validation set.")
    lines.append(f"{Path(report['folder']) / PAGE_FILE} shows it ({report['seconds']} s)")
    return "\n".join(lines)


def _choice_in_words(report: dict[str, Any]) -> list[str]:
    """Who answers whom, whose replies they are, and how they were received."""
    links = report["links"]
    linked = ", ".join(f"{how} {n / sum(links.values()):.0%}" for how, n in links.items())
    shares = list(report["blend"]["members"].values())
    before, after = (
        max((one[when] for one in shares), default=0.0) for when in ("before", "after")
    )
    lines = [
        f"{report['conversations']:,} conversations; lines were linked by: {linked}",
        f"replies of {report['members']['count']:,} members; the largest share was {before:.0%} "
        f"and is {after:.0%}",
    ]
    if gave_way := report["blend"]["gave_way"]:
        lines.append(f"to keep enough, these gave way: {'; '.join(gave_way)}")
    preferences = report["preferences"]
    well, badly, pairs, to_sample = (
        sum(side)
        for side in (
            (one["well"] for one in preferences["kto"].values()),
            (one["badly"] for one in preferences["kto"].values()),
            preferences["pairs"].values(),
            preferences["to_sample"].values(),
        )
    )
    lines.append(
        f"preferences: {well:,} well and {badly:,} badly received replies, {pairs:,} pairs, "
        f"{to_sample:,} prompts to sample for. {preferences['remark']}".rstrip()
    )
    return lines


def _gguf_in(path: Path) -> Path | None:
    found = sorted(path.glob("*.gguf")) if path.is_dir() else []
    return found[0] if found else None


def _target(text: str) -> tuple[str, tuple[str, ...]]:
    name, _, members = text.partition("=")
    named = tuple(one.strip() for one in members.split(",") if one.strip())
    if not name.strip() or not named:
        raise argparse.ArgumentTypeError("a persona's name, =, and its members: Pip=mira,bob")
    return name.strip(), named


def _tokens(text: str) -> int:
    if not text.isdigit() or not 256 <= int(text) <= 32768:
        raise argparse.ArgumentTypeError("a whole number from 256 to 32768")
    return int(text)


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("a whole number from 1 up")
    return int(text)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(
        ending_in_a_sentence(
            main,
            failed="The set could not be made and nothing was kept of it",
            stopped="Stopped. Nothing was kept of the set.",
        )
    )
