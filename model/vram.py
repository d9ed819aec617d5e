"""How much memory a training needs at its peak, before anything is loaded; and what would fit.

On a card: its own memory. On a processor: the computer's, by the same formula in other widths. What
a step keeps was compared with what PyTorch holds at its peak (`python -m
tests.model.training_memory`, docs/experiments.md). No card was at hand for that: what is NVIDIA's
own, the context and what the allocator leaves unused, is an assumption, named so below.

Imports no torch but in `device_here`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal

from model.base_shape import BaseShape
from model.profile import Profile, Rounds
from storage.errors import MynahError

Mode = Literal["sft", "dpo", "kto"]

NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)
"""A weight in NF4 with double quantisation: 4 bits, 8 bits a block of 64, 32 bits for 256 of those
(Dettmers et al. 2023, "QLoRA", section 3)."""
FULL_LOGITS_BYTES = 16
"""A learned token and entry of the vocabulary, where the loss is taken from whole logits
(model/training/plain_head.py): logarithms, their gradient, and that of the logits before and behind
the temperature, each in 32 bits. Measured: 16.0, also where the model computes in 16 bits."""
LEARNED_SHARE = 0.25
"""Of the tokens, how many are a reply's at most: the head is asked for these alone. A prepared set
of The Lantern has 0.1."""
FUSED_TOKENS, FUSED_ENTRIES = 4096, 32_768
"""The tile that TRL's fused head computes at once (trl/kernels/chunked_logprob.py, trl/trainer/
utils.py of TRL 1.15)."""
CUDA_CONTEXT_BYTES = 500_000_000
"""What CUDA and its libraries take on the card before the first tensor. An assumption."""
PROCESS_BYTES = 1_450_000_000
"""A training's process on a processor, before its tensors: 0.6 GB of imports, the rest what PyTorch
keeps of shapes that it computed once. Measured with script 3 and the base that ships."""
UNUSED_SHARE = 0.05
"""What the allocator holds beside the tensors' own bytes, of what comes and goes. An assumption."""

SHORTEST, LOWEST_RANK = 256, 8
"""Below these a training is not made smaller: nothing worth learning is left."""


class NoRoomError(MynahError):
    """A training that does not fit; the sentence says what would."""

    def __init__(self, sentence: str, fitting: Profile | None) -> None:
        super().__init__(sentence)
        self.fitting = fitting
        """The nearest smaller setting that fits; None: none does."""


@dataclass(frozen=True)
class Device:
    """Where a training computes, and in what."""

    is_card: bool
    has_fused_head: bool
    """TRL's loss without whole logits: wants a card and Triton."""
    has_bf16: bool
    """Multiplies bfloat16 itself: the trainer then casts to it."""

    @property
    def name(self) -> str:
        return "the card" if self.is_card else "the computer"


CARD = Device(is_card=True, has_fused_head=True, has_bf16=True)
"""An NVIDIA card of 2020 or newer, with Triton."""
CARD_WITHOUT_TRITON = Device(is_card=True, has_fused_head=False, has_bf16=True)
PROCESSOR = Device(is_card=False, has_fused_head=False, has_bf16=False)


@dataclass(frozen=True)
class VramNeed:
    """Bytes at the peak of a step, by what they are for."""

    weights_bytes: int
    """The base: linear layers as the profile says, the rest in 16 bits (32 on a processor)."""
    adapter_bytes: int
    """LoRA's weights."""
    gradients_bytes: int
    """Of the adapter; kept over the passes of a step."""
    optimizer_bytes: int
    """AdamW's two averages, as wide as the adapter's weights."""
    reference_bytes: int
    """DPO and KTO: the adapter as it was."""
    activations_bytes: int
    """What the forward pass keeps for the backward one."""
    passing_bytes: int
    """The larger of what the loss takes and what going back through one layer takes."""
    runtime_bytes: int
    """CUDA's context, or the process on a processor."""
    unused_bytes: int

    @property
    def total_bytes(self) -> int:
        return sum(getattr(self, one.name) for one in fields(self))


@dataclass(frozen=True)
class _Widths:
    """Bytes a value."""

    weight: float
    """Linear layers of the base."""
    rest: int
    """Its embeddings, head, norms and biases; what flows from layer to layer."""
    adapter: int
    value: int
    """What is multiplied."""
    dropped: int
    """A value's mark where dropout may take it."""

    @property
    def copies_inputs(self) -> bool:
        """PEFT widens what goes into an adapter of 32 bits, autocasting narrows it again: each of
        the seven keeps a copy of its own."""
        return self.adapter > self.value

    @property
    def copies_weights(self) -> bool:
        """Autocasting a base of 32 bits keeps a copy of each weight in 16."""
        return self.weight > self.value


