"""Makes docs/images: every page of the window, in both themes, with a bot that lives on the tests'
stand-in for Discord and remembers the sample community.

And the report of a training set of the sample, as a browser shows it. Linux, with Xvfb, ImageMagick
(`import`, `convert`) and chromium. Takes about two minutes.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

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
SAID = (
    "anyone up for a raid tonight?|who took the last potion|brb dinner|that boss again lol|"
    "gg everyone|is the server down or is it me|new patch looks good|i was promised cake"
).split("|")


def furnish(home: Home) -> None:
    """The sample's history, two versions of a model, and a week of verdicts to draw."""
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
        for name, kind in (("demo-base", "base"), ("lantern-20261120-2140", "tuned")):
            registry.register(
                ModelVersion(
                    name,
                    kind,
                    "candidate",
                    str(gguf),
                    "0" * 64,
                    gguf.stat().st_size,
                    now_ms - DAY_MS,
                    "demo-base",
                    profile="demo",
                )
            )
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


def main() -> int:
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
            os.environ.update(environment(discord))
            photograph(home, discord)
            photograph_report(home)
    finally:
        display.terminate()
        display.wait(10)
    print(f"{len(list(IMAGES.glob('*.png')))} pictures in {IMAGES}")
    return 0


def photograph(home: Home, discord: StandInThread) -> None:
    """The window with its bot online, page after page."""
    from gui import appearance, pages, preferences
    from tests.gui.window import pump, rest, window

    with window(home, size=SIZE, errors_allowed=True) as shown:
        shown.supervisor.start()
        pump(shown, lambda: shown.app.snapshot.phase == "online", 60)
        talk(discord, lambda: rest(shown, 0.3))
        for theme in ("light", "dark"):
            appearance.apply(preferences.change(home, theme=theme))
            for name in pages.PAGES:
                shown.main.open_page(name)
                rest(shown, 2.0)
                take(f"{name.lower()}-{theme}", 0, 0, *SIZE)
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
