"""The base as it is trained on: on which device, in how many bits, with which adapter."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from model.profile import Profile
from model.training.errors import TrainingError

LINEAR_LAYERS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SETUP = "python scripts/setup_training.py"
PROBE_TOKENS = 8
PROBE_TOLERANCE = 1e-3
"""Of the largest logit; a leak moves it by far more, and nothing else moves it at all."""


def device_name() -> str:
    """Where torch computes best here: cuda, mps (Metal) or cpu."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def has_bf16(device: str) -> bool:
    """Whether the device multiplies bfloat16 itself; elsewhere autocasting only costs time."""
    import torch

    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device == "mps":
        return False
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def prepare_backend(profile: Profile) -> None:
    """Before TRL is imported, which Unsloth changes. Raises TrainingError where it is missing."""
    if profile.backend != "unsloth":
        return
    os.environ["UNSLOTH_DISABLE_STATISTICS"] = "1"
    try:
        import unsloth  # noqa: F401
    except ImportError as error:
        raise TrainingError(
            f"Unsloth is not installed here: {SETUP} --with-unsloth, or train with --backend trl."
        ) from error
    except NotImplementedError as error:
        raise TrainingError(
            "Unsloth finds no graphics card that it can use: train with --backend trl."
        ) from error


def load_base(base_dir: Path, profile: Profile) -> Any:
    """The base on the device, frozen in 4 bits where the profile says so (NF4 with double
    quantisation, Dettmers et al. 2023). With Unsloth the adapter is on it already.

    Raises TrainingError where a package is missing.
    """
    import torch
    from transformers import AutoModelForCausalLM

    device = device_name()
    if profile.backend == "unsloth":
        return _unsloth(base_dir, profile)
    dtype = torch.bfloat16 if device == "cuda" and has_bf16(device) else torch.float32
    if profile.quantised_base == "none":
        model = AutoModelForCausalLM.from_pretrained(base_dir, dtype=dtype, local_files_only=True)
        return model.to(device)
    model = AutoModelForCausalLM.from_pretrained(
        base_dir,
        dtype=dtype,
        quantization_config=_nf4(dtype),
        device_map={"": device},
        local_files_only=True,
    )
    # On a processor with AVX-512, bitsandbytes lays the weights out anew when something is measured
    # with them, and cannot train on them from then on.
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return model


def _nf4(compute: Any) -> Any:
    from transformers import BitsAndBytesConfig

    if find_spec("bitsandbytes") is None:
        raise TrainingError(
            f"A base in 4 bits needs bitsandbytes: {SETUP}, or take a profile with "
            "quantised_base: none, such as laptop-cpu."
        )
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
    )


def lora_config(profile: Profile) -> Any:
    """On all linear layers, as PEFT takes it."""
    from peft import LoraConfig

    return LoraConfig(
        r=profile.lora.r,
        lora_alpha=profile.lora.alpha,
        lora_dropout=profile.lora.dropout,
        target_modules=LINEAR_LAYERS,
        task_type="CAUSAL_LM",
    )


def _unsloth(base_dir: Path, profile: Profile) -> Any:
    """The base and its adapter as Unsloth makes them. Its own gradient checkpointing is as the
    profile says."""
    from unsloth import FastLanguageModel

    checkpointing = "unsloth" if profile.gradient_checkpointing else False
    model, _ = FastLanguageModel.from_pretrained(
        model_name=str(base_dir),
        max_seq_length=profile.max_length,
        load_in_4bit=profile.quantised_base == "nf4",
        use_gradient_checkpointing=checkpointing,
        use_exact_model_name=True,
        local_files_only=True,
    )
    return FastLanguageModel.get_peft_model(
        model,
        r=profile.lora.r,
        lora_alpha=profile.lora.alpha,
        lora_dropout=profile.lora.dropout,
        target_modules=LINEAR_LAYERS,
        use_gradient_checkpointing=checkpointing,
        random_state=profile.seed,
    )


def packed_see_each_other(model: Any) -> bool:
    """Whether what stands first in a packed sequence changes what comes out behind it.

    transformers masks by position ids that begin again (masking_utils, with any attention but Flash
    Attention, which takes them itself) where the model asks it to: so it is tried, not looked up.
    """
    import torch

    behind = torch.arange(PROBE_TOKENS) + 1
    positions = torch.arange(PROBE_TOKENS).repeat(2)[None].to(model.device)
    was_training = model.training
    model.eval()
    seen = []
    with torch.inference_mode():
        for first in (behind.flip(0), behind + PROBE_TOKENS):
            ids = torch.cat([first, behind])[None].to(model.device)
            logits = model(input_ids=ids, position_ids=positions, use_cache=False).logits
            seen.append(logits[0, PROBE_TOKENS:].float())
    model.train(was_training)
    moved = (seen[0] - seen[1]).abs().max()
    return bool(moved > PROBE_TOLERANCE * seen[0].abs().max())
