"""Has a tuned model write the rejected replies that a training set's pairs still lack.

    python scripts/2b_sample_rejected.py                       with the deployed model
    python scripts/2b_sample_rejected.py --model my.gguf --name small --limit 500

Script 2 finds pairs of a well and a badly received reply; where nobody said anything worse, the
prompt waits in preference_prompts.jsonl. Here the model that was tuned on the set answers it, and
the pair goes to preference_data.jsonl. A reply that is empty, has no end, is too long or says what
the chosen one says is drawn again, four times at most. Start it again at any time: it goes on where
it was. Ctrl-C or SIGTERM end it, and what is written by then is in the set.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from filelock import FileLock, Timeout
from tqdm import tqdm

from data.consent import check_dataset_may_train
from data.forgetting import alone
from data.rejected import (
    MAX_REPLY_TOKENS,
    MOST_TOKENS,
    TEMPERATURE,
    SamplingOptions,
    sample_rejected,
    writer,
)
from data.report.page import render_report
from data.sampled import NotSampledError
from model import trained_on
from model.inference import Engine
from scripts.edge import add_home, add_json, ending_in_a_sentence, folder_name, stop_when_terminated
from scripts.erasures import finish_erasing
from scripts.events import Events, add_events
from storage.database import Database
from storage.manifest import read_manifest
from storage.model_registry import ModelRegistry
from storage.paths import Home, find_home

STAGE = "sampling"
"""What its events call it."""


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
    add("--model", type=Path, metavar="GGUF", help="who writes (default: the deployed model)")
    add("--limit", type=_count, metavar="N", help="at most N prompts this time")
    add("--seed", type=int, default=0, help="draws the replies (default: 0)")
    add("--temperature", type=_temperature, default=TEMPERATURE, metavar="T",
        help=f"of the draws, 0.1-2 (default: {TEMPERATURE:g}, the model as it is)")  # fmt: skip
    add("--threads", type=int, default=0, metavar="N",
        help="to compute with (default: one a physical core)")  # fmt: skip
    add_json(parser, "end with the figures as one line of JSON")
    add_events(parser)
    return parser.parse_args()


def run(home: Home, database: Database, arguments: argparse.Namespace) -> dict[str, object]:
    """Sample under a lock; the figures. Raises MynahError."""
    began = time.monotonic()
    folder = home.datasets / arguments.name
    check_dataset_may_train(folder, database)
    gguf = find_model(home, database, arguments.model)
    options = SamplingOptions(arguments.seed, arguments.temperature)
    events = Events(arguments.events)
    events.begin(STAGE)
    try:
        with FileLock(home.data_storage / "sampling.lock", timeout=0):
            counts = sample(home, database, folder, gguf, options, arguments, events)
    except Timeout:
        raise NotSampledError(
            f"Another process is sampling for a set of {home.root} already: let it finish."
        ) from None
    check_dataset_may_train(folder, database)
    with alone(home):
        render_report(folder, database)
    seconds = time.monotonic() - began
    events.end(STAGE, seconds)
    return {"folder": str(folder), "model": str(gguf), "seconds": round(seconds, 2), **counts}


def sample(
    home: Home,
    database: Database,
    folder: Path,
    gguf: Path,
    options: SamplingOptions,
    arguments: argparse.Namespace,
    events: Events,
) -> dict[str, int]:
    """Load the model and complete the prompts."""
    manifest = read_manifest(folder)
    longest = int(manifest.config.get("max_tokens", MOST_TOKENS)) if manifest else MOST_TOKENS
    context_tokens = longest + MAX_REPLY_TOKENS
    with (
        Engine.load(gguf, context_tokens=context_tokens, threads=arguments.threads) as engine,
        tqdm(desc="sampling", file=sys.stderr, unit=" replies", leave=False, disable=None) as bar,
    ):
        refuse_tainted(database, engine.sha256, gguf)

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)
            events.progress(STAGE, step=done, steps=total, is_last=done == total)

        return sample_rejected(
            folder,
            writer(engine, options),
            engine.sha256,
            options,
            limit=arguments.limit,
            progress=show,
            alone=lambda: while_untainted(home, database, engine.sha256, gguf),
        )


def find_model(home: Home, database: Database, named: Path | None) -> Path:
    """The GGUF that was named, else the deployed one. Raises NotSampledError."""
    if named is not None:
        if not named.is_file():
            raise NotSampledError(f"--model {named} is no file.")
        return named
    registry = ModelRegistry(database, home)
    version = registry.deployed()
    if version is None:
        raise NotSampledError(
            "No model is deployed here: name one with --model PATH.gguf, or train one with "
            "python scripts/3_train_model.py and deploy it."
        )
    return registry.path(version)


@contextmanager
def while_untainted(home: Home, database: Database, sha256: str, gguf: Path) -> Iterator[None]:
    """What was written comes into the set while nobody erases, and not if somebody was erased
    meanwhile whom the model learned from. Raises NotSampledError, ForgettingBusyError."""
    with alone(home):
        refuse_tainted(database, sha256, gguf)
        yield


def refuse_tainted(database: Database, sha256: str, gguf: Path) -> None:
    """What a model says that learned what is erased is not written down."""
    learned = trained_on.read(gguf.parent)
    if (learned is not None and learned.lost) or any(
        version.sha256 == sha256 and version.tainted_because
        for version in database.model_versions()
    ):
        raise NotSampledError(
            f"{gguf.name} learned from messages that are erased now, so nothing it says is "
            "kept. Train anew with python scripts/3_train_model.py, then sample from that."
        )


def in_words(report: dict[str, object]) -> str:
    """The figures for people."""
    failed = f", {report['failed']:,} without a fitting reply" if report["failed"] else ""
    left = f", {report['left']:,} to go: start it again" if report["left"] else ""
    return (
        f"{report['added']:,} pairs added{failed}{left}.\n{report['folder']} ({report['seconds']} "
        "s)"
    )


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("a whole number from 1 up")
    return int(text)


def _temperature(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 2:
        raise argparse.ArgumentTypeError("a number from 0.1 to 2")
    return value


if __name__ == "__main__":
    sys.exit(
        ending_in_a_sentence(
            main,
            failed="Nothing more could be sampled; what was written before is in the set",
            stopped="Stopped. What was written is in the set; start it again to go on.",
        )
    )
