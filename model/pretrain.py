"""Pretrains a small base from nothing: a byte-level BPE of its own and a Qwen2-shaped model.

For models/demo-base alone: bases for real use are downloaded. Imports torch.
"""

from __future__ import annotations

import json
import logging
import math
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from model.chat_format import CHATML
from model.convert_entry import MARK, SPLITS

log = logging.getLogger(__name__)

END_OF_TEXT = "<|endoftext|>"


@dataclass(frozen=True)
class PretrainingConfig:
    """Shape and schedule. Rows of Q4_K are blocks of 256, hence the widths."""

    vocab_size: int = 4096
    hidden_size: int = 256
    intermediate_size: int = 768
    layers: int = 6
    heads: int = 4
    kv_heads: int = 2
    max_sequence: int = 512
    """Longest window it learns from, and so what it says that it was made for: beyond that it talks
    nonsense (docs/experiments.md)."""
    tokens_a_step: int = 2048
    learning_rate: float = 3e-3
    warmup_steps: int = 100
    cooldown_share: float = 0.6
    max_seconds: float = 1800.0
    """The run ends at this time or when the corpus has been seen `max_passes` times."""
    max_passes: float = 4.0
    seed: int = 1


@dataclass(frozen=True)
class PretrainingReport:
    """What a run did. Losses are mean nats a token."""

    parameters: int
    steps: int
    tokens: int
    passes: float
    seconds: float
    train_loss: float
    held_out_loss: float


def train_tokenizer(texts: Iterable[str], vocab_size: int, out_dir: Path) -> Any:
    """A byte-level BPE with Qwen2's split and ChatML's control tokens, saved in `out_dir`."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLITS["qwen2"][-1]), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    controls = [END_OF_TEXT, CHATML.start, CHATML.end]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(controls),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens(controls)  # behind the vocabulary, as in Qwen2's own
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=CHATML.end,
        pad_token=END_OF_TEXT,
        additional_special_tokens=[CHATML.start],
        clean_up_tokenization_spaces=False,
        model_max_length=2048,
    )
    fast.chat_template = (
        "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}"
        "<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    fast.save_pretrained(out_dir)
    config_file = out_dir / "tokenizer_config.json"
    config = json.loads(config_file.read_text(encoding="utf-8"))
    config[MARK] = "qwen2"
    config_file.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return fast


def batches_by_length(
    sequences: Sequence[Sequence[int]], tokens_a_step: int, rng: random.Random
) -> list[list[int]]:
    """Indices in batches of like length, each of about `tokens_a_step` padded tokens, in random
    order."""
    order = sorted(range(len(sequences)), key=lambda i: (len(sequences[i]), rng.random()))
    batches: list[list[int]] = []
    current: list[int] = []
    for index in order:
        if current and len(sequences[index]) * (len(current) + 1) > tokens_a_step:
            batches.append(current)
            current = []
        current.append(index)
    if current:
        batches.append(current)
    rng.shuffle(batches)
    return batches


def pretrain(
    sequences: Sequence[Sequence[int]],
    held_out: Sequence[Sequence[int]],
    tokenizer: Any,
    out_dir: Path,
    config: PretrainingConfig,
    *,
    on_progress: Callable[[str], None] = log.info,
) -> PretrainingReport:
    """Train on token sequences (loss on every token) and save a float16 Hugging Face folder.

    AdamW; the rate falls linearly over the last `cooldown_share` of the allowed time, so a slower
    machine makes a weaker model and not a broken one.
    """
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(config.seed)
    rng = random.Random(config.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=config.vocab_size,
            hidden_size=config.hidden_size,
            intermediate_size=config.intermediate_size,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.kv_heads,
            max_position_embeddings=config.max_sequence,
            tie_word_embeddings=True,
            rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=None,
        )
    ).to(device)
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=config.learning_rate,
        betas=(0.9, 0.95),
        weight_decay=0.01,
        fused=True,
    )

    started = time.monotonic()
    total_tokens = sum(len(s) for s in sequences)
    steps = tokens = 0
    running = float("nan")
    batches: list[list[int]] = []
    last_said = 0.0
    while True:
        elapsed = time.monotonic() - started
        done = max(elapsed / config.max_seconds, tokens / total_tokens / config.max_passes)
        if done >= 1:
            break
        scale = min(1.0, (steps + 1) / config.warmup_steps, (1 - done) / config.cooldown_share)
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * max(scale, 0.02)
        if not batches:
            batches = batches_by_length(sequences, config.tokens_a_step, rng)
        chosen = [sequences[i] for i in batches.pop()]
        loss = _loss(model, chosen, device)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        steps += 1
        tokens += sum(len(s) for s in chosen)
        value = loss.item()
        running = value if math.isnan(running) else 0.98 * running + 0.02 * value
        if elapsed - last_said > 20:
            last_said = elapsed
            on_progress(
                f"step {steps}, {tokens / 1e6:.2f} M tokens, {tokens / elapsed:.0f} tokens/s, "
                f"loss {running:.3f}, {100 * done:.0f}%"
            )
    model.eval()
    with torch.no_grad():
        weighed = [(_loss(model, [s], device).item(), len(s)) for s in held_out]
    held_out_loss = sum(v * n for v, n in weighed) / sum(n for _, n in weighed)
    model.to(torch.float16).save_pretrained(out_dir)
    report = PretrainingReport(
        parameters=sum(p.numel() for p in model.parameters()),
        steps=steps,
        tokens=tokens,
        passes=round(tokens / total_tokens, 2),
        seconds=round(time.monotonic() - started, 1),
        train_loss=round(running, 4),
        held_out_loss=round(held_out_loss, 4),
    )
    on_progress(f"done: {asdict(report)}")
    return report


def _loss(model: Any, sequences: Sequence[Sequence[int]], device: str) -> Any:
    """Mean cross entropy over all tokens of a right-padded batch (padding learns nothing)."""
    import torch

    longest = max(len(s) for s in sequences)
    ids = torch.zeros((len(sequences), longest), dtype=torch.long)
    labels = torch.full((len(sequences), longest), -100, dtype=torch.long)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = torch.tensor(sequence)
        labels[row, : len(sequence)] = ids[row, : len(sequence)]
    with torch.autocast(device, dtype=torch.bfloat16):
        return model(input_ids=ids.to(device), labels=labels.to(device)).loss
