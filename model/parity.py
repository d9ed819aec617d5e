"""Whether an exported GGUF is the model that was trained: tokens, likelihood, what it would say.

On held-out examples, adapter (base with LoRA), merged model, F16 GGUF and quantised GGUF are asked
the same. They have to split text into the same tokens, and their NLL (nats a learned token) may
differ by so much and no more:

    adapter -> merged    ADAPTER_TOLERANCE   16 bits round what the adapter adds
    merged  -> F16       F16_TOLERANCE       the same numbers in another runtime
    F16     -> quantised quantised_tolerance(type), upwards only

How often the likeliest next token is the same is a figure, not a bound. Imports torch.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model import chat_format, evaluate, gguf_check
from model.evaluate import Encoded, Nll
from model.export import ExportError
from model.tokenizers import TransformersTokenizer, VocabularyFile
from model.training.examples import read_examples

log = logging.getLogger(__name__)

ADAPTER_TOLERANCE = 0.02
F16_TOLERANCE = 0.01
"""Largest relative differences."""

_QUANTISED_TOLERANCE = {
    "Q8_0": 0.03, "Q6_K": 0.03, "Q5_K_M": 0.05, "Q5_0": 0.10, "Q4_K_M": 0.14, "Q4_0": 0.36,
    "Q3_K_M": 0.50,
}  # fmt: skip
"""Five times what llama.cpp measured of Llama 3 8B (ln of the perplexities' ratio: 0.0004, 0.0035,
0.009, 0.021, 0.028, 0.073, 0.100; tools/perplexity/README.md), and 0.03 at least: a smaller model
loses more, and beyond that something is broken. What the small base loses: docs/experiments.md."""

CHECK_EXAMPLES = 50
CHECK_TOKENS = 1024
_SHOWN_TOKENS = 8

_NOT_DEPLOYED = "it is not deployed. Please report this with the base's name."
_SAMPLE_TALK = [
    {"role": "system", "content": "You are a regular."},
    {"role": "user", "content": "mira: anyone up?"},
    {"role": "assistant", "content": "sure"},
    {"role": "user", "content": "bob: same"},
]


def quantised_tolerance(ftype: str) -> float:
    """Largest rise of the NLL from F16 to a quantised file, in nats a token."""
    return _QUANTISED_TOLERANCE[ftype]


def check(
    adapter_dir: Path | None,
    merged_dir: Path,
    f16: Path,
    quantised: Path,
    dataset_dir: Path,
    base_dir: Path,
    *,
    ftype: str,
) -> dict[str, float]:
    """The figures for the manifest; `adapter_dir` None where the adapter is not there any more.

    A set too small for a validation set is checked on its training examples. Raises ExportError
    where they part, naming the first token that differs.
    """
    header = gguf_check.check(quantised)
    examples = _same_tokens(merged_dir, quantised, header, dataset_dir)
    chosen = [e for e in examples if len(e[0]) <= CHECK_TOKENS][:CHECK_EXAMPLES]
    figures: dict[str, float] = {"examples": len(chosen)}
    merged = evaluate.transformers_nll(merged_dir, chosen)
    if adapter_dir is not None:
        adapter = evaluate.transformers_nll(base_dir, chosen, adapter_dir=adapter_dir)
        _refuse_far(merged, adapter, ADAPTER_TOLERANCE, "merged model", "adapter")
        figures["nll_adapter"] = round(adapter.mean, 4)
    in_16_bits = evaluate.gguf_nll(f16, chosen)
    _refuse_far(in_16_bits, merged, F16_TOLERANCE, "F16 GGUF", "merged model")
    small = evaluate.gguf_nll(quantised, chosen)
    log.info("NLL: merged %.4f, F16 %.4f, %s %.4f", merged.mean, in_16_bits.mean, ftype, small.mean)
    _refuse_lossy(small, in_16_bits, ftype)
    bits = 8 * sum(header.bytes_by_type.values()) / header.parameter_count
    return {
        **figures,
        "tokens": merged.tokens,
        "nll_merged": round(merged.mean, 4),
        "nll_f16": round(in_16_bits.mean, 4),
        "nll_quantised": round(small.mean, 4),
        "greedy_f16": round(greedy_agreement(merged, in_16_bits), 4),
        "greedy_quantised": round(greedy_agreement(merged, small), 4),
        "bits_per_weight": round(bits, 3),
    }


def greedy_agreement(one: Nll, other: Nll) -> float:
    """The share of learned tokens in whose place both held the same token for likeliest."""
    pairs = [
        pair
        for a, b in zip(one.examples, other.examples, strict=True)
        for pair in zip(a.best, b.best, strict=True)
    ]
    return sum(a == b for a, b in pairs) / len(pairs)


def _same_tokens(
    merged_dir: Path, gguf: Path, header: gguf_check.GgufHeader, dataset_dir: Path
) -> list[Encoded]:
    """The held-out examples as token ids, the same by both tokenizers. Raises ExportError."""
    from transformers import AutoTokenizer

    file = dataset_dir / "validation_data.jsonl"
    if not file.stat().st_size:
        file = dataset_dir / "training_data.jsonl"
    hf_tokenizer = AutoTokenizer.from_pretrained(merged_dir)
    refuse_other_template(hf_tokenizer, header)
    with VocabularyFile(gguf) as vocabulary:
        refuse_other_controls(hf_tokenizer, vocabulary.tokenizer)
        return read_alike(file, hf_tokenizer, vocabulary.tokenizer)


def refuse_other_controls(hf_tokenizer: Any, tokenizer: chat_format.Tokenizer) -> None:
    """Raise ExportError naming the control token of the layout that a GGUF has under another id,
    LayoutError where it has none."""
    ours = TransformersTokenizer(hf_tokenizer)
    for token in chat_format.layout_of(ours).controls:
        expected, found = ours.control_id(token), tokenizer.control_id(token)
        if expected != found:
            raise ExportError(
                f"The control token {token} is {expected} in the model and {found} in the GGUF: "
                f"{_NOT_DEPLOYED}"
            )


def refuse_other_template(hf_tokenizer: Any, header: gguf_check.GgufHeader) -> None:
    """Raise ExportError naming the first token where the chat templates of a model and of its GGUF
    part: what other programs put a talk into."""
    written = header.metadata.get("tokenizer.chat_template")
    if not written or not hf_tokenizer.chat_template or written == hf_tokenizer.chat_template:
        return
    for talk in (_SAMPLE_TALK, _SAMPLE_TALK[1:]):
        expected, found = (
            _in_template(hf_tokenizer, talk, str(template))
            for template in (hf_tokenizer.chat_template, written)
        )
        at = _first_difference(expected, found)
        if at is not None:
            word, other = (_token(hf_tokenizer, ids, at) for ids in (expected, found))
            raise ExportError(
                "The GGUF's chat template is another one than the model's: behind "
                f"{_before(hf_tokenizer, expected, at)!r} it has {other} in the place of {word}; "
                f"{_NOT_DEPLOYED}"
            )


def read_alike(file: Path, hf_tokenizer: Any, tokenizer: chat_format.Tokenizer) -> list[Encoded]:
    """The examples of a file as token ids. Raises ExportError naming the first token that a GGUF's
    tokenizer makes another one of."""
    examples = read_examples(file, TransformersTokenizer(hf_tokenizer))
    others = read_examples(file, tokenizer)
    for number, ((ids, _), (found, _)) in enumerate(zip(examples, others, strict=True), start=1):
        at = _first_difference(ids, found)
        if at is not None:
            word, other = (_token(hf_tokenizer, one, at) for one in (ids, found))
            raise ExportError(
                "The GGUF splits text into other tokens than the model was trained with: token "
                f"{at + 1} of line {number} in {file.name} is {word} in the model and {other} in "
                f"the GGUF, behind {_before(hf_tokenizer, ids, at)!r}; {_NOT_DEPLOYED}"
            )
    return list(examples)


def _in_template(hf_tokenizer: Any, talk: list[dict[str, str]], template: str) -> list[int]:
    """A talk as token ids; of a template that refuses it, its refusal."""
    try:
        text = hf_tokenizer.apply_chat_template(talk, chat_template=template, tokenize=False)
    except Exception as error:  # a template raises whatever it likes
        text = f"<{type(error).__name__}>"
    ids: list[int] = hf_tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def _refuse_lossy(small: Nll, in_16_bits: Nll, ftype: str) -> None:
    allowed = quantised_tolerance(ftype)
    if not small.mean <= in_16_bits.mean + allowed:  # NaN is no number either
        raise ExportError(
            f"Quantising to {ftype} cost too much (NLL {small.mean:.3f} against "
            f"{in_16_bits.mean:.3f}, {allowed} more are allowed): the model is not deployed. Take "
            "a larger type, such as --ftype Q8_0."
        )


def _refuse_far(found: Nll, expected: Nll, tolerance: float, what: str, before: str) -> None:
    if not math.isclose(found.mean, expected.mean, rel_tol=tolerance):
        raise ExportError(
            f"The {what} does not compute what the {before} computes (NLL {found.mean:.3f} against "
            f"{expected.mean:.3f}, {tolerance:.0%} are allowed): it is not deployed. Please report "
            "this with the step's output."
        )


def _first_difference(one: Sequence[int], other: Sequence[int]) -> int | None:
    for at, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return at
    return None if len(one) == len(other) else min(len(one), len(other))


def _token(hf_tokenizer: Any, ids: Sequence[int], at: int) -> str:
    if at >= len(ids):
        return "nothing"
    return f"{hf_tokenizer.decode(ids[at : at + 1])!r} ({ids[at]})"


def _before(hf_tokenizer: Any, ids: Sequence[int], at: int) -> str:
    """The text in front of a token, to find it by."""
    return str(hf_tokenizer.decode(ids[max(0, at - _SHOWN_TOKENS) : at]))
