"""First light: from a history to a tuned regular that answers in this terminal, step by step.

Called by `launcher.py --demo`, inside the environment. Every step leaves a manifest and is skipped
when it was done from the same inputs, so an interrupted run goes on where it was and a second start
comes to a reply within seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from filelock import FileLock, Timeout

from bot.composition import open_pipeline, open_recall, stored_settings
from bot.platforms.local import Side, Terminal
from data.consent import Rules, coverage, declare, remedy
from data.dataset import is_current
from data.personas import PersonaText
from data.whole_persona import training_persona
from model.forge import Run, is_finished
from model.profile import load
from scripts.edge import add_home, add_json, ending_in_a_sentence
from scripts.erasures import finish_erasing
from scripts.history import bring_history, sample_files
from storage import manifest
from storage.database import Database
from storage.errors import MynahError
from storage.gates import lacking
from storage.model_registry import ModelRegistry
from storage.paths import DEMO_BASE_DIR, PROGRAM_DIR, Home, find_home
from storage.records import ModelVersion, Origin, community_name

DEMO = load("demo")
DATASET = "demo"
FIRST_WORDS = "anyone up for a raid tonight?"


class DemoError(MynahError):
    """The demo cannot go on; the sentence says what to do."""


@dataclass
class Clock:
    """Seconds of each step that had to be done, for the closing line and --json."""

    started: float = field(default_factory=time.monotonic)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str, title: str) -> Iterator[None]:
        say(f"{title} ...")
        before = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - before, 1)

    @property
    def total_s(self) -> float:
        return round(time.monotonic() - self.started, 1)


def main() -> int:
    arguments = parse_arguments()
    try:
        home = find_home(arguments.home).ensure()
        with (
            FileLock(home.data_storage / "demo.lock", timeout=0),
            Database.open(home.database, backups=home.backups) as database,
        ):
            finish_erasing(home, database)
            return Demo(home, database, arguments).run()
    except Timeout:
        say("The demo is running in this home already: let it finish, or choose another --home.")
        return 2


class Demo:
    """The steps in their order; each looks for its own result first."""

    def __init__(self, home: Home, database: Database, arguments: argparse.Namespace) -> None:
        self._home = home
        self._database = database
        self._registry = ModelRegistry(database, home)
        self._paths = [Path(p).expanduser().resolve() for p in arguments.paths or []]
        self._ground: str | None = arguments.declare
        self._say: str | None = arguments.say
        self._json: bool = arguments.json
        self._clock = Clock()

    def run(self) -> int:
        """History, base, first reply, training, chat."""
        self._bring_history()
        base = self._register_base()
        with self._memory_in_background():
            tuned = self._trained()
            if tuned is None:
                self._first_reply(base)
                if self._may_train():
                    tuned = self._train()
                elif self._say is not None:
                    raise DemoError("Nothing was trained, so there is no tuned model to ask.")
            if tuned is not None:
                self._let_answer(tuned)
            return self._answer_once() if self._say is not None else self._chat(base)

    # -- history ------------------------------------------------------------------------------

    def _bring_history(self) -> None:
        """The sample community or the user's exports in the database; once for the same files.

        A home holds one or the other: invented people are never mixed with real ones.
        """
        origins = self._database.origins() - {Origin.PLAYGROUND}
        if not self._paths and origins - {Origin.SAMPLE}:
            return  # go on with what this home holds
        origin = Origin.EXPORT if self._paths else Origin.SAMPLE
        before = time.monotonic()
        files = self._paths or sample_files(self._home)
        summary = bring_history(self._home, self._database, files, origin)
        if summary is None:
            return
        self._clock.seconds["import"] = round(time.monotonic() - before, 1)
        say(
            f"  {summary.messages:,} messages of {summary.members:,} members in "
            f"{len(summary.channels)} channels; {len(summary.skipped)} files were no export, "
            f"{summary.quarantined} records unusable"
        )

    # -- base ---------------------------------------------------------------------------------

    def _register_base(self) -> ModelVersion:
        """The small base's ready GGUF in the registry; deployed where nothing else is."""
        ggufs = sorted(DEMO_BASE_DIR.glob("*.gguf"))
        if not ggufs:
            raise DemoError(f"{DEMO_BASE_DIR} holds no GGUF: the program's download is incomplete.")
        sha256 = manifest.sha256_file(ggufs[0])
        version = self._registry.register(
            ModelVersion(
                version_id=f"demo-base-{sha256[:8]}",
                kind="base",
                status="candidate",
                gguf_path=str(ggufs[0]),
                sha256=sha256,
                size_bytes=ggufs[0].stat().st_size,
                created_at_ms=time.time_ns() // 1_000_000,
                base=DEMO_BASE_DIR.name,
                notes="ships with the program",
            )
        )
        if self._registry.deployed() is None:
            version = self._registry.deploy(version.version_id)
        return version

    def _first_reply(self, base: ModelVersion) -> None:
        """Something to read within seconds: the base, which knows nothing of this community yet."""
        words = self._say or FIRST_WORDS
        with (
            self._clock.step("first reply", "A first reply, of the small base as it ships"),
            open_pipeline(
                self._home, self._database, self._registry.path(base), label="first", number=9
            ) as pipeline,
        ):
            trace = asyncio.run(Side("first", pipeline).say(words))
        say(f"  you: {words}\n  base: {trace.sent.text if trace.sent else '(silence)'}")

    # -- training -----------------------------------------------------------------------------

    @property
    def _dataset(self) -> Path:
        return self._home.datasets / DATASET

    def _examples_are_current(self) -> bool:
        settings = stored_settings(self._database)
        name, server = settings.text("persona_name"), community_name(self._database.channels())
        most = DEMO.max_length
        text = training_persona(self._home, settings, name=name, server=server, max_tokens=most)
        persona = PersonaText(name, text)
        return is_current(self._dataset, self._database, persona, most)

    def _trained(self) -> ModelVersion | None:
        """The version made from the history as it is now, and judged, or None."""
        run = Run.at(self._home, DATASET)
        if not self._examples_are_current():
            return None
        if not is_finished(run, DEMO_BASE_DIR, self._dataset, DEMO):
            return None
        sha256 = run.gguf_sha256()
        version = next((v for v in self._registry.list() if v.sha256 == sha256), None)
        return version if version and self._registry.evaluations(version.version_id) else None

    def _may_train(self) -> bool:
        """Whether some of this history may be learned from; asks once for a ground where it needs
        one."""
        if self._ground is not None:
            declare(self._database, self._ground)
        if self._some_may_be_learned_from():
            return True
        if self._say is not None or Rules.of(self._database).is_declared or not sys.stdin.isatty():
            return False
        say("Your ground (Enter for none: then Mynah only remembers):")
        ground = sys.stdin.readline().strip()
        if not ground:
            return False
        declare(self._database, ground)
        return self._some_may_be_learned_from()

    def _some_may_be_learned_from(self) -> bool:
        """Whether something may be learned from; where not, it is said why."""
        rules = Rules.of(self._database)
        covered = coverage(self._database, rules.mode, rules.is_declared)
        if not covered.left_out or covered.messages_learned_from:
            return True
        say(remedy(covered.left_out))
        return False

    def _train(self) -> ModelVersion:
        """Examples, adapter, merged model, GGUF, checks, registry, judge: scripts/train_all.py."""
        with self._clock.step("training", "Training, which is the longest part"):
            output = run_script(
                "train_all.py",
                *("--home", str(self._home.root), "--name", DATASET, "--profile", DEMO.name),
                *("--skip", "environment", "--json"),
                may_end_with=(0, 1),
            )
        return self._registry.get(str(json.loads(output.splitlines()[-1])["version"]))

    def _let_answer(self, tuned: ModelVersion) -> None:
        """Deploy it, once, where it reached what the profile asks for."""
        if self._registry.get(tuned.version_id).status not in ("candidate", "judged"):
            return
        if lacks := lacking(self._registry.gates(tuned.version_id)):
            say(f"{tuned.version_id} is not deployed, and what answered before goes on: {lacks}.")
            return
        self._registry.deploy(tuned.version_id)
        say(f"Deployed {tuned.version_id}. {self._clock.total_s:.0f} s so far.")

    @contextmanager
    def _memory_in_background(self) -> Iterator[None]:
        """Vectors of what was said, the newest first, in a process of its own meanwhile.

        At the end it is asked to stop; the next start goes on where it was.
        """
        log_file = self._home.logs / "build_memory.log"
        with log_file.open("w", encoding="utf-8") as log:
            process = start_script(
                *("5_build_memory.py", "--home", str(self._home.root)),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            try:
                yield
            finally:
                process.terminate()
                try:
                    process.wait(timeout=10)
                except subprocess.TimeoutExpired:
                    process.kill()

    # -- talk ---------------------------------------------------------------------------------

    def _answer_once(self) -> int:
        """One reply of the deployed model as the last line."""
        assert self._say is not None
        version = self._registry.deployed()
        assert version is not None
        with open_pipeline(
            self._home, self._database, self._registry.path(version), label="say", number=1
        ) as pipeline:
            trace = asyncio.run(Side("say", pipeline).say(self._say))
        if trace.sent is None:
            raise DemoError(f"There is no reply: {trace.guard or trace.verdict}. Ask again.")
        say(f"{version.version_id} answers after {self._clock.total_s:.1f} s:")
        if self._json:
            result = {
                "reply": trace.sent.text,
                "version": version.version_id,
                "kind": version.kind,
                "sha256": trace.model_sha256,
                "notes": [note.text for note in trace.notes],
                "prompt_tokens": trace.prompt_tokens,
                "reply_tokens": trace.reply_tokens,
                "reply_s": round(trace.total_s, 3),
                "step_s": self._clock.seconds,
                "total_s": self._clock.total_s,
            }
            print(json.dumps(result, ensure_ascii=False))
        else:
            print(" / ".join(trace.sent.text.splitlines()))
        return 0

    def _chat(self, base: ModelVersion) -> int:
        """Base and deployed version side by side, until the person leaves."""
        deployed = self._registry.deployed() or base
        versions = {"base": base} | ({"tuned": deployed} if deployed.sha256 != base.sha256 else {})
        with ExitStack() as stack:
            settings = stored_settings(self._database)
            recall = stack.enter_context(open_recall(self._home, self._database, settings))
            sides = [
                Side(
                    label,
                    stack.enter_context(
                        open_pipeline(
                            self._home,
                            self._database,
                            self._registry.path(version),
                            label=label,
                            number=number,
                            recall=recall,
                            settings=settings,
                        )
                    ),
                )
                for number, (label, version) in enumerate(versions.items(), start=2)
            ]
            say(f"Ready after {self._clock.total_s:.1f} s.")
            asyncio.run(Terminal(sides).run())
        return 0


def run_script(name: str, *arguments: str, may_end_with: Collection[int] = (0,)) -> str:
    """Run a step in a process of its own; its progress goes to stderr. Raises DemoError.

    Ctrl-C reaches the step too: it is waited for, so that it can put away what it has half-made.
    """
    process = start_script(name, *arguments, stdout=subprocess.PIPE)
    try:
        output, _ = process.communicate()
    except KeyboardInterrupt:
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=30)
        process.kill()
        raise
    if process.returncode == 130:
        raise KeyboardInterrupt
    if process.returncode not in may_end_with:
        raise DemoError(f"The step {name} did not finish; what it said stands above.")
    return str(output)


def start_script(name: str, *arguments: str, **streams: Any) -> subprocess.Popen[str]:
    """Start one of the scripts in this environment, speaking UTF-8 whatever the locale."""
    return subprocess.Popen(
        [sys.executable, str(PROGRAM_DIR / "scripts" / name), *arguments],
        stdin=subprocess.DEVNULL,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "PYTHONUTF8": "1"},
        **streams,
    )


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add_home(parser)
    add("--say", metavar="TEXT", help="no chat: print one reply to TEXT as the last line")
    add_json(parser, "with --say: the last line is an object with figures")
    add("--import", dest="paths", nargs="+", metavar="PATH", help="your exports, files or folders")
    add("--declare", metavar="GROUND", help="why training on content from Discord is allowed")
    arguments = parser.parse_args()
    if arguments.json and arguments.say is None:
        parser.error("--json goes with --say")
    return arguments


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
