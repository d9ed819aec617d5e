"""First light: from a history to a tuned regular that answers in this terminal, step by step.

Called by `launcher.py --demo`, inside the environment. Every step leaves a manifest and is skipped
when it was done from the same inputs, so an interrupted run goes on where it was and a second start
comes to a reply within seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bot.composition import open_pipeline, open_recall, stored_settings
from bot.platforms.local import Side, Terminal
from data.consent import MayNotTrain, declare, may_train
from data.dataset import is_current
from data.importers.importing import import_paths
from model.forge import Run, is_finished
from model.profiles import DEMO
from storage import manifest
from storage.database import Database
from storage.errors import MynahError
from storage.model_registry import ModelRegistry
from storage.paths import DEMO_BASE_DIR, PROGRAM_DIR, Home, find_home
from storage.records import ModelVersion, Origin

DATASET = "demo"
FIRST_WORDS = "anyone up for a raid tonight?"
SAMPLE_FOLDER = "the-lantern"


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
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        home = find_home(arguments.home).ensure()
        with Database.open(home.database, backups=home.backups) as database:
            return Demo(home, database, arguments).run()
    except MynahError as error:
        say(str(error))
        return 2
    except OSError as error:
        say(
            f"The disk said no: {error}. Free some room or choose another --home, then start again."
        )
        return 2
    except KeyboardInterrupt:
        say("Stopped. What was finished stays; start again to go on.")
        return 130


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
            if not self._is_trained():
                self._first_reply(base)
                if self._may_train():
                    self._train()
                elif self._say is not None:
                    raise DemoError("Nothing was trained, so there is no tuned model to ask.")
            return self._answer_once() if self._say is not None else self._chat(base)

    # -- history ------------------------------------------------------------------------------

    def _bring_history(self) -> None:
        """The sample community or the user's exports in the database; once for the same files."""
        mark = self._home.data_storage / "steps" / "history"
        origin = Origin.EXPORT if self._paths else Origin.SAMPLE
        sample = self._home.messages / SAMPLE_FOLDER
        if not self._paths:
            if manifest.read_manifest(sample) is None:
                with self._clock.step("sample", "Writing the sample community, The Lantern"):
                    make_sample(sample)
            self._paths = [f for f in files_below(sample) if f.name != manifest.MANIFEST_NAME]
        inputs = {"files": [describe(f) for path in self._paths for f in files_below(path)]}
        found = manifest.read_manifest(mark)
        if found is not None and found.config == inputs:
            return
        with self._clock.step("import", "Importing"), manifest.making(mark) as folder:
            summary = import_paths(
                self._database, self._paths, origin=origin, quarantine=self._home.quarantine
            )
            if not any(channel.messages for channel in summary.channels.values()):
                raise DemoError(
                    f"No message was found there ({len(summary.skipped)} files were no export). "
                    "--import takes DiscordChatExporter's JSON files (.json, .json.gz) and folders."
                )
            if origin is Origin.SAMPLE:
                exclude_sample_members(self._database)
            counts = {"new": summary.new, "changed": summary.changed}
            manifest.write_manifest(folder, "history", inputs, counts)
        say(
            f"  {sum(c.messages for c in summary.channels.values()):,} messages of "
            f"{summary.members:,} members in {len(summary.channels)} channels; "
            f"{len(summary.skipped)} files were no export, {summary.quarantined} records unusable"
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

    def _is_trained(self) -> bool:
        """Whether a model was made from the history as it is, and something is deployed."""
        run = Run.at(self._home, DATASET)
        return (
            self._registry.deployed() is not None
            and is_current(self._dataset, self._database)
            and is_finished(run, DEMO_BASE_DIR, self._dataset, DEMO)
            and any(v.sha256 == run.gguf_sha256() for v in self._registry.list())
        )

    def _may_train(self) -> bool:
        """Whether this history may be learned from; asks for a ground once where it needs one."""
        origins = self._database.origins()
        if self._ground is not None and not self._database.declarations():
            declare(self._database, self._ground)
        verdict = may_train(origins, self._database.declarations())
        if not isinstance(verdict, MayNotTrain):
            return True
        say(verdict.reason)
        if self._say is None and sys.stdin.isatty():
            ground = input("Your ground (Enter for none: then Mynah only remembers): ").strip()
            if ground:
                declare(self._database, ground)
                return True
        return False

    def _train(self) -> None:
        """Examples, adapter, merged model, GGUF, checks, registry; then deployed."""
        if not is_current(self._dataset, self._database):
            with self._clock.step("examples", "Preparing examples"):
                run_script(
                    "2_prepare_training_data.py",
                    *("--home", str(self._home.root), "--name", DATASET),
                    *("--max_length", str(DEMO.max_length)),
                    *("--base", str(DEMO_BASE_DIR)),
                )
        with self._clock.step("training", "Fine-tuning, merging, converting, quantising, checking"):
            output = run_script(
                "3_train_model.py",
                *("--home", str(self._home.root), "--mode", "all", "--json"),
                *("--dataset", DATASET, "--profile", DEMO.name),
            )
        version_id = str(json.loads(output.splitlines()[-1])["version"])
        self._registry.deploy(version_id)
        say(f"Deployed {version_id}. {self._clock.total_s:.0f} s so far.")

    @contextmanager
    def _memory_in_background(self) -> Iterator[None]:
        """Vectors of what was said, the newest first, in a process of its own meanwhile.

        At the end it is asked to stop; the next start goes on where it was.
        """
        log_file = self._home.logs / "build_memory.log"
        with log_file.open("w", encoding="utf-8") as log:
            command = script_command("5_build_memory.py", "--home", str(self._home.root))
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
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


def make_sample(folder: Path) -> None:
    """The Lantern's export files, with a manifest."""
    from data.samples.lantern import write_lantern

    with manifest.making(folder) as making:
        files = write_lantern(making)
        manifest.write_manifest(making, "sample", {"name": "The Lantern"}, {"files": len(files)})


def exclude_sample_members(database: Database) -> None:
    """Two members of The Lantern do not want to be learned from."""
    from data.samples.lantern import EXCLUDED_MEMBER_IDS

    for member_id in EXCLUDED_MEMBER_IDS:
        database.set_excluded(int(member_id), True)


def files_below(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def describe(file: Path) -> list[object]:
    """What tells a changed export from the same one."""
    if not file.exists():
        raise DemoError(f"{file} does not exist.")
    stat = file.stat()
    return [str(file), stat.st_size, stat.st_mtime_ns]


def script_command(name: str, *arguments: str) -> list[str]:
    return [sys.executable, str(PROGRAM_DIR / "scripts" / name), *arguments]


def run_script(name: str, *arguments: str) -> str:
    """Run a step in a process of its own; its progress goes to stderr. Raises DemoError."""
    done = subprocess.run(
        script_command(name, *arguments), stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    if done.returncode == 130:
        raise KeyboardInterrupt
    if done.returncode:
        raise DemoError(f"The step {name} did not finish; what it said stands above.")
    return done.stdout


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--home", help="home folder (default: MYNAH_HOME, else the program's)")
    add("--say", metavar="TEXT", help="no chat: print one reply to TEXT as the last line")
    add("--json", action="store_true", help="with --say: the last line is an object with figures")
    add("--import", dest="paths", nargs="+", metavar="PATH", help="your exports, files or folders")
    add("--declare", metavar="GROUND", help="why training on content from Discord is allowed")
    arguments = parser.parse_args()
    if arguments.json and arguments.say is None:
        parser.error("--json goes with --say")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
