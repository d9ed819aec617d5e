#!/usr/bin/env python3
"""Makes the environment for training on an NVIDIA card, on Windows and Linux, in one go.

    python scripts/setup_training.py                  the environment (.venv), then a look at it all
    python scripts/setup_training.py --with-unsloth   Unsloth too (a part of it is AGPL-3.0)
    python scripts/setup_training.py --dry-run        only say what would be done

It installs requirements.txt, requirements-train.txt and requirements-gpu.txt, torch as the build
for the card, and llama.cpp's converter. Start it again whenever it was stopped, or failed: what is
installed stays. Without a card it makes what a training on the processor takes (a Mac: Metal).

Standard library alone. Exit status: that of scripts/0_check_environment.py --role train; 2 where
something could not be installed, 130 where it was stopped.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path[0:1] = [str(Path(__file__).resolve().parent.parent)]

from scripts import card_torch, environment
from scripts.edge import add_home, ending_in_a_sentence, stop_when_terminated
from scripts.environment import GPU, LAPTOP, TRAIN, UNSLOTH, Environment, InstallError, pin_of

NO_CARD = (
    "No NVIDIA card is seen here (there is no nvidia-smi): torch is the build for processors. "
    "Install NVIDIA's driver, then start this again: the card's build takes its place."
)


def main() -> int:
    arguments = parse_arguments()
    place, has_card = Environment(), environment.has_card()
    refusal = environment.python_refusal()
    if refusal:
        raise InstallError(refusal)
    system = platform.system()
    files = files_for(system, with_unsloth=arguments.with_unsloth)
    if system != "Darwin" and not has_card:
        print(NO_CARD, file=sys.stderr)
    if arguments.dry_run:
        print("\n".join(planned(place, system, files, has_card=has_card)))
        return 0
    stop_when_terminated()
    environment.ensure(place, files)
    return subprocess.run(check_command(place, arguments.home)).returncode


def files_for(system: str, *, with_unsloth: bool) -> list[str]:
    """The requirements files, in order. Raises InstallError where Unsloth cannot be had."""
    if system != "Darwin":
        return [LAPTOP, TRAIN, GPU, *([UNSLOTH] if with_unsloth else [])]
    if with_unsloth:
        raise InstallError("Unsloth wants an NVIDIA card: on a Mac leave out --with-unsloth.")
    return [LAPTOP, TRAIN]


def planned(place: Environment, system: str, files: Sequence[str], *, has_card: bool) -> list[str]:
    """The commands in their order, as they would be typed on that system. What is there already is
    left out when it comes to it."""
    python = ".venv\\Scripts\\python" if system == "Windows" else ".venv/bin/python"
    pip = f"{python} -m pip"
    pin = pin_of("torch", place.program / TRAIN)
    runtime = f"llama-cpp-python=={pin_of('llama-cpp-python', place.program / LAPTOP)}"
    lines = [
        f"{'py' if system == 'Windows' else 'python3'} -m venv .venv",
        f"{pip} install --only-binary :all: --index-url {environment.RUNTIME_WHEELS} {runtime}",
        f"{pip} install {runtime}    (where that has no ready one: built here)",
    ]
    if has_card and GPU in files:
        have = card_torch.cuda_of(place.site_packages)
        index = card_torch.index_of(place.program / GPU)
        if command := card_torch.command(system, pin, index, have):
            lines.append(f"{pip} {' '.join(command)}")
    elif system == "Linux":
        lines.append(f"{pip} install --index-url {environment.TORCH_CPU_WHEELS} torch=={pin}")
    lines += [
        f"{pip} install {' '.join(f'-r {name}' for name in files)}",
        f"{pip} download --no-deps --no-binary llama-cpp-python {runtime}    (the converter)",
        f"{python} scripts/0_check_environment.py --role train",
    ]
    return lines


def check_command(place: Environment, home: str | None) -> list[str]:
    script = place.program / "scripts" / "0_check_environment.py"
    at_home = ["--home", home] if home else []
    return [str(place.python), str(script), "--role", "train", *at_home]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--with-unsloth", action="store_true", help="install Unsloth as well")
    parser.add_argument("--dry-run", action="store_true", help="say the commands, run none")
    add_home(parser)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(
        ending_in_a_sentence(
            main, stopped="Stopped. What is installed stays; start again to go on."
        )
    )
