"""Makes docs/images: every page of the window, in both themes, with a bot that lives on the tests'
stand-in for Discord and remembers the sample community.

    python scripts/make_screenshots.py                     all of them
    python scripts/make_screenshots.py rehearsal home      those

The rehearsal is a real one, of a day of the sample with the small base. `report` is the report of a
training set of the sample, as a browser shows it. Linux, with Xvfb, ImageMagick (`import`,
`convert`) and chromium. Takes about three minutes.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.modules["PIL"] = None  # type: ignore[assignment]

from data.importers.importing import import_paths
from data.samples.lantern import write_lantern
from scripts.edge import ending_in_a_sentence
from storage.database import Database
from storage.model_registry import ModelRegistry
from storage.paths import DEMO_BASE_DIR, PROGRAM_DIR, Home
from storage.records import ModelVersion, Origin, VerdictRow
from tests.discord_stand_in.stand_in import StandInThread
from tests.live.process import environment, make_home

IMAGES = PROGRAM_DIR / "docs" / "images"
SIZE = (1000, 680)
REPORT_SIZE = (1000, 1640)
DAY_MS = 24 * 3_600_000
REHEARSED = ("the-hearth", "raid-table", "dice-night")
MODELS = (
    ("demo-base", "base", 0.0),
    ("lantern-20261120-2140", "tuned", 88.4),
    ("lantern-20261127-0910", "tuned", 79.2),
)
"""Name, kind, and the score of its personality."""
SAID = (
    "anyone up for a raid tonight?|who took the last potion|brb dinner|that boss again lol|"
    "gg everyone|is the server down or is it me|new patch looks good|i was promised cake"
).split("|")


def furnish(home: Home) -> None:
    """The sample's history, three versions of a model, and a week of verdicts to draw."""
    chance = random.Random(5)
    now_ms = time.time_ns() // 1_000_000
    with (
        tempfile.TemporaryDirectory() as folder,
        Database.open(home.database, backups=home.backups) as database,
    ):
        write_lantern(Path(folder))
        import_paths(database, [Path(folder)], origin=Origin.SAMPLE, quarantine=home.quarantine)
        gguf = next(DEMO_BASE_DIR.glob("*.gguf"))
        registry = ModelRegistry(database, home)
        for days, (name, kind, score) in enumerate(MODELS):
            own = home.finetuned / f"{name}.gguf"
            file = shutil.copyfile(gguf, own) if score else gguf
            registry.register(
                ModelVersion(
                    name,
                    kind,
                    "candidate",
                    str(file),
                    "0" * 64,
                    gguf.stat().st_size,
                    now_ms - (9 - days) * DAY_MS,
                    "demo-base",
                    profile="demo",
                    deploy_at=85.0 if score else None,
                    audit_needed=bool(score),
                )
            )
            if score:
                passed = score >= 85.0
                registry.record_evaluation(name, "personality", score, 85.0, passed, {})
                registry.record_evaluation(name, "audit", None, None, True, {})
        rows = []
        for number in range(4_000):
            at_ms = now_ms - int(chance.random() ** 1.5 * 7 * DAY_MS)
            replies = chance.random() < 0.06
            rows.append(
                VerdictRow(
                    message_id=(number + 1) << 22,
                    channel_id=1 << 30,
                    at_ms=at_ms,
                    verdict="reply" if replies else "silent",
                    reason="you mentioned it" if replies else "not addressed",
                    outcome="sent" if replies else "",
                    total_s=chance.lognormvariate(0.6, 0.5) if replies else 0.0,
                )
            )
        database.record_verdicts(rows, cursor=False)


def rehearse(home: Home) -> None:
    """The busiest days of the sample, and what its owner said to some of it."""
    with Database.open(home.database, backups=home.backups) as database:
        named = {channel.name: channel.channel_id for channel in database.channels()}
    chosen = [word for name in REHEARSED for word in ("--channel", str(named[name]))]
    _rehearse(home, "run", *chosen, "--rate", "0.6")
    with Database.open(home.database, backups=home.backups) as database:
        run = database.rehearsal()
        rows = [row for row in database.rehearsed(run.rehearsal_id) if row.is_spoken]
        answers = ("yes", "yes", "no", "yes", "too_much", "yes")
        given = zip(rows, answers, strict=False)
        database.answer_rehearsed({row.rehearsed_id: one for row, one in given}, run.began_at_ms)


