"""Makes models/demo-base: pretrains the small base on invented communities and converts it to GGUF.

For developers; it takes about forty minutes on one core. Communities, members and
voices are other than the sample community's, and so are the seeds: the base has never seen The
Lantern. What comes out: a float16 Hugging Face folder, its Q4_K_M GGUF, and figures.json, from
which make_demo_card.py writes the card.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.samples.community import simulate
from data.samples.corpus import Window, windows
from data.samples.others import other_community
from model import chat_format, export, pretrain
from model.tokenizers import TransformersTokenizer
from storage.manifest import sha256_file
from storage.paths import DEMO_BASE_DIR
from storage.settings import SETTINGS

HELD_OUT_SEED = 9_000
PERSONA_NAMES = (
    "Mynah",
    "Mynah",
    "Mynah",
    "Wren",
    "Echo",
    "Pip",
    "Jay",
    "Magpie",
    "Rook",
    "Starling",
)


def main() -> int:
    arguments = parse_arguments()
    import torch

    torch.set_num_threads(arguments.threads)
    persona = next(str(s.default) for s in SETTINGS if s.name == "persona")
    temporary = tempfile.TemporaryDirectory(prefix="mynah-")
    work = Path(temporary.name) / "demo-base"  # the converter names the model by its folder
    work.mkdir()

    corpus: list[Window] = []
    lines = 0
    for seed in range(1, arguments.communities + 1):
        community = other_community(seed)
        simulation = simulate(community, seed, arguments.messages)
        corpus += windows(simulation, seed, persona, PERSONA_NAMES)
        lines += arguments.messages
        say(f"community {seed}: {community.name}, {len(corpus):,} windows so far")
    held_out = list(
        windows(
            simulate(other_community(HELD_OUT_SEED), HELD_OUT_SEED, 3_000),
            HELD_OUT_SEED,
            persona,
            PERSONA_NAMES,
        )
    )

    config = pretrain.PretrainingConfig(
        max_seconds=arguments.seconds, max_passes=arguments.passes, layers=arguments.layers
    )
    sample = random.Random(0).sample(corpus, min(len(corpus), 12_000))
    texts = (chat_format.as_text(chat_format.render(w.persona, w.turns)) for w in sample)
    hf_tokenizer = pretrain.train_tokenizer(texts, config.vocab_size, work)
    tokenizer = TransformersTokenizer(hf_tokenizer)
    sequences = [encode(w, tokenizer)[: config.max_sequence] for w in corpus]
    held = [encode(w, tokenizer)[: config.max_sequence] for w in held_out[:200]]
    say(f"{len(sequences):,} sequences, {sum(map(len, sequences)) / 1e6:.2f} M tokens")

    report = pretrain.pretrain(sequences, held, hf_tokenizer, work, config, on_progress=say)
    f16 = work / "f16.gguf"
    export.convert_to_gguf(work, f16, converter_dir=export.find_converter())
    gguf = work / "demo-base-q4_k_m.gguf"
    export.quantize(f16, gguf, "Q4_K_M")
    f16.unlink()

    figures = {
        "made": datetime.now(timezone.utc).date().isoformat(),
        "communities": arguments.communities,
        "lines": lines,
        "windows": len(corpus),
        "config": asdict(config),
        "report": asdict(report),
        "gguf": {"name": gguf.name, "size_bytes": gguf.stat().st_size, "sha256": sha256_file(gguf)},
    }
    (work / "figures.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    for file in sorted(work.iterdir()):
        shutil.move(str(file), out / file.name)
    temporary.cleanup()
    say(f"written to {out}")
    print(json.dumps(figures))
    return 0


def encode(window: Window, tokenizer: chat_format.Tokenizer) -> list[int]:
    """A window as token ids; where others speak last, their turn is closed as before an ask."""
    ends_own = isinstance(window.turns[-1], chat_format.Own)
    render = chat_format.render if ends_own else chat_format.render_ask
    ids, _ = chat_format.encode(render(window.persona, window.turns), tokenizer)
    return ids


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", help="not used: the base ships with the program")
    parser.add_argument("--out", default=str(DEMO_BASE_DIR), help="where to write the model")
    parser.add_argument("--seconds", type=float, default=2250, help="time for pretraining")
    parser.add_argument("--passes", type=float, default=1, help="most times the corpus is seen")
    parser.add_argument("--communities", type=int, default=110)
    parser.add_argument("--messages", type=int, default=3_000, help="messages a community")
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1, help="torch threads")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
