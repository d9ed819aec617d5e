"""How well a model expects given replies: negative log-likelihood, in nats per learned token.

The same examples go through llama.cpp (`gguf_nll`, what is served) or through transformers
(`transformers_nll`, what was trained), so that an export can be judged. Inputs are what
`chat_format.encode` returns: token ids and, for each, whether it is learned. One thread at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.llama_runtime import load_model
from storage.errors import MynahError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Encoded = tuple[Sequence[int], Sequence[bool]]

BATCH_TOKENS = 512


class EvaluationError(MynahError):
    """Examples or a model that cannot be evaluated."""


@dataclass(frozen=True)
class ExampleNll:
    """One example's share: the sum over its learned tokens, in nats."""

    nats: float
    tokens: int
    best: tuple[int, ...] = ()
    """What the model held for likeliest in the place of each of them."""

    @property
    def mean(self) -> float:
        """Nats per learned token."""
        return self.nats / self.tokens


@dataclass(frozen=True)
class Nll:
    """Over all examples. `mean` weighs every learned token alike, whatever example it is in."""

    mean: float
    tokens: int
    examples: tuple[ExampleNll, ...]


def gguf_nll(path: Path, encoded: Sequence[Encoded], threads: int = 1) -> Nll:
    """NLL of the learned tokens under a GGUF, each example by itself.

    Logits are computed where a learned token follows, nowhere else. Raises EvaluationError for an
    example without a learned token behind its first, GgufError or LoadError for the file.
    """
    import llama_cpp

    targets = [_targets(ids, learned) for ids, learned in encoded]
    if not targets:
        raise EvaluationError("there is no example to evaluate")
    model, _ = load_model(path)
    context = None
    try:
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = max(len(ids) for ids, _ in encoded)
        params.n_batch = params.n_ubatch = min(BATCH_TOKENS, params.n_ctx)
        params.n_seq_max = 1
        params.n_threads = params.n_threads_batch = threads
        params.no_perf = True
        context = llama_cpp.llama_init_from_model(model, params)
        if not context:
            raise EvaluationError(f"{path.name}: no context of {params.n_ctx} tokens can be made")
        vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
        scorer = _Scorer(context, vocabulary)
        return _total(
            [scorer.nll(ids, wanted) for (ids, _), wanted in zip(encoded, targets, strict=True)]
        )
    finally:
        if context:
            llama_cpp.llama_free(context)
        llama_cpp.llama_model_free(model)


def transformers_nll(
    model_dir: Path, encoded: Sequence[Encoded], *, adapter_dir: Path | None = None
) -> Nll:
    """NLL of the learned tokens under a folder of transformers, with a LoRA adapter on it where one
    is given: in its own 16 bits on CUDA, else in 32 bits where they fit into memory.

    Raises EvaluationError for an example without a learned token behind its first.
    """
    import torch
    from transformers import AutoModelForCausalLM

    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = "auto" if device == "cuda" or not _fits_in_32_bits(model_dir) else torch.float32
    model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=dtype, local_files_only=True)
    if adapter_dir is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, adapter_dir)
    found = model_nll(model.to(device), encoded)
    del model
    if device == "cuda":
        torch.cuda.empty_cache()  # what comes next needs the room
    return found


def model_nll(model: Any, encoded: Sequence[Encoded]) -> Nll:
    """NLL of the learned tokens under a loaded model of transformers, which is left in its mode.

    Raises EvaluationError for an example without a learned token behind its first.
    """
    import torch

    targets = [_targets(ids, learned) for ids, learned in encoded]
    if not targets:
        raise EvaluationError("there is no example to evaluate")
    was_training = model.training
    model.eval()
    results = []
    with torch.inference_mode():
        for (ids, _), wanted in zip(encoded, targets, strict=True):
            places = torch.tensor([at - 1 for at in wanted], device=model.device)
            tokens = torch.tensor([list(ids)], device=model.device)
            # (1, learned, vocabulary): the logits that predict each learned token
            logits = model(tokens, logits_to_keep=places).logits[0].float()
            answers = torch.tensor([ids[at] for at in wanted], device=model.device)
            nats = torch.nn.functional.cross_entropy(logits, answers, reduction="sum")
            best = tuple(logits.argmax(dim=-1).tolist())
            results.append(ExampleNll(float(nats), len(wanted), best))
    model.train(was_training)
    return _total(results)


class _Scorer:
    """Walks examples through one llama.cpp context."""

    def __init__(self, context: Any, vocabulary: int) -> None:
        import llama_cpp

        self._llama = llama_cpp
        self._context = context
        self._vocabulary = vocabulary
        self._batch_tokens = int(llama_cpp.llama_n_batch(context))

    def nll(self, ids: Sequence[int], targets: Sequence[int]) -> ExampleNll:
        """Over the tokens at `targets`, positions in `ids`."""
        llama = self._llama
        llama.llama_memory_clear(llama.llama_get_memory(self._context), True)
        wanted = set(targets)
        batch = llama.llama_batch_init(self._batch_tokens, 0, 1)
        seen: list[tuple[float, int]] = []
        try:
            # Behind the last target nothing is needed.
            for start in range(0, max(targets), self._batch_tokens):
                chunk = ids[start : min(start + self._batch_tokens, max(targets))]
                seen += self._chunk(batch, ids, start, len(chunk), wanted)
        finally:
            llama.llama_batch_free(batch)
        return ExampleNll(sum(nats for nats, _ in seen), len(seen), tuple(best for _, best in seen))

    def _chunk(
        self, batch: Any, ids: Sequence[int], start: int, size: int, wanted: set[int]
    ) -> Iterator[tuple[float, int]]:
        """-ln p of each wanted token, and the likeliest one in its place."""
        batch.n_tokens = size
        for i in range(size):
            batch.token[i] = ids[start + i]
            batch.pos[i] = start + i
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = 0
            batch.logits[i] = (start + i + 1) in wanted
        code = self._llama.llama_decode(self._context, batch)
        if code != 0:
            raise EvaluationError(f"llama.cpp could not evaluate an example (code {code})")
        answers = {i: ids[start + i + 1] for i in range(size) if batch.logits[i]}
        for i, answer in answers.items():
            logits = self._logits(i)
            yield _nats(logits, answer), int(logits.argmax())

    def _logits(self, index: int) -> npt.NDArray[np.float64]:
        import numpy as np

        pointer = self._llama.llama_get_logits_ith(self._context, index)
        return np.ctypeslib.as_array(pointer, (self._vocabulary,)).astype(np.float64)


def _nats(logits: npt.NDArray[np.float64], answer: int) -> float:
    import numpy as np

    top = logits.max()
    return float(top + np.log(np.exp(logits - top).sum()) - logits[answer])


def _fits_in_32_bits(model_dir: Path) -> bool:
    import psutil

    in_16_bits = sum(path.stat().st_size for path in model_dir.glob("*.safetensors"))
    return 2 * in_16_bits < int(psutil.virtual_memory().available)


def _targets(ids: Sequence[int], learned: Sequence[bool]) -> list[int]:
    """The positions of learned tokens that have one before them."""
    if len(ids) != len(learned):
        raise EvaluationError(f"an example has {len(ids)} tokens and {len(learned)} marks")
    found = [at for at, is_learned in enumerate(learned) if is_learned and at > 0]
    if not found:
        raise EvaluationError("an example has no token to learn")
    return found


def _total(examples: list[ExampleNll]) -> Nll:
    tokens = sum(example.tokens for example in examples)
    nats = sum(example.nats for example in examples)
    return Nll(nats / tokens, tokens, tuple(examples))