def _rehearse(home: Home, *arguments: str) -> None:
    script = PROGRAM_DIR / "scripts" / "rehearse.py"
    subprocess.run([sys.executable, str(script), *arguments, "--home", str(home.root)], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="home, rehearsal, logs, report ... (default: all)")
    wanted = frozenset(parser.parse_args().names)
    IMAGES.mkdir(parents=True, exist_ok=True)
    read, write = os.pipe()
    display = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x1024x24"],
        pass_fds=(write,),
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as answer:
        os.environ["DISPLAY"] = f":{answer.readline().strip()}"
    try:
        with tempfile.TemporaryDirectory() as folder, StandInThread() as discord:
            home = make_home(Path(folder) / "home", discord, response_rate=0.05)
            furnish(home)
            if not wanted or "rehearsal" in wanted:
                rehearse(home)
            os.environ.update(environment(discord))
            if wanted != {"report"}:
                photograph(home, discord, wanted)
            if not wanted or "report" in wanted:
                photograph_report(home)
    finally:
        display.terminate()
        display.wait(10)
    print(f"{len(list(IMAGES.glob('*.png')))} pictures in {IMAGES}")
    return 0


def photograph(home: Home, discord: StandInThread, wanted: Collection[str]) -> None:
    """The window with its bot online, page after page; those `wanted`, all where that is empty."""
    from gui import appearance, pages, preferences
    from tests.gui.window import pump, rest, window

    with window(home, size=SIZE, errors_allowed=True) as shown:
        shown.supervisor.start()
        pump(shown, lambda: shown.app.snapshot.phase == "online", 60)
        talk(discord, lambda: rest(shown, 0.3))
        for theme in ("light", "dark"):
            appearance.apply(preferences.change(home, theme=theme))
            for name in pages.PAGES:
                if wanted and name.lower() not in wanted:
                    continue
                let_speak(shown, name != "Rehearsal")
                shown.main.open_page(name)
                rest(shown, 2.0)
                take(f"{name.lower()}-{theme}", 0, 0, *SIZE)
            if wanted and "logs" not in wanted:
                continue
            shown.open_logs()
            rest(shown, 2.0)
            logs = next(w for w in shown.root.winfo_children() if "logs" in str(w).lower())
            logs.lift()
            rest(shown, 0.5)
            box = (logs.winfo_rootx(), logs.winfo_rooty(), logs.winfo_width(), logs.winfo_height())
            take(f"logs-{theme}", *box)
            logs.destroy()
        shown.supervisor.stop()
        pump(shown, lambda: shown.app.snapshot.pid is None, 30)


def let_speak(shown: Any, speaks: bool) -> None:
    """Whether the bot speaks in public: on the rehearsal's picture it does not yet."""
    from tests.gui.window import pump

    shown.app.set_setting("speaks_in_public", "on" if speaks else "off")
    pump(shown, lambda: shown.app.may_speak is speaks, 20)


def photograph_report(home: Home) -> None:
    """Its first screen, in both themes: script 2 renders it with the set."""
    prepare = PROGRAM_DIR / "scripts" / "2_prepare_training_data.py"
    subprocess.run([sys.executable, str(prepare), "--home", str(home.root)], check=True)
    page = home.datasets / "default" / "dataset_report.html"
    for theme, scheme in (("light", 1), ("dark", 0)):
        file = IMAGES / f"report-{theme}.png"
        size = f"--window-size={REPORT_SIZE[0]},{REPORT_SIZE[1]}"
        scheme_flag = f"--blink-settings=preferredColorScheme={scheme}"
        quiet = ("--headless", "--no-sandbox", "--hide-scrollbars", "--force-device-scale-factor=1")
        command = ["chromium", *quiet, size, scheme_flag, f"--screenshot={file}", page.as_uri()]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        subprocess.run(["convert", str(file), "+dither", "-colors", "128", str(file)], check=True)


def talk(discord: StandInThread, wait: Callable[[], None]) -> None:
    world = discord.world
    people = [world.alice.id, world.bob.id, world.carol.id]
    for number in range(16):
        text = SAID[number % len(SAID)]
        if number % 4 == 3:
            text = f"<@{discord.bot_id}> {text}"
        world.say(world.general.id, people[number % 3], text)
        wait()


def take(name: str, x: int, y: int, width: int, height: int) -> None:
    crop = f"{width}x{height}+{x}+{y}"
    file = IMAGES / f"{name}.png"
    command = [
        "import",
        "-window",
        "root",
        "-crop",
        crop,
        "+repage",
        "+dither",
        "-colors",
        "128",
        str(file),
    ]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
