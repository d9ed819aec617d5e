"""Says whether a file is a model that Mynah can answer with, and with how many threads it computes
on this computer."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model.gguf_check import GgufError, check
from model.inference import Engine
from model.llama_runtime import SMALL_MODEL_BYTES
from model.thread_choice import Tuned
from model.thread_tuning import remember, remembered_for, shown, tune
from scripts.edge import ending_in_a_sentence, home_and_json
from storage.paths import Home, find_home

EXAMPLES = """\
examples:
  python scripts/check_model.py ~/Downloads/model-q4_k_m.gguf
  python scripts/check_model.py models/model-q4_k_m.gguf --tune

Reads the header alone, within bounds; the weights are loaded with --tune only. That takes the
memory the model needs and about ten seconds, and wants a computer that does nothing else
meanwhile. The setting `threads`, where it is not 0, goes before what was measured.
Exit status: 0 it can be used, 2 it cannot, with the reason.
"""
CONTEXT_TOKENS = 512


def look_at_model(path: Path) -> dict[str, Any]:
    """What the header says. Raises GgufError with a sentence."""
    try:
        header = check(path)
    except GgufError as error:
        raise GgufError(f"{error}. Choose another file.") from error
    return {
        "path": str(path),
        "name": header.name or path.stem,
        "architecture": header.architecture,
        "size_bytes": header.size_bytes,
        "parameters": header.parameter_count,
        "context_tokens": header.context_length,
    }


def tune_model(path: Path, home: Home, small_model_bytes: int = SMALL_MODEL_BYTES) -> Tuned:
    """Load the model, measure its threads and keep them in the home.

    Raises GgufError, LoadError.
    """
    with Engine.load(path, context_tokens=CONTEXT_TOKENS) as engine:
        tuned = tune(engine, small_model_bytes=small_model_bytes)
        remember(home.ensure().data_storage, engine, tuned)
    return tuned


def threads_of(tuned: Tuned | None) -> dict[str, Any]:
    """For --json: the figures, null where nothing is known, and the sentence."""
    sentence = shown(tuned) if tuned else "the threads are not measured yet"
    return {"threads": asdict(tuned) if tuned else None, "threads_shown": sentence}


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=EXAMPLES,
        parents=[home_and_json()],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("path", type=Path, help="a .gguf file")
    parser.add_argument(
        "--tune", action="store_true", help="measure how many threads it is fastest with here"
    )
    return parser


def main() -> int:
    """See EXAMPLES for the exit status."""
    arguments = build_parser().parse_args()
    path = arguments.path.expanduser().absolute()
    home = find_home(getattr(arguments, "home", None))
    found = look_at_model(path)
    tuned = tune_model(path, home) if arguments.tune else _known(path, home)
    found |= threads_of(tuned)
    if getattr(arguments, "json", False):
        print(json.dumps(found, ensure_ascii=False))
    else:
        print(
            f"{found['name']}: {found['architecture']}, {found['size_bytes'] / 1e6:,.0f} MB, ",
            end="",
        )
        print(f"{found['parameters'] / 1e6:,.0f} million parameters.")
        print(f"On this computer: {found['threads_shown']}.")
        if tuned is None:
            print("--tune measures them; so does the bot when it first loads the model.")
    return 0


def _known(path: Path, home: Home) -> Tuned | None:
    return remembered_for(home.data_storage, check(path))


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
