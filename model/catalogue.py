"""The models that can be downloaded, and whether each would run on this computer.

Every one has a layout of `model/chat_format.py`: the engine refuses a vocabulary without the
control tokens of one. What is trained, and not served as it is, stands in `model/base_models.py`.

What a catalogue may know of a file is its hash. `sha256` and `revision` are filled in only where
many independent public records agree on them; the hub itself could not be asked where this was
written. A `sha256` of "" means: take the hub's own (`lfs` of /api/models/REPO/revision/REV), and
record it in the manifest of the first download. A `revision` is resolved to a commit by the same
call before anything is fetched; where the hub no longer knows it, "main" is asked, and the hash
decides whether that is the same file. Pure, but for `this_computer`.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

from storage.errors import MynahError

FITS, TIGHT, DOES_NOT_FIT = "fits", "tight", "does not fit"

OVERHEAD_BYTES = 600_000_000
"""Beside the weights and the KV cache: the bot with its memory (306 MB, measured) and llama.cpp's
working buffers (at most 300 MB for a vocabulary of 152,000)."""
FITS_SHARE = 0.5
TIGHT_SHARE = 0.75
"""How much of the computer's memory a model may need; the rest is the system's and its owner's."""
RESERVE_BYTES = 500_000_000
"""Of the disk, left free whatever is downloaded."""


class NoSuchModelError(MynahError):
    """The catalogue has no model of that name."""


@dataclass(frozen=True)
class CatalogueModel:
    """One GGUF on the hub. Bytes are exact where `sha256` is filled in, else an estimate."""

    model_id: str
    name: str
    licence: str
    licence_url: str
    repository: str
    file: str
    size_bytes: int
    parameters: int
    context_tokens: int
    """The most that the model was made for; Mynah asks for the setting context_tokens."""
    layers: int
    kv_heads: int
    head_size: int
    revision: str = "main"
    sha256: str = ""

    @property
    def kv_bytes_per_token(self) -> int:
        """Keys and values (2) of every layer and KV head, in 16 bits (2 bytes)."""
        return 2 * 2 * self.layers * self.kv_heads * self.head_size

    def memory_bytes(self, context_tokens: int) -> int:
        """Memory while it answers: file + KV cache of the context + `OVERHEAD_BYTES`."""
        context = min(context_tokens, self.context_tokens)
        return self.size_bytes + self.kv_bytes_per_token * context + OVERHEAD_BYTES


_APACHE = ("Apache 2.0", "https://www.apache.org/licenses/LICENSE-2.0")