def predict(shape: BaseShape, profile: Profile, mode: Mode, device: Device = CARD) -> VramNeed:
    """The memory of a training at its peak, full sequences taken for granted.

    A layer keeps, for each token (I: intermediate, H: hidden, Q and K: width of queries and of
    keys, e: bytes a value, r: LoRA's rank):

        norms       norms x (4 H + 4), with q and k norms 4 (Q + K + heads)
        attention   e (2 Q + 2 K) + 4 heads; where sequences share a row or are padded, keys and
                    values are repeated for each head (4 Q) and the mask costs e x length
        MLP         3 e I: the gate, its SiLU, and up
        LoRA        7 e r, and what goes in: e (2 H + I) where the seven share it, e (5 H + Q + I)
                    where each has a copy, as with dropout, which keeps a mark of each value too

    That is Korthikanti et al. 2022, "Reducing Activation Recomputation in Large Transformer
    Models", section 4, for a gated MLP, RMSNorm, grouped keys, attention that is not materialised,
    and frozen weights (a frozen layer keeps no input); read off the tensors that autograd saves.

    With gradient checkpointing every layer keeps its input alone, and one is computed again at a
    time. Going back through a layer takes 2 e I + 4 H a token beside, the loss 16 x vocabulary a
    learned token, or a tile where TRL's fused head is there. Both come when the other is over.
    """
    widths = _widths(profile, device)
    rounds: Rounds = getattr(profile, mode)
    sequences = rounds.batch_size * (2 if mode == "dpo" else 1)
    tokens = sequences * profile.max_length
    adapter = shape.lora_parameters(profile.lora.r)
    is_masked = profile.packing or sequences > 1
    layer = round(tokens * _kept_a_token(shape, profile, widths, is_masked=is_masked))
    if widths.copies_weights:
        layer += shape.linear_parameters // shape.layers * widths.value
    going_back = tokens * (2 * shape.intermediate * widths.value + 4 * shape.hidden)
    if widths.weight < 1:  # one layer's weights at a time, as they are multiplied
        going_back += 2 * max(wide * high for wide, high in shape.linears.values())
    loss = _loss_bytes(shape, tokens, widths, device)
    if profile.gradient_checkpointing:
        kept = shape.layers * tokens * shape.hidden * widths.rest
        passing = max(loss, layer + going_back)
    else:
        kept, passing = shape.layers * layer, max(loss, going_back)
    if widths.copies_inputs:
        kept += adapter * widths.value
    small = shape.parameters - shape.linear_parameters
    return VramNeed(
        weights_bytes=round(shape.linear_parameters * widths.weight) + small * widths.rest,
        adapter_bytes=adapter * widths.adapter,
        gradients_bytes=adapter * widths.adapter,
        optimizer_bytes=2 * adapter * widths.adapter,
        reference_bytes=0 if mode == "sft" else adapter * 4,
        activations_bytes=kept,
        passing_bytes=passing,
        runtime_bytes=CUDA_CONTEXT_BYTES if device.is_card else PROCESS_BYTES,
        unused_bytes=round(UNUSED_SHARE * (kept + passing)),
    )


def merging_bytes(shape: BaseShape) -> int:
    """Of the computer's memory, what merging an adapter takes: the base once in 16 bits."""
    return 2 * shape.parameters + PROCESS_BYTES


