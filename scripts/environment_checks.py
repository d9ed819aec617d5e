"""What a role needs, against what is found: each lack with its remedy.

Pure; standard library alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scripts import pip_failures
from scripts.environment import python_refusal
from scripts.environment_facts import Facts

GIB = 1024**3
LAPTOP_MEMORY_BYTES = 4 * GIB
"""A 3B model in Q4_K_M (2.0 GB), what it has read, the bot, the system."""
LAPTOP_ENVIRONMENT_BYTES, LAPTOP_MODEL_BYTES = 2_500_000_000, 2_000_000_000
TRAIN_ENVIRONMENT_BYTES, CARD_ENVIRONMENT_BYTES = 4_000_000_000, 9_000_000_000
"""On the disk, the packages; CUDA's libraries are most of the last one."""
FULL_DISK_BYTES = 1_000_000_000
"""Left free for whatever else goes on."""

SETUP = "python scripts/setup_training.py"
START = "python3 launcher.py --demo"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    state: str
    """ok, warns (it goes, but) or lacks."""
    found: str
    """A sentence, or a figure."""
    needed: str = ""
    remedy: str = ""
    """What to do, as a sentence; "" where all is well."""


def checks(facts: Facts) -> list[Check]:
    """All of a role, in the order in which they are put right."""
    found = [
        _python(facts),
        _system(facts),
        *_card(facts),
        _memory(facts),
        _disk(facts),
        _environment(facts),
        *_compiler(facts),
    ]
    if facts.environment == "works":
        found += [_packages(facts), *_runtime(facts)]
        if facts.role == "train":
            found += [_converter(facts), *_training(facts)]
    return [*found, _power(facts), *_bot(facts)]


def _python(facts: Facts) -> Check:
    version = ".".join(map(str, facts.python))
    bits = "64 bit" if facts.is_64_bit else "32 bit"
    refusal = python_refusal(facts.python)
    if not refusal and not facts.is_64_bit:
        refusal = "Install the 64-bit Python: there are no packages for 32 bits."
    state = "lacks" if refusal else "ok"
    return Check("python", state, f"{version}, {bits}", "3.10 to 3.13, 64 bit", refusal)


def _system(facts: Facts) -> Check:
    found = f"{facts.system_name} ({facts.system} {facts.machine})"
    machine = facts.machine.lower()
    is_known = (facts.system, machine) in {
        ("Linux", "x86_64"),
        ("Linux", "aarch64"),
        ("Windows", "amd64"),
        ("Windows", "x86_64"),
        ("Darwin", "arm64"),
    }
    remedy = "" if is_known else "Not tried there: packages may have to be built, or be missing."
    needed = "64-bit Windows, Linux or an Apple-silicon Mac"
    return Check("system", "ok" if is_known else "warns", found, needed, remedy)


def _card(facts: Facts) -> Iterator[Check]:
    """Card and torch's build are told apart: what the driver sees, and what computes on it."""
    metal = facts.system == "Darwin" and facts.machine == "arm64"
    shown = "; ".join(
        f"{c.name}, driver {c.driver}, {_gb(c.free_bytes)} of {_gb(c.total_bytes)} free"
        for c in facts.cards
    )
    found = shown or ("Apple's, shared memory (Metal)" if metal else "no NVIDIA card: processor")
    if facts.role == "laptop":
        yield Check("card", "ok", found)
        return
    wants_card = bool(facts.told.get("wants_card"))
    if wants_card and not facts.cards:
        yield Check(
            "card",
            "lacks",
            found,
            f"an NVIDIA card and its driver (the profile {facts.told.get('profile')})",
            "Install NVIDIA's driver where there is a card; else take --profile laptop-cpu, or "
            "train on another machine (scripts/bundle.py).",
        )
    else:
        yield Check("card", "ok", found)
    if facts.cards and facts.torch_cuda == "":
        yield Check(
            "torch",
            "lacks",
            "A card is there, but torch is the build for processors.",
            "torch for CUDA",
            f"Run `{SETUP}`: it puts the card's build in its place.",
        )
    elif facts.cards and facts.torch_cuda and facts.told.get("sees_card") is False:
        yield Check(
            "torch",
            "lacks",
            f"torch is built for CUDA {facts.torch_cuda}, but does not see the card.",
            f"a driver that knows CUDA {facts.torch_cuda}",
            f"Update NVIDIA's driver (it is {facts.cards[0].driver}) and restart the computer.",
        )
    elif facts.torch_cuda is not None:
        build = f"CUDA {facts.torch_cuda}" if facts.torch_cuda else "processors"
        yield Check("torch", "ok", f"{facts.told.get('torch', 'installed')}, for {build}")


