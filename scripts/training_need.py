"""What a training by a profile needs, and what its environment's packages see of this machine.

Runs in the environment's own Python, as scripts/0_check_environment.py starts it (torch is
imported, some seconds), and prints one JSON object:

    profile, wants_card                            its name; it takes the base in 4 bits
    torch, torch_cuda, sees_card, has_fused_head   the build, and whether it computes on the card
    free_bytes, memory_free_bytes                  of the card (or the computer), of the computer
    base, is_base_there                            which base, and whether it is downloaded
    need_bytes, parts, refused, is_hopeless        the peak of a training; why it does not fit ("")
    merging_bytes, disk                            memory for merging; bytes on disk by what for
    unknown                                        why there are no figures ("")
    converter                                      why the converter to GGUF is not found ("")
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path[0:1] = [str(Path(__file__).resolve().parent.parent)]

from model import base_models, base_shape, export, vram
from model.base_shape import BaseShape
from model.profile import Profile, load
from scripts.edge import ending_in_a_sentence
from storage.errors import MynahError
from storage.paths import find_home

Q4_BYTES = 0.63
"""A parameter in Q4_K_M: 1.93 GB measured at Qwen2.5-3B's shape."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="", help="a name or a YAML file (default: what suits)")
    parser.add_argument("--home", default=None)
    arguments = parser.parse_args()
    device = vram.device_here()
    profile = load(arguments.profile or ("rtx3070" if device.is_card else "laptop-cpu"))
    told = {**_torch(device), **_base(profile, arguments.home, device), "converter": _converter()}
    wants_card = profile.quantised_base == "nf4"
    print(json.dumps({"profile": profile.name, "wants_card": wants_card, **told}))
    return 0


def _torch(device: vram.Device) -> dict[str, Any]:
    import torch

    return {
        "torch": torch.__version__,
        "torch_cuda": torch.version.cuda or "",
        "sees_card": device.is_card,
        "has_fused_head": device.has_fused_head,
        "free_bytes": vram.free_bytes(device),
        "memory_free_bytes": vram.free_bytes(vram.PROCESSOR),
    }


def _base(profile: Profile, home: str | None, device: vram.Device) -> dict[str, Any]:
    told: dict[str, Any] = {"base": profile.base, "is_base_there": True, "unknown": ""}
    try:
        shape = base_shape.read(base_models.find_base(profile.base, find_home(home)))
    except base_models.NoSuchBaseError as error:
        told |= {"is_base_there": False, "unknown": str(error)}
        known = [base for base in base_models.BASES if base.base_id == profile.base]
        if not known:
            return told
        told["unknown"], shape = "", known[0].shape
    except MynahError as error:
        return {**told, "unknown": str(error)}
    return {**told, **_figures(shape, profile, device, is_base_there=told["is_base_there"])}


def _figures(
    shape: BaseShape, profile: Profile, device: vram.Device, *, is_base_there: bool
) -> dict[str, Any]:
    need = vram.predict(shape, profile, "sft", device)
    refused, is_hopeless = "", False
    try:
        vram.check_fits(shape, profile, "sft", vram.free_bytes(device), device)
    except vram.NoRoomError as error:
        refused, is_hopeless = str(error), error.fitting is None
    in_16_bits = 2 * shape.parameters
    # A checkpoint: the adapter and AdamW's averages. The last one and the best one are kept.
    checkpoints = 2 * (need.adapter_bytes + need.optimizer_bytes) + need.adapter_bytes
    return {
        "need_bytes": need.total_bytes,
        "parts": asdict(need),
        "refused": refused,
        "is_hopeless": is_hopeless,
        "merging_bytes": vram.merging_bytes(shape),
        "disk": {
            "the base": 0 if is_base_there else in_16_bits,
            "checkpoints": checkpoints,
            "the merged model": in_16_bits,
            "its GGUF in 16 bits": in_16_bits,
            "the finished GGUF": round(Q4_BYTES * shape.parameters),
        },
    }


def _converter() -> str:
    try:
        export.find_converter()
    except MynahError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
