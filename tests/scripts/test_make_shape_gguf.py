"""Files of random weights: a real model's shape and types, loadable, with our vocabulary."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from model.chat_format import Said, encode, render_ask
from model.gguf_check import check
from model.tokenizers import LlamaTokenizer, VocabularyFile
from scripts.make_shape_gguf import SHAPES, Shape, ShapeError, _tensors, make
from storage.paths import DEMO_BASE_DIR

DEMO_GGUF = next(DEMO_BASE_DIR.glob("*.gguf"))
CONTROLS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
DEMO_TOKENS = 4096


@pytest.fixture(scope="module", params=["tiny", "gemma3-tiny", "mamba-tiny"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shapes")
    return make(SHAPES[request.param], folder / f"{request.param}.gguf")


class Loaded:
    """A model with a context of 256 tokens."""

    def __init__(self, path: Path) -> None:
        import llama_cpp

        from model.llama_runtime import load_model

        self.llama = llama_cpp
        self.model, self.header = load_model(path)
        self.vocab = llama_cpp.llama_model_get_vocab(self.model)
        params = llama_cpp.llama_context_default_params()
        params.n_ctx, params.n_threads, params.n_threads_batch = 256, 1, 1
        self.context = llama_cpp.llama_init_from_model(self.model, params)

    def logits(self, ids: list[int]) -> Any:
        import numpy as np

        llama = self.llama
        tokens = (llama.llama_token * len(ids))(*ids)
        assert llama.llama_decode(self.context, llama.llama_batch_get_one(tokens, len(ids))) == 0
        row = llama.llama_get_logits_ith(self.context, -1)
        count = llama.llama_vocab_n_tokens(self.vocab)
        return np.ctypeslib.as_array(row, shape=(count,)).copy()

    def close(self) -> None:
        self.llama.llama_free(self.context)
        self.llama.llama_model_free(self.model)


def test_writes_words_and_never_an_end(made: Path) -> None:
    import numpy as np

    loaded = Loaded(made)
    tokenizer = LlamaTokenizer(loaded.vocab)
    controls = [tokenizer.control_id(name) for name in CONTROLS]
    ids, _ = encode(render_ask("You are mira.", [Said("bob", "who brought cake")]), tokenizer)
    logits = loaded.logits(ids)
    seen: list[int] = []
    for _ in range(40):
        assert np.isfinite(logits).all()
        likely = np.argsort(logits)[-40:]
        assert not set(controls) & set(likely.tolist())
        seen.append(int(likely[-1 - len(seen) % 5]))
        logits = loaded.logits([seen[-1]])
    tokenizer.close()
    loaded.close()
    assert len(set(seen)) > 10


def test_what_they_are_made_for(made: Path) -> None:
    loaded = Loaded(made)
    slides = loaded.llama.llama_model_n_swa(loaded.model)
    recurrent = loaded.llama.llama_model_is_recurrent(loaded.model)
    loaded.close()
    assert (slides, recurrent) == {
        "tiny": (0, False),
        "gemma3-tiny": (64, False),
        "mamba-tiny": (0, True),
    }[made.stem]
    assert made.stat().st_size < 1_000_000


def test_the_types_are_those_that_llama_cpp_chose_for_the_demo_base() -> None:
    import gguf

    real = {
        tensor.name: (tuple(int(n) for n in reversed(tensor.shape)), tensor.tensor_type.name)
        for tensor in gguf.GGUFReader(DEMO_GGUF).tensors
    }
    shape = Shape("", "qwen2", 6, 256, 768, 4, 2)
    ours = {tensor.name: (tensor.shape, tensor.kind) for tensor in _tensors(shape, DEMO_TOKENS)}
    assert ours == real


def test_qwen_3b_has_its_published_size() -> None:
    shape = SHAPES["qwen2.5-3b"]
    tensors = list(_tensors(shape, shape.vocabulary))
    parameters = 0
    for tensor in tensors:
        rows = 1
        for length in tensor.shape:
            rows *= length
        parameters += rows
    assert parameters == 3_085_938_688  # the model card: 3.09 billion
    assert sum(tensor.kind == "Q6_K" for tensor in tensors) == 37


def test_the_vocabulary_is_filled_up_and_reads_as_before(tmp_path: Path) -> None:
    shape = Shape("", "qwen2", 1, 64, 64, 2, 1, vocabulary=5000)
    path = make(shape, tmp_path / "padded.gguf")
    assert check(path).vocabulary_size == 5000
    with VocabularyFile(path) as ours, VocabularyFile(DEMO_GGUF) as real:
        words = "anyone up for the raid? 🎉 [PAD4999] <|im_end|>"
        assert ours.tokenizer.text_ids(words) == real.tokenizer.text_ids(words)
        for name in CONTROLS:
            assert ours.tokenizer.control_id(name) == real.tokenizer.control_id(name)


def test_the_same_seed_makes_the_same_file(tmp_path: Path) -> None:
    one, two, other = (
        make(SHAPES["tiny"], tmp_path / f"{number}.gguf", seed=seed).read_bytes()
        for number, seed in enumerate((1, 1, 2))
    )
    assert one == two != other


def test_a_tokenizer_that_does_not_fit_is_a_sentence(tmp_path: Path) -> None:
    small = Shape("", "qwen2", 1, 64, 64, 2, 1, vocabulary=100)
    with pytest.raises(ShapeError, match="4096 tokens, more than the shape's 100"):
        make(small, tmp_path / "none.gguf")
    assert not list(tmp_path.iterdir())


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    script = Path(__file__).resolve().parents[2] / "scripts" / "make_shape_gguf.py"
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_command_line(tmp_path: Path) -> None:
    out = tmp_path / "new" / "tiny.gguf"
    done = run("--shape", "tiny", "--out", str(out), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told["path"] == str(out)
    assert told["size_bytes"] == out.stat().st_size
    assert [path.name for path in out.parent.iterdir()] == ["tiny.gguf"]
    failed = run("--shape", "tiny", "--out", str(out), "--tokenizer", str(tmp_path / "none"))
    assert failed.returncode == 2
    assert "none" in failed.stderr
    assert "qwen2.5-3b" in run("--help").stdout
