"""Measures cleaning, conversations and examples on a home that holds an imported history.

The set is made for real, in a temporary folder. Rates count the messages that went in. History from
Discord needs its declaration first: scripts/2_prepare_training_data.py --declare.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.budget import EstimatedTokenizer
from data.dataset import DatasetOptions, PersonaText, make_dataset
from data.windows import WindowOptions
from model.chat_format import Tokenizer
from model.tokenizers import VocabularyFile
from scripts.edge import add_home, add_json, ending_in_a_sentence
from scripts.peak_memory import peak_rss_mb
from storage.database import Database
from storage.paths import find_home


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    add_home(parser)
    parser.add_argument("--max_length", type=int, default=1024, metavar="TOKENS")
    parser.add_argument("--base", type=Path, metavar="GGUF", help="count tokens by its vocabulary")
    add_json(parser, "one object on the last line")
    arguments = parser.parse_args()
    if arguments.base is None:
        result = measure(EstimatedTokenizer(), arguments)
    else:
        with VocabularyFile(arguments.base) as vocabulary:
            result = measure(vocabulary.tokenizer, arguments)
    if arguments.json:
        print(json.dumps(result))
    else:
        print("\n".join(f"{name}: {value:,}" for name, value in result.items()))
    return 0


def measure(tokenizer: Tokenizer, arguments: argparse.Namespace) -> dict[str, float]:
    home = find_home(arguments.home)
    persona = PersonaText("Mynah", "You are Mynah, a regular of this server.")
    options = DatasetOptions(WindowOptions(max_tokens=arguments.max_length))
    with (
        Database.open(home.database, backups=home.backups) as database,
        tempfile.TemporaryDirectory(prefix="mynah-bench-") as folder,
    ):
        began, cpu_began = time.monotonic(), time.process_time()
        made = Path(folder) / "set"
        report = make_dataset(database, made, tokenizer, persona, options)
        seconds = time.monotonic() - began
        cpu_seconds = time.process_time() - cpu_began
        size_bytes = sum(path.stat().st_size for path in made.iterdir())
    return {
        "messages": report["messages"]["in"],
        "examples": report["examples"]["kept"],
        "tokens": report["training"]["tokens"] + report["validation"]["tokens"],
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu_seconds, 2),
        "messages_per_s": round(report["messages"]["in"] / seconds),
        "set_mb": round(size_bytes / 1e6),
        "peak_rss_mb": round(peak_rss_mb()),
    }


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