def _memory(facts: Facts) -> Check:
    if not facts.memory_bytes:
        return Check("memory", "ok", "not known")
    found = f"{_gb(facts.memory_bytes)}"
    needed_bytes, why = LAPTOP_MEMORY_BYTES, "a 3B model and the system"
    if facts.role == "train" and "merging_bytes" in facts.told:
        needed_bytes = int(facts.told["merging_bytes"])
        why = f"merging the adapter into {facts.told.get('base')} in 16 bits"
        found += f", {_gb(int(facts.told['memory_free_bytes']))} of it free"
    needed = f"{_gb(needed_bytes)}: {why}"
    if facts.memory_bytes < needed_bytes:
        remedy = "Take a smaller model or base, or a computer with more memory."
        return Check("memory", "lacks", found, needed, remedy)
    if int(facts.told.get("memory_free_bytes", needed_bytes)) < needed_bytes:
        remedy = "Close other programs before the adapter is merged."
        return Check("memory", "warns", found, needed, remedy)
    return Check("memory", "ok", found, needed)


def _disk(facts: Facts) -> Check:
    """The sum that the role needs: what is not there yet."""
    packages = 0
    if facts.environment != "works":
        packages = LAPTOP_ENVIRONMENT_BYTES
        if facts.role == "train":
            packages = CARD_ENVIRONMENT_BYTES if facts.cards else TRAIN_ENVIRONMENT_BYTES
    parts = {"a model": LAPTOP_MODEL_BYTES}
    if facts.role == "train":
        parts = {name: int(size) for name, size in facts.told.get("disk", {}).items() if size}
    home = sum(parts.values()) + FULL_DISK_BYTES
    listed = [("packages", packages), *parts.items()]
    summed = " + ".join(f"{name} {_gb(size)}" for name, size in listed if size) or "nothing more"
    needed = f"{_gb(home + packages)}: {summed}, and {_gb(FULL_DISK_BYTES)} left free"
    found = f"{_gb(facts.home_free_bytes)} free for the home"
    if not facts.is_writable:
        remedy = "The home cannot be written to: choose another folder with --home DIR."
        return Check("disk", "lacks", found, needed, remedy)
    wanted_at_home = home + (packages if facts.is_one_disk else 0)
    if not facts.is_one_disk:
        found += f", {_gb(facts.program_free_bytes)} for the program"
    is_short = facts.home_free_bytes < wanted_at_home or facts.program_free_bytes < packages
    remedy = "Free that much, or choose a home on another disk with --home DIR." if is_short else ""
    return Check("disk", "lacks" if is_short else "ok", found, needed, remedy)


def _environment(facts: Facts) -> Check:
    if facts.environment == "works":
        return Check("environment", "ok", ".venv works")
    is_absent = facts.environment == "absent"
    return Check(
        "environment",
        "lacks",
        ".venv is not made yet." if is_absent else ".venv is damaged or half-made.",
        "the environment with Mynah's packages",
        _install_remedy(facts),
    )


def _compiler(facts: Facts) -> Iterator[Check]:
    """Only where llama-cpp-python may still have to be built."""
    rows = facts.packages or ()
    if any(name == "llama-cpp-python" and fits for name, _, _, fits in rows):
        return
    if facts.compiler:
        yield Check("compiler", "ok", facts.compiler)
    else:
        yield Check(
            "compiler",
            "warns",
            "No C++ compiler.",
            "one, unless a ready llama-cpp-python is found",
            pip_failures.compiler_remedy(facts.system),
        )