def smaller(profile: Profile, mode: Mode) -> Profile | None:
    """The next smaller setting, None at the end.

    First what changes nothing that is learned: half the sequences at once with twice as many passes
    a step (KTO compares two at least), then gradient checkpointing. Then half the length, and half
    the rank with alpha in the same proportion.
    """
    rounds: Rounds = getattr(profile, mode)
    fewest = 2 if mode == "kto" else 1
    if rounds.batch_size // 2 >= fewest:
        batch = rounds.batch_size // 2
        passes = -(-rounds.batch_size * rounds.gradient_accumulation // batch)
        return profile.with_(**{mode: {"batch_size": batch, "gradient_accumulation": passes}})
    if not profile.gradient_checkpointing:
        return profile.with_(gradient_checkpointing=True)
    if profile.max_length // 2 >= SHORTEST:
        return profile.with_(max_length=profile.max_length // 2)
    if profile.lora.r // 2 >= LOWEST_RANK:
        lora = {"r": profile.lora.r // 2, "alpha": max(profile.lora.alpha // 2, 1)}
        return profile.with_(lora=lora)
    return None


def check_fits(
    shape: BaseShape, profile: Profile, mode: Mode, free_bytes: int, device: Device = CARD
) -> VramNeed:
    """What it needs. Raises NoRoomError with what would fit where that is more than is free."""
    need = predict(shape, profile, mode, device)
    if need.total_bytes <= free_bytes:
        return need
    sentence = (
        f"The profile {profile.name} needs {_gb(need.total_bytes)} of memory, "
        f"{device.name} has {_gb(free_bytes)} free"
    )
    for less in _ladder(profile, mode):
        needed = predict(shape, less, mode, device).total_bytes
        if needed <= free_bytes:
            told = said(profile, less, mode)
            raise NoRoomError(
                f"{sentence}; {told} needs {_gb(needed)}: --auto-fit takes that.", less
            )
    least = min(
        predict(shape, one, mode, device).total_bytes for one in [profile, *_ladder(profile, mode)]
    )
    raise NoRoomError(
        f"{sentence}; the smallest setting still needs {_gb(least)}: take a smaller base, or end "
        "what else uses that memory.",
        None,
    )


def said(before: Profile, after: Profile, mode: Mode) -> str:
    """For people: what `after` has that `before` has not: "batch_size 1 with max_length 1024"."""
    rounds: tuple[Rounds, Rounds] = getattr(before, mode), getattr(after, mode)
    figures = {
        "batch_size": (rounds[0].batch_size, rounds[1].batch_size),
        "max_length": (before.max_length, after.max_length),
        "r": (before.lora.r, after.lora.r),
    }
    changed = [f"{name} {new}" for name, (old, new) in figures.items() if new != old]
    if after.gradient_checkpointing and not before.gradient_checkpointing:
        changed.append("gradient checkpointing")
    return " with ".join(changed)


def device_here() -> Device:
    """Of this computer, as the trainer will use it. Imports torch and TRL."""
    from trl.trainer import utils

    from model.training.base import device_name, has_bf16

    device = device_name()
    is_card = device == "cuda"
    has_kernel = getattr(utils, "_ChunkedLogProbFunction", None) is not None
    return Device(is_card, has_fused_head=is_card and has_kernel, has_bf16=has_bf16(device))


def free_bytes(device: Device) -> int:
    """What a training could have of that memory now."""
    if device.is_card:
        import torch

        return int(torch.cuda.mem_get_info()[0])
    from model.fit import available_bytes

    return available_bytes()


def _ladder(profile: Profile, mode: Mode) -> Iterator[Profile]:
    step = smaller(profile, mode)
    while step is not None:
        yield step
        step = smaller(step, mode)


def _widths(profile: Profile, device: Device) -> _Widths:
    """As model/training/base.py loads it: 16 bits on a card that has bfloat16, else 32. TRL casts
    the adapter of a quantised base to 16 bits, PEFT leaves any other in 32."""
    rest = 2 if device.is_card and device.has_bf16 else 4
    value = 2 if device.has_bf16 else 4
    is_quantised = profile.quantised_base == "nf4"
    return _Widths(
        weight=NF4_BYTES if is_quantised else rest,
        rest=rest,
        adapter=2 if is_quantised else 4,
        value=value,
        dropped=1 if device.is_card else value,
    )


def _kept_a_token(shape: BaseShape, profile: Profile, widths: _Widths, *, is_masked: bool) -> float:
    """Bytes that one layer keeps of one token."""
    hidden, wide = shape.hidden, shape.intermediate
    query, key = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    norms = shape.norms_a_layer * (4 * hidden + 4)
    if shape.has_qk_norm:
        norms += 4 * (query + key + shape.heads + shape.kv_heads)
    attention = widths.value * (2 * query + 2 * (query if is_masked else key)) + 4 * shape.heads
    if is_masked:
        attention += widths.value * profile.max_length
    inputs = 5 * hidden + query + wide
    if profile.lora.dropout:
        lora = inputs * (widths.value + widths.dropped)
    elif widths.copies_inputs:
        lora = inputs * widths.value
    else:
        lora = (2 * hidden + wide) * widths.value
    return norms + attention + 3 * wide * widths.value + lora + 7 * profile.lora.r * widths.value


def _loss_bytes(shape: BaseShape, tokens: int, widths: _Widths, device: Device) -> int:
    """What the loss takes while it goes forward and back through the head."""
    learned = round(tokens * LEARNED_SHARE)
    if device.has_fused_head:
        tile = min(learned, FUSED_TOKENS) * min(shape.vocab, FUSED_ENTRIES) * widths.value
        return tile + learned * shape.hidden * 8
    copied = shape.vocab * shape.hidden * widths.value if widths.copies_weights else 0
    return learned * FULL_LOGITS_BYTES * shape.vocab + tokens * 4 * shape.hidden + copied


def _gb(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e9:.2f} GB"
