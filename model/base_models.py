"""The bases that can be trained: their names, where they lie, and which one somebody means.

A base is a folder of transformers: configuration, tokenizer, safetensors. One comes with Mynah, the
ones of `BASES` are downloaded (`scripts/download_base.py`), and any other folder can be named.
A `revision` stands here only where many independent public records agree on it. The hub itself
could not be asked where this was written; it says the files' hashes, and the manifest of the first
download keeps them. Imports no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from model.base_check import BaseReport, UnsuitedBaseError, check_base, check_converts
from model.base_shape import BaseShape, shape_of
from storage.errors import MynahError
from storage.manifest import read_manifest
from storage.paths import DEMO_BASE_DIR, Home

__all__ = [
    "BASES",
    "DEMO_BASE",
    "BaseModel",
    "BaseReport",
    "NoSuchBaseError",
    "UnsuitedBaseError",
    "base_folder",
    "check_base",
    "check_converts",
    "find_base",
    "known_base",
]

DEMO_BASE = "demo-base"
_VISION_BYTES = 840_000_000
"""Of Gemma 3 4B's repository: what it sees with, which is left behind."""


class NoSuchBaseError(MynahError):
    """No base of that name, or it has not been downloaded."""


@dataclass(frozen=True)
class BaseModel:
    """One base on the hub."""

    base_id: str
    name: str
    repository: str
    revision: str
    """A commit; "": what is newest at the first download."""
    licence: str
    licence_url: str
    shape: BaseShape
    is_open: bool = True
    """Whether the licence lets anybody do anything; else it is accepted once, by name."""
    is_gated: bool = False
    """Whether the hub wants an account that accepted the licence there: HF_TOKEN."""
    sees: bool = False
    """Whether pictures are a part of it; the text part is what is kept."""

    @property
    def parameters(self) -> int:
        return self.shape.parameters

    @property
    def download_bytes(self) -> int:
        """About: 16 bits a parameter."""
        return 2 * self.parameters + (_VISION_BYTES if self.sees else 0)


def _shape(
    family: str, layers: int, hidden: int, intermediate: int, heads: tuple[int, int], vocab: int,
    head_dim: int = 0,
) -> BaseShape:  # fmt: skip
    """As the published config.json has it; `heads` are those of queries and of keys."""
    config = {
        "model_type": family,
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "num_attention_heads": heads[0],
        "num_key_value_heads": heads[1],
        "head_dim": head_dim or hidden // heads[0],
        "vocab_size": vocab,
        "tie_word_embeddings": True,
    }
    return shape_of(config)


_APACHE = ("Apache 2.0", "https://www.apache.org/licenses/LICENSE-2.0")
_GEMMA = ("Gemma Terms of Use", "https://ai.google.dev/gemma/terms")

BASES: tuple[BaseModel, ...] = (
    BaseModel(
        "qwen2.5-3b-instruct",
        "Qwen2.5 3B Instruct",
        "Qwen/Qwen2.5-3B-Instruct",
        "aa8e72537993ba99e69dfaafa59ed015b17504d1",
        "Qwen Research (not for commercial use)",
        "https://huggingface.co/Qwen/Qwen2.5-3B-Instruct/blob/main/LICENSE",
        _shape("qwen2", 36, 2048, 11_008, (16, 2), 151_936),
        is_open=False,
    ),
    BaseModel(
        "qwen2.5-1.5b-instruct",
        "Qwen2.5 1.5B Instruct",
        "Qwen/Qwen2.5-1.5B-Instruct",
        "989aa7980e4cf806f80c7fef2b1adb7bc71aa306",
        *_APACHE,
        _shape("qwen2", 28, 1536, 8960, (12, 2), 151_936),
    ),
    BaseModel(
        "qwen2.5-0.5b-instruct",
        "Qwen2.5 0.5B Instruct",
        "Qwen/Qwen2.5-0.5B-Instruct",
        "7ae557604adf67be50417f59c2c2f167def9a775",
        *_APACHE,
        _shape("qwen2", 24, 896, 4864, (14, 2), 151_936),
    ),
    BaseModel(
        "qwen3-4b-instruct-2507",
        "Qwen3 4B Instruct (2507)",
        "Qwen/Qwen3-4B-Instruct-2507",
        "cdbee75f17c01a7cc42f958dc650907174af0554",
        *_APACHE,
        _shape("qwen3", 36, 2560, 9728, (32, 8), 151_936, 128),
    ),
    BaseModel(
        "qwen3-4b",
        "Qwen3 4B",
        "Qwen/Qwen3-4B",
        "1cfa9a7208912126459214e8b04321603b3df60c",
        *_APACHE,
        _shape("qwen3", 36, 2560, 9728, (32, 8), 151_936, 128),
    ),
    BaseModel(
        "llama-3.2-3b-instruct",
        "Llama 3.2 3B Instruct",
        "meta-llama/Llama-3.2-3B-Instruct",
        "0cb88a4f764b7a12671c53f0838cd831a0843b95",
        "Llama 3.2 Community License",
        "https://www.llama.com/llama3_2/license/",
        _shape("llama", 28, 3072, 8192, (24, 8), 128_256, 128),
        is_open=False,
        is_gated=True,
    ),
    BaseModel(
        "gemma-3-1b-it",
        "Gemma 3 1B",
        "google/gemma-3-1b-it",
        "dcc83ea841ab6100d6b47a070329e1ba4cf78752",
        *_GEMMA,
        _shape("gemma3_text", 26, 1152, 6912, (4, 1), 262_144, 256),
        is_open=False,
        is_gated=True,
    ),
    BaseModel(
        "gemma-3-4b-it",
        "Gemma 3 4B (its text part)",
        "google/gemma-3-4b-it",
        "093f9f388b31de276ce2de164bdc2081324b9767",
        *_GEMMA,
        _shape("gemma3_text", 34, 2560, 10_240, (8, 4), 262_208, 256),
        is_open=False,
        is_gated=True,
        sees=True,
    ),
)


def known_base(base_id: str, bases: tuple[BaseModel, ...] = BASES) -> BaseModel:
    """The base of that name. Raises NoSuchBaseError that names those there are."""
    for base in bases:
        if base.base_id == base_id:
            return base
    known = ", ".join([DEMO_BASE, *(base.base_id for base in bases)])
    raise NoSuchBaseError(
        f'There is no base "{base_id}", and no folder of that name. Known are: {known}.'
    )


def base_folder(home: Home, base_id: str) -> Path:
    """Where a base lies once it was downloaded."""
    return home.models / "bases" / base_id


def find_base(name_or_path: str | Path, home: Home) -> Path:
    """The folder of a base: of one that is known by name, or any that is named by its path.

    Raises NoSuchBaseError, with the command that downloads it where it is a known one.
    """
    if str(name_or_path) == DEMO_BASE:
        return DEMO_BASE_DIR
    path = Path(name_or_path).expanduser()
    if not any(base.base_id == str(name_or_path) for base in BASES) and path.exists():
        return path
    base = known_base(str(name_or_path))
    folder = base_folder(home, base.base_id)
    if read_manifest(folder) is None:
        needed = "" if base.is_open else " --accept-licence"
        raise NoSuchBaseError(
            f"{base.name} has not been downloaded. Get it: "
            f"python scripts/download_base.py get {base.base_id}{needed}"
        )
    return folder