def _packages(facts: Facts) -> Check:
    rows = facts.packages
    needed = "as pinned in the requirements files"
    if rows is None:
        remedy = "Delete the folder .venv and make it anew: " + _install_remedy(facts)
        return Check("packages", "lacks", "The environment does not answer.", needed, remedy)
    unfit = [f"{name} {found or 'absent'}" for name, _, found, fits in rows if not fits]
    if not unfit:
        return Check("packages", "ok", f"{len(rows)} of {len(rows)}", needed)
    shown = ", ".join(unfit[:8]) + (f" and {len(unfit) - 8} more" if len(unfit) > 8 else "")
    found = f"{len(rows) - len(unfit)} of {len(rows)}: {shown}."
    return Check("packages", "lacks", found, needed, _install_remedy(facts))


def _runtime(facts: Facts) -> Iterator[Check]:
    if facts.runtime:
        yield Check("llama.cpp", "ok", facts.runtime)
    elif any(name == "llama-cpp-python" and found for name, _, found, _ in facts.packages or ()):
        remedy = (
            "Build it for this processor: `pip install --force-reinstall --no-deps --no-binary "
            "llama-cpp-python llama-cpp-python` with the environment's pip."
        )
        yield Check("llama.cpp", "lacks", "It is installed and does not start.", "", remedy)


def _converter(facts: Facts) -> Check:
    said = str(facts.told.get("converter", ""))
    if facts.has_converter and not said:
        return Check("converter", "ok", "llama.cpp's, of the installed llama-cpp-python")
    found = said or "The converter to GGUF is not there."
    return Check("converter", "lacks", found, "llama.cpp's", _install_remedy(facts))


def _training(facts: Facts) -> Iterator[Check]:
    """What the profile's training needs at its peak, by model/vram.py."""
    told = facts.told
    if not told:
        if facts.not_told:
            # A script of ours that could not do it ends in a sentence, which says what to do.
            remedy = "" if facts.is_sentence else _install_remedy(facts)
            yield Check("training", "lacks", facts.not_told, "", remedy)
        return
    on_card = bool(told.get("sees_card"))
    name = "card memory" if on_card else "training memory"
    if "need_bytes" not in told:
        found = f"{_gb(int(told['free_bytes']))} free; what it needs is not known: "
        yield Check(
            name, "warns", found + str(told.get("unknown")), "", "It is tried all the same."
        )
        return
    found = f"{_gb(int(told['free_bytes']))} free"
    needed = f"{_gb(int(told['need_bytes']))}: {told['base']} by the profile {told['profile']}"
    if not told["refused"]:
        yield Check(name, "ok", found, needed)
    else:
        state = "lacks" if told["is_hopeless"] else "warns"
        yield Check(name, state, found, needed, str(told["refused"]))
    if on_card and not told.get("has_fused_head"):
        remedy = f"Run `{SETUP}`: it installs Triton, and a training needs gigabytes less."
        yield Check("triton", "warns", "TRL finds no Triton.", "its fused loss", remedy)
    if not told.get("is_base_there", True):
        remedy = f"Run `python scripts/download_base.py get {told['base']}`."
        yield Check("base", "warns", f"{told['base']} is not downloaded yet.", "", remedy)


def _power(facts: Facts) -> Check:
    if not facts.is_on_battery:
        return Check("power", "ok", "mains, or not known")
    if facts.role == "laptop":
        return Check("power", "ok", "battery: the bot reads along on mains alone, unless it is set")
    remedy = "Plug it in: a training takes hours at full load."
    return Check("power", "warns", "It runs on its battery.", "mains", remedy)


def _bot(facts: Facts) -> Iterator[Check]:
    if not facts.bot:
        return
    if facts.bot == "does not answer":
        remedy = "Stop it in the window, or end its process, and start it again."
        yield Check("bot", "warns", "This home's bot runs and does not answer.", "", remedy)
    elif facts.role == "train":
        found = f"This home's bot runs ({facts.bot}): it rests where both do not fit into memory"
        yield Check("bot", "ok", found)
    else:
        yield Check("bot", "ok", f"This home's bot runs ({facts.bot})")


def _install_remedy(facts: Facts) -> str:
    if facts.role == "laptop":
        return f"Run `{START}`, or this with --fix."
    return f"Run `{SETUP}`, or this with --fix."


def _gb(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB"
