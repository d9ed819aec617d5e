"""Training profiles: every number of a fine-tuning run under one name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """The numbers of one LoRA run. Lengths and budgets in tokens of the base model's tokenizer."""

    name: str
    lora_r: int
    lora_alpha: int
    lora_dropout: float
    learning_rate: float
    epochs: int
    batch_size: int
    """Sequences a forward pass."""
    gradient_accumulation: int
    max_length: int
    """Longest training sequence; longer examples are refused, never cut."""
    max_tokens: int | None
    """Most tokens over the whole run, padding not counted; None for no bound."""
    warmup_share: float = 0.05
    weight_decay: float = 0.0
    seed: int = 7


DEMO = Profile(
    name="demo",
    lora_r=16,
    lora_alpha=32,
    lora_dropout=0.0,
    learning_rate=3e-3,
    epochs=1,
    batch_size=4,
    gradient_accumulation=1,
    max_length=256,
    max_tokens=250_000,
)
"""For models/demo-base on a laptop's processor, in about a minute. The rate is the best of a sweep
in docs/experiments.md; a random-start adapter on 6 M parameters wants far more than a 3B model's
1e-4."""

PROFILES = {profile.name: profile for profile in (DEMO,)}
