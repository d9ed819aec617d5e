"""Writes the card of models/demo-base: figures of its pretraining and ten uncurated replies, before and after.

    python launcher.py --demo --home DIR --say hello      makes a tuned version of the sample community
    python scripts/make_demo_card.py --home DIR           asks base and tuned, writes the card

The prompts stand in models/demo-base/prompts.txt and were committed before any training. Each is asked
once, first draw, seed 1, default settings, no memory, through the bot's own pipeline.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bot.composition import open_pipeline
from bot.platforms.local import say_once
from bot.recall import Recall
from scripts.edge import ending_in_a_sentence
from storage.database import Database
from storage.model_registry import ModelRegistry, RegistryError
from storage.paths import DEMO_BASE_DIR, Home, find_home
from storage.settings import Settings

CARD = """---
license: mit
tags: [mynah, demo]
---
# demo-base: the small base that ships with Mynah

A Qwen2-shaped language model of {parameters:.2f} M parameters with a byte-level BPE of its own ({vocabulary:,} tokens). It
exists so that the whole way from a history to a tuned regular can be walked in minutes on a laptop, and
for tests. It knows small talk of invented gaming communities and nothing else: it is no assistant and holds no facts.

## How it was made

`python scripts/make_demo_base.py` on {made}. Everything it read was written by `data/samples/`: {communities} invented
communities ({lines:,} lines) of other names, members, voices, games and seeds than the sample community The Lantern, whose
lines it has never seen. No downloaded weights, no real person's words.

| | |
|---|---|
| shape | {layers} layers, hidden {hidden}, MLP {mlp}, {heads} heads, {kv_heads} key-value heads, tied embeddings |
| data | {windows:,} windows of talk in Mynah's chat layout, loss on every token |
| tokens seen | {tokens:,} ({passes} passes over the corpus) |
| steps | {steps:,} of about {step_tokens:,} tokens, AdamW, peak rate {rate} |
| time | {minutes:.0f} min on one core |
| training loss at the end | {train_loss:.3f} nats a token (running mean) |
| held-out loss | {held_out_loss:.3f} nats a token, on 200 windows of a community of another seed |
| GGUF | {gguf_name}, {gguf_mb:.1f} MB, Q4_K_M, sha256 {gguf_sha256} |

## Ten prompts, uncurated

The prompts were fixed before training (`prompts.txt`). Each reply is the first draw with seed 1 and default settings, in a fresh
chat without memory: *before* is this base, *after* is `{tuned}`, fine-tuned on The Lantern by the demo profile.

| prompt | before | after |
|---|---|---|
{rows}
"""


def main() -> int:
    replies = ask_both(find_home(parse_arguments().home))
    card = DEMO_BASE_DIR / "README.md"
    card.write_text(written(replies), encoding="utf-8")
    print(f"written to {card}", file=sys.stderr)
    return 0


def ask_both(home: Home) -> dict[str, object]:
    """The tuned version's id, and a (prompt, before, after) for each prompt."""
    prompts = (DEMO_BASE_DIR / "prompts.txt").read_text(encoding="utf-8").splitlines()
    with Database.open(home.database, backups=home.backups) as database:
        registry = ModelRegistry(database, home)
        tuned = registry.deployed()
        if tuned is None or tuned.kind != "tuned":
            raise RegistryError("No tuned version is deployed there: run the demo in this home.")
        base = next(DEMO_BASE_DIR.glob("*.gguf"))
        files = (base, registry.path(tuned))
        rows = [
            (prompt, *(answer(home, database, file, prompt, number) for file in files))
            for number, prompt in enumerate(prompts)
        ]
    return {"tuned": tuned.version_id, "rows": rows}


def answer(home: Home, database: Database, gguf: Path, prompt: str, number: int) -> str:
    """One reply in a chat of its own."""
    settings = Settings({"seed": 1, "recall_enabled": False})
    with open_pipeline(
        home,
        database,
        gguf,
        label="card",
        number=100 + number,
        recall=Recall(database),
        settings=settings,
    ) as pipeline:
        sent = asyncio.run(say_once(pipeline, prompt))
    return sent.text if sent else "(nothing that may be sent)"


def written(replies: dict[str, object]) -> str:
    """The card's text."""
    figures = json.loads((DEMO_BASE_DIR / "figures.json").read_text(encoding="utf-8"))
    config, report = figures["config"], figures["report"]
    rows = replies["rows"]
    assert isinstance(rows, list)
    return CARD.format(
        parameters=report["parameters"] / 1e6,
        vocabulary=config["vocab_size"],
        made=figures["made"],
        communities=figures["communities"],
        lines=figures["lines"],
        layers=config["layers"],
        hidden=config["hidden_size"],
        mlp=config["intermediate_size"],
        heads=config["heads"],
        kv_heads=config["kv_heads"],
        windows=figures["windows"],
        tokens=report["tokens"],
        passes=report["passes"],
        steps=report["steps"],
        step_tokens=config["tokens_a_step"],
        rate=config["learning_rate"],
        minutes=report["seconds"] / 60,
        train_loss=report["train_loss"],
        held_out_loss=report["held_out_loss"],
        gguf_name=figures["gguf"]["name"],
        gguf_mb=figures["gguf"]["size_bytes"] / 1e6,
        gguf_sha256=figures["gguf"]["sha256"],
        tuned=replies["tuned"],
        rows="\n".join("| " + " | ".join(cell(text) for text in row) + " |" for row in rows),
    )


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", "<br>")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--home", help="a home in which the demo has run (default: MYNAH_HOME, else here)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
