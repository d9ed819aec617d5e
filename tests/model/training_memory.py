"""What PyTorch really holds at the peak of a LoRA step on the processor, beside what is predicted.

    python -m tests.model.training_memory

Small models of several families in all the widths that a training has: 32 bits, cast to 16, a base
of 16 bits with an adapter of 32 (a card), everything in 16 (as with NF4; its 4-bit weights are not
part of what is compared). Weights, adapter, gradients and optimizer are there before; what is
measured is what comes and goes: `activations_bytes` + `passing_bytes` of the prediction.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from model import vram
from model.base_shape import shape_of
from model.profile import Profile, load
from model.training.base import LINEAR_LAYERS
from model.training.plain_head import plain_head_without_triton

SEQUENCES, LENGTH = 2, 128

IN_32 = vram.PROCESSOR
CAST = vram.Device(is_card=False, has_fused_head=False, has_bf16=True)
ON_CARD = vram.CARD_WITHOUT_TRITON


@dataclass(frozen=True)
class Case:
    """One small model and how it is trained."""

    name: str
    family: str
    device: vram.Device
    is_quantised: bool = False
    layers: int = 4
    hidden: int = 256
    intermediate: int = 704
    vocab: int = 1024
    r: int = 16
    dropout: float = 0.0
    is_checkpointed: bool = False
    is_masked: bool = True

    @property
    def profile(self) -> Profile:
        return load("demo").with_(
            max_length=LENGTH,
            packing=self.is_masked,
            gradient_checkpointing=self.is_checkpointed,
            quantised_base="nf4" if self.is_quantised else "none",
            lora={"r": self.r, "alpha": self.r, "dropout": self.dropout},
            sft={"batch_size": SEQUENCES},
        )

    @property
    def config(self) -> dict[str, Any]:
        return {
            "model_type": self.family,
            "num_hidden_layers": self.layers,
            "hidden_size": self.hidden,
            "intermediate_size": self.intermediate,
            "num_attention_heads": self.hidden // 64,
            "num_key_value_heads": 2,
            "head_dim": 64,
            "vocab_size": self.vocab,
            "tie_word_embeddings": True,
        }


CASES = (
    Case("qwen2, 32 bits", "qwen2", IN_32),
    Case("qwen2, 32 bits, checkpointing", "qwen2", IN_32, is_checkpointed=True, layers=8),
    Case("qwen2, 32 bits, dropout", "qwen2", IN_32, dropout=0.05),
    Case("qwen2, 32 bits, large vocabulary", "qwen2", IN_32, vocab=8192, is_checkpointed=True),
    Case("qwen2, cast to 16 bits", "qwen2", CAST),
    Case("llama, 16 bits, adapter of 32", "llama", ON_CARD, intermediate=1024),
    Case("llama, the same, checkpointing", "llama", ON_CARD, hidden=512, is_checkpointed=True),
    Case("qwen3, all 16 bits as with NF4", "qwen3", ON_CARD, is_quantised=True, r=64),
    Case("qwen2, the same, wide, checkpointing", "qwen2", ON_CARD, is_quantised=True,
         intermediate=1536, layers=12, is_checkpointed=True),
    Case("gemma3, all 16 bits as with NF4", "gemma3_text", ON_CARD, is_quantised=True, vocab=4096),
)  # fmt: skip


def predicted_bytes(case: Case) -> int:
    need = vram.predict(shape_of(case.config), case.profile, "sft", case.device)
    return need.activations_bytes + need.passing_bytes


def measured_bytes(case: Case) -> int:
    """The most that one forward and backward pass holds beside what was there before."""
    import torch

    torch.set_num_threads(1)
    model = _model(case)
    ids = torch.randint(0, case.vocab, (SEQUENCES, LENGTH))
    labels = ids.clone()
    labels[:, : -round(vram.LEARNED_SHARE * LENGTH)] = -100
    mask = torch.ones_like(ids)
    if case.is_masked:
        mask[0, -9:] = 0
    is_cast = case.device.has_bf16

    def go_through() -> None:
        casting: Any = contextlib.nullcontext()
        if is_cast:
            casting = torch.autocast("cpu", dtype=torch.bfloat16)
        with casting:
            loss = model(input_ids=ids, attention_mask=mask, labels=labels, fused_lm_head=True).loss
        loss.backward()

    with plain_head_without_triton():
        return _peak_of(go_through)


def _peak_of(go_through: Callable[[], None]) -> int:
    import torch

    go_through()  # from here on the gradients are there, as in all passes of a step but the first
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profiled:
        go_through()
    return _peak_bytes(profiled)


def _model(case: Case) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers.models.auto import AutoConfig, AutoModelForCausalLM
    from trl.trainer.utils import add_fused_lm_head

    said = dict(case.config)
    config = AutoConfig.for_model(said.pop("model_type"), **said, use_cache=False)
    wide = case.device.is_card or case.is_quantised
    dtype = torch.bfloat16 if wide else torch.float32
    model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    if case.is_checkpointed:
        model.gradient_checkpointing_enable()
        model.enable_input_require_grads()
    adapter = LoraConfig(
        r=case.r, lora_dropout=case.dropout, target_modules=LINEAR_LAYERS, task_type="CAUSAL_LM"
    )
    tuned = get_peft_model(model, adapter)
    # As TRL's SFTTrainer does it.
    add_fused_lm_head(tuned.get_base_model(), outputs=("log_probs", "entropy", "is_top1"))
    for one in tuned.parameters():
        if one.requires_grad and case.is_quantised:
            one.data = one.data.to(torch.bfloat16)
    return tuned.train()


def _peak_bytes(profiled: Any) -> int:
    """Of the allocations and releases that the profiler saw, in their order."""
    events = profiled.profiler.kineto_results.events()
    changes = sorted(
        (event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]"
    )
    held = most = 0
    for _, change in changes:
        held += change
        most = max(most, held)
    return most


def main() -> None:
    print(f"{'a step of 256 tokens':<40}{'predicted':>12}{'measured':>12}{'ratio':>8}")
    for case in CASES:
        predicted, measured = predicted_bytes(case), measured_bytes(case)
        print(
            f"{case.name:<40}{predicted / 1e6:>9.2f} MB{measured / 1e6:>9.2f} MB"
            f"{predicted / measured:>8.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