CATALOGUE: tuple[CatalogueModel, ...] = (
    CatalogueModel(
        "qwen3-4b-instruct-2507",
        "Qwen3 4B Instruct (2507)",
        *_APACHE,
        "unsloth/Qwen3-4B-Instruct-2507-GGUF",
        "Qwen3-4B-Instruct-2507-Q4_K_M.gguf",
        size_bytes=2_497_281_120,
        parameters=4_022_468_096,
        context_tokens=262_144,
        layers=36,
        kv_heads=8,
        head_size=128,
        revision="a06e946bb6b655725eafa393f4a9745d460374c9",
        sha256="3605803b982cb64aead44f6c1b2ae36e3acdb41d8e46c8a94c6533bc4c67e597",
    ),
    CatalogueModel(
        "qwen2.5-1.5b-instruct",
        "Qwen2.5 1.5B Instruct",
        *_APACHE,
        "Qwen/Qwen2.5-1.5B-Instruct-GGUF",
        "qwen2.5-1.5b-instruct-q4_k_m.gguf",
        size_bytes=1_117_320_736,
        parameters=1_543_714_304,
        context_tokens=32_768,
        layers=28,
        kv_heads=2,
        head_size=128,
        revision="91cad51170dc346986eccefdc2dd33a9da36ead9",
        sha256="6a1a2eb6d15622bf3c96857206351ba97e1af16c30d7a74ee38970e434e9407e",
    ),
    CatalogueModel(
        "qwen2.5-3b-instruct",
        "Qwen2.5 3B Instruct",
        "Qwen Research (not for commercial use)",
        "https://huggingface.co/Qwen/Qwen2.5-3B-Instruct/blob/main/LICENSE",
        "Qwen/Qwen2.5-3B-Instruct-GGUF",
        "qwen2.5-3b-instruct-q4_k_m.gguf",
        size_bytes=2_104_932_768,
        parameters=3_085_938_688,
        context_tokens=32_768,
        layers=36,
        kv_heads=2,
        head_size=128,
        revision="7dabda4d13d513e3e842b20f0d435c732f172cbe",
        sha256="626b4a6678b86442240e33df819e00132d3ba7dddfe1cdc4fbb18e0a9615c62d",
    ),
    CatalogueModel(
        "qwen2.5-0.5b-instruct",
        "Qwen2.5 0.5B Instruct",
        *_APACHE,
        "Qwen/Qwen2.5-0.5B-Instruct-GGUF",
        "qwen2.5-0.5b-instruct-q4_k_m.gguf",
        size_bytes=491_400_032,
        parameters=494_032_768,
        context_tokens=32_768,
        layers=24,
        kv_heads=2,
        head_size=64,
        revision="9217f5db79a29953eb74d5343926648285ec7e67",
        sha256="74a4da8c9fdbcd15bd1f6d01d621410d31c6fc00986f5eb687824e7b93d7a9db",
    ),
    CatalogueModel(
        "llama-3.2-3b-instruct",
        "Llama 3.2 3B Instruct",
        "Llama 3.2 Community License",
        "https://www.llama.com/llama3_2/license/",
        "bartowski/Llama-3.2-3B-Instruct-GGUF",
        "Llama-3.2-3B-Instruct-Q4_K_M.gguf",
        size_bytes=2_019_377_696,
        parameters=3_212_749_824,
        context_tokens=131_072,
        layers=28,
        kv_heads=8,
        head_size=128,
        revision="5ab33fa94d1d04e903623ae72c95d1696f09f9e8",
        sha256="6c1a2b41161032677be168d354123594c0e6e67d2b9227c84f296ad037c728ff",
    ),
    CatalogueModel(
        "gemma-3-4b-it",
        "Gemma 3 4B",
        "Gemma Terms of Use",
        "https://ai.google.dev/gemma/terms",
        "ggml-org/gemma-3-4b-it-GGUF",
        "gemma-3-4b-it-Q4_K_M.gguf",
        size_bytes=2_489_757_856,
        parameters=3_880_099_328,
        context_tokens=131_072,
        layers=34,
        kv_heads=4,
        head_size=256,
        revision="d0976223747697cb51e056d85c532013931fe52e",
        sha256="882e8d2db44dc554fb0ea5077cb7e4bc49e7342a1f0da57901c0802ea21a0863",
    ),
    CatalogueModel(
        "qwen2.5-7b-instruct",
        "Qwen2.5 7B Instruct",
        *_APACHE,
        "bartowski/Qwen2.5-7B-Instruct-GGUF",
        "Qwen2.5-7B-Instruct-Q4_K_M.gguf",
        size_bytes=4_683_000_000,
        parameters=7_615_616_512,
        context_tokens=32_768,
        layers=28,
        kv_heads=4,
        head_size=128,
    ),
)


def find(model_id: str, catalogue: tuple[CatalogueModel, ...] = CATALOGUE) -> CatalogueModel:
    """The model of that id. Raises NoSuchModelError that names those there are."""
    for model in catalogue:
        if model.model_id == model_id:
            return model
    known = ", ".join(model.model_id for model in catalogue)
    raise NoSuchModelError(f'The catalogue has no model "{model_id}"; it has: {known}.')


@dataclass(frozen=True)
class Computer:
    """What a model has to fit into."""

    memory_bytes: int
    """All of it, used or not: what runs now will not run always."""
    disk_free_bytes: int


def this_computer(folder: Path) -> Computer:
    """This machine's memory, and the free space where `folder` is or will be made."""
    return Computer(psutil.virtual_memory().total, free_bytes(folder))


def free_bytes(folder: Path) -> int:
    """Free space of the disk on which `folder` is or will be made."""
    existing = folder.absolute()
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    return shutil.disk_usage(os.fspath(existing)).free


def fit(
    model: CatalogueModel, computer: Computer, context_tokens: int, *, missing_bytes: int | None
) -> tuple[str, str]:
    """FITS, TIGHT or DOES_NOT_FIT, and why it is not the first ("" where it is).

    `missing_bytes` are those that are still to be downloaded (None: all).
    """
    missing = model.size_bytes if missing_bytes is None else missing_bytes
    if missing and missing + RESERVE_BYTES > computer.disk_free_bytes:
        return DOES_NOT_FIT, (
            f"The disk has {in_words(computer.disk_free_bytes)} free; the download needs "
            f"{in_words(missing + RESERVE_BYTES)}."
        )
    need = model.memory_bytes(context_tokens)
    share = need / max(computer.memory_bytes, 1)
    if share <= FITS_SHARE:
        return FITS, ""
    why = (
        f"It needs {in_words(need)} of this computer's {in_words(computer.memory_bytes)} of memory."
    )
    return (TIGHT if share <= TIGHT_SHARE else DOES_NOT_FIT), why


def in_words(size_bytes: int) -> str:
    """ "2.5 GB", "312 MB": decimal, as disks and the hub count."""
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"
