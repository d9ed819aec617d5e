"""Measures what each type that a model is quantised to costs: size, likelihood, agreement, speed.

    python scripts/bench_export.py --home DIR --name demo

In a home where script 3 has trained NAME. Every type is made from the merged model as script 3 does
it and goes through the same checks (model/parity.py), then answers held-out prompts. Rates are
tokens a second of processor time, with one thread, so other programs hardly matter. Nothing is kept
and nothing is registered.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model import export, forge, parity
from model.base_models import find_base
from model.inference import Engine
from model.sampling import Sampling
from model.tokenizers import VocabularyFile
from model.training.examples import read_examples
from scripts.edge import add_home, add_json, ending_in_a_sentence
from storage.paths import find_home

PROMPTS = 40
REPLY_TOKENS = 48
COLUMNS = (
    ("type", "ftype", "{}"),
    ("MB", "mb", "{:.2f}"),
    ("predicted", "predicted_off", "{:+.2%}"),
    ("bits a weight", "bits_per_weight", "{:.2f}"),
    ("NLL", "nll_quantised", "{:.4f}"),
    ("rise on F16", "rise", "{:+.4f}"),
    ("allowed", "allowed", "{:.2f}"),
    ("same greedy token", "greedy_quantised", "{:.1%}"),
    ("reads tokens/s", "read_rate", "{:,.0f}"),
    ("writes tokens/s", "write_rate", "{:,.0f}"),
)


def main() -> int:
    arguments = parse_arguments()
    import torch
    import transformers

    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    home = find_home(arguments.home)
    run = forge.Run.at(home, arguments.name)
    dataset_dir = home.datasets / (arguments.dataset or arguments.name)
    base_dir = find_base(arguments.base, home)
    with tempfile.TemporaryDirectory(prefix="mynah-types-") as folder:
        rows = measured(run, base_dir, dataset_dir, Path(folder))
    if arguments.json:
        print(json.dumps({"rows": rows}))
    else:
        show(rows)
    return 0


def measured(
    run: forge.Run, base_dir: Path, dataset_dir: Path, folder: Path
) -> list[dict[str, Any]]:
    """A row a type, the best type first. Raises ExportError where one fails its checks."""
    f16 = export.convert_to_gguf(run.merged_dir, folder / "f16.gguf")
    sizes = export.sizes(f16)
    rows = []
    for ftype in export.FTYPES:
        began_s = time.process_time()
        gguf = export.quantize(f16, folder / f"{ftype}.gguf", ftype, threads=1)
        quantise_s = time.process_time() - began_s
        figures = parity.check(
            run.adapter_dir, run.merged_dir, f16, gguf, dataset_dir, base_dir, ftype=ftype
        )
        size_bytes = gguf.stat().st_size
        row = {"ftype": ftype, "mb": size_bytes / 1e6, **figures}
        row |= {"predicted_off": sizes[ftype] / size_bytes - 1, "quantise_s": quantise_s}
        row |= {"rise": figures["nll_quantised"] - figures["nll_f16"]}
        row |= {"allowed": parity.quantised_tolerance(ftype), **rates(gguf, dataset_dir)}
        rows.append(row)
        print(f"{ftype} is done", file=sys.stderr, flush=True)
    return rows


def rates(gguf: Path, dataset_dir: Path) -> dict[str, float]:
    """Tokens a second of processor time, while reading prompts and while writing replies."""
    with VocabularyFile(gguf) as vocabulary:
        examples = read_examples(dataset_dir / "validation_data.jsonl", vocabulary.tokenizer)
    prompts = [ids[: marks.index(True)] for ids, marks in examples[:PROMPTS]]
    engine = Engine.load(gguf, context_tokens=2048, threads=1)
    try:
        read_s, _ = answered(engine, prompts, 1)
        both_s, written = answered(engine, prompts, REPLY_TOKENS)
    finally:
        engine.close()
    write_s = max(both_s - read_s, 1e-9)
    return {
        "read_rate": sum(map(len, prompts)) / read_s,
        "write_rate": max(written - len(prompts), 0) / write_s,
    }


def answered(engine: Engine, prompts: Sequence[list[int]], most: int) -> tuple[float, int]:
    """Processor seconds and tokens of greedy replies of at most `most` tokens."""
    sampling = Sampling(temperature=0.0, max_tokens=most)
    began_s = time.process_time()
    tokens = sum(
        engine.generate_blocking(ids, sampling=sampling, fresh=True).reply_tokens for ids in prompts
    )
    return time.process_time() - began_s, tokens


def show(rows: Sequence[dict[str, Any]]) -> None:
    """A table as docs/experiments.md has it."""
    first = rows[0]
    print(
        f"NLL of the adapter {first['nll_adapter']:.4f}, merged {first['nll_merged']:.4f}, F16 "
        f"{first['nll_f16']:.4f}; F16 says the same as merged at {first['greedy_f16']:.1%} of "
        f"{first['tokens']} tokens in {first['examples']} examples\n"
    )
    print("| " + " | ".join(title for title, _, _ in COLUMNS) + " |")
    print("|---" * len(COLUMNS) + "|")
    for row in rows:
        print("| " + " | ".join(form.format(row[key]) for _, key, form in COLUMNS) + " |")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_home(parser)
    parser.add_argument("--name", default="demo", help="the run that script 3 made")
    parser.add_argument("--dataset", metavar="NAME", help="its training set (default: the run's)")
    parser.add_argument("--base", default="demo-base", help="its base, by name or path")
    add_json(parser, "print one JSON object instead of a table")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
