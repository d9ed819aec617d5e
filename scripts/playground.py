"""Talks with one or two model versions as the bot would, without Discord: JSON lines in and out.

Made for the window's playground; docs/user-guide.md shows it. What is said is stored as the
playground's, and neither recalled nor learned from.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Coroutine, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bot.composition import (
    model_to_answer_with,
    open_pipeline,
    open_recall,
    stored_settings,
)
from bot.messages import Trace
from bot.model_change import Model
from bot.pipeline import Pipeline
from bot.playground import Conversation, told
from scripts.edge import add_home, ending_in_a_sentence
from storage.database import Database
from storage.errors import MynahError
from storage.model_registry import ModelRegistry
from storage.paths import Home, find_home
from storage.settings import Settings, load

PROTOCOL = """\
lines in:
  {"say": "hello"}     one line to every version
  {"again": true}      the last reply is taken back and its line asked once more
  {"clear": true}      a new conversation
lines out:
  {"loading": "lantern-20261120-2140", "number": 1, "of": 2}
  {"ready": ["lantern-20261120-2140", "demo-base"], "load_s": 0.8}
  {"side": 0, "version": ..., "reply": ..., "verdict": ..., "notes": [...], "prompt_tokens": ...,
   "evaluated_tokens": ..., "reply_tokens": ..., "attempts": ..., "guard": ..., "timings_s": {...},
   "total_s": ...}     a line a version; "reply" is null where it says nothing
  {"side": 0, "version": ..., "error": "a sentence"}
  {"done": "say"}      all versions have answered; the next line is read
  {"error": "a sentence"}   that line was none of the above

Ends with its input. Exit status: 0 done, 2 a model could not be loaded, with a sentence.
"""

MOST_VERSIONS = 2
FIRST_NUMBER = 20
"""Of the channels of this conversation; a demo in another terminal has lower ones."""


class NoSuchRequestError(MynahError):
    """The line asks for nothing that is known here."""


@dataclass(frozen=True)
class Voice:
    """One version that talks."""

    version: str
    pipeline: Pipeline
    conversation: Conversation


class Playground:
    """The versions, loaded, and what may be asked of them."""

    def __init__(self, voices: Sequence[Voice], database: Database) -> None:
        self._voices = voices
        self._database = database
        self._loop = asyncio.new_event_loop()

    def close(self) -> None:
        self._loop.close()

    def take(self, line: str) -> None:
        """Carry out one line of the input and print the answers."""
        try:
            request = _request(line)
            if "say" in request:
                self._all(lambda voice: voice.conversation.say(request["say"]))
            elif "again" in request:
                self._all(lambda voice: voice.conversation.again())
            else:
                for voice in self._voices:
                    self._loop.run_until_complete(voice.conversation.clear())
            tell({"done": next(iter(request))})
        except NoSuchRequestError as error:
            tell({"error": str(error)})

    def _all(self, ask: Any) -> None:
        """One after the other: together each would have half of the processor."""
        settings, _ = load(self._database.config_rows())
        for side, voice in enumerate(self._voices):
            voice.pipeline.settings = settings
            tell({"side": side, "version": voice.version, **self._answer(ask(voice))})

    def _answer(self, asking: Coroutine[Any, Any, Trace]) -> dict[str, Any]:
        try:
            return told(self._loop.run_until_complete(asking))
        except MynahError as error:
            return {"error": str(error)}


def _request(line: str) -> dict[str, Any]:
    """One of {"say": text}, {"again": true}, {"clear": true}. Raises NoSuchRequestError."""
    try:
        request = json.loads(line)
    except ValueError:
        request = None
    if isinstance(request, dict) and len(request) == 1:
        [(name, value)] = request.items()
        if name == "say" and isinstance(value, str) and value.strip():
            return request
        if name in ("again", "clear") and value is True:
            return request
    raise NoSuchRequestError('A line is {"say": TEXT}, {"again": true} or {"clear": true}.')


def tell(value: dict[str, Any]) -> None:
    print(json.dumps(value, ensure_ascii=False), flush=True)


def files_of(
    home: Home, database: Database, settings: Settings, versions: Sequence[str]
) -> list[tuple[str, Model]]:
    """Name and file of each version; "" is what the bot answers with. Raises MynahError."""
    registry = ModelRegistry(database, home)
    found: list[tuple[str, Model]] = []
    for version_id in versions:
        if version_id:
            found.append((version_id, registry.path(registry.get(version_id))))
        else:
            found.append(model_to_answer_with(home, database, settings))
    return found


def run(home: Home, database: Database, versions: Sequence[str]) -> int:
    """Load, then answer until the input ends."""
    settings = stored_settings(database)
    files = files_of(home, database, settings, versions)
    with ExitStack() as stack:
        began_s, voices = time.perf_counter(), []
        recall = stack.enter_context(open_recall(home, database, settings))
        for number, (version, gguf) in enumerate(files):
            tell({"loading": version, "number": number + 1, "of": len(files)})
            opening = open_pipeline(
                home,
                database,
                gguf,
                label=f"{version}-{number}",
                number=FIRST_NUMBER + number,
                recall=recall,
                settings=settings,
            )
            pipeline = stack.enter_context(opening)
            voices.append(Voice(version, pipeline, Conversation(pipeline, database)))
        load_s = round(time.perf_counter() - began_s, 3)
        playground = Playground(voices, database)
        stack.callback(playground.close)
        tell({"ready": [voice.version for voice in voices], "load_s": load_s})
        for line in sys.stdin:
            if line.strip():
                playground.take(line)
    return 0


def main() -> int:
    arguments = build_parser().parse_args()
    versions = list(dict.fromkeys(arguments.version or [""]))
    if len(versions) > MOST_VERSIONS:
        raise NoSuchRequestError(f"At most {MOST_VERSIONS} versions fit beside each other.")
    home = find_home(arguments.home).ensure()
    with Database.open(home.database, backups=home.backups) as database:
        return run(home, database, versions)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=PROTOCOL, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_home(parser)
    parser.add_argument(
        "--version",
        action="append",
        metavar="ID",
        help='a version as scripts/6_manage_models.py lists it, once or twice; "" (the default) is '
        "what the bot answers with",
    )
    return parser


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
