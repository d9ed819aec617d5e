"""Training profiles: every number of a training under one name, as YAML, checked when it is read.

Three ship in model/profiles/ (rtx3070, laptop-cpu, demo); a path names one of your own.
Lengths and budgets are in tokens of the base model's tokenizer.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from storage.errors import MynahError

PROFILES_DIR = Path(__file__).resolve().parent / "profiles"

Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0, le=1)]
Share = Annotated[float, Field(ge=0, le=1)]
FType = Literal["Q3_K_M", "Q4_0", "Q4_K_M", "Q5_0", "Q5_K_M", "Q6_K", "Q8_0"]


_UNKNOWN = {"extra_forbidden": "there is nothing of that name in a profile"}
_LACKING = {"missing": "it is not there"}
"""By pydantic's kind of error, for what it says in a programmer's words."""


class ProfileError(MynahError):
    """A profile that does not exist or says what it cannot; the sentence names the place."""


class _Part(BaseModel):
    """Frozen; a name that is not known is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Lora(_Part):
    """The adapter, on all linear layers."""

    r: Count
    alpha: Count
    """Its output is scaled by alpha / r."""
    dropout: Share = 0.0


class Rounds(_Part):
    """One way through the data with AdamW and a cosine that falls to 0."""

    epochs: Count
    batch_size: Count
    """Sequences a forward pass."""
    gradient_accumulation: Count
    """Forward passes a step."""
    learning_rate: Rate
    warmup_share: Share = 0.05
    weight_decay: Share = 0.0
    save_steps: Count = 500
    """A checkpoint, and a look at the validation set, every so many steps."""
    patience: int = Field(default=3, ge=0)
    """Looks at the validation set without a better loss after which it ends early; 0: never. The
    best checkpoint is what is kept."""
    max_tokens: Count | None = None
    """Most tokens over the whole run, padding not counted; None for no bound."""


class Preference(Rounds):
    """DPO or KTO."""

    beta: Annotated[float, Field(gt=0)] = 0.1
    """How dearly leaving the reference model is paid for."""


class Judge(_Part):
    """What the evaluation asks for before a model is deployed."""

    deploy_at: Annotated[float, Field(ge=0, le=100)] = 85.0
    """The personality score, of 100."""
    replies: Annotated[int, Field(ge=10, le=500)] = 200


class Audit(_Part):
    """The leak audit."""

    is_needed: bool = True
    """Whether a model is deployed only after it. Not where everybody is invented."""


class Profile(_Part):
    """The numbers of one training."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    about: str = ""
    base: str
    """A name of model/base_models.py, or a folder of transformers."""
    backend: Literal["trl", "unsloth"] = "trl"
    quantised_base: Literal["nf4", "none"] = "none"
    """How the base's weights lie in memory while the adapter is trained. NF4 wants bitsandbytes."""
    seed: int = 7
    max_length: Annotated[int, Field(ge=32)]
    """Longest training sequence; longer examples are refused, never cut."""
    packing: bool = True
    """Several short examples share a sequence, none sees another."""
    gradient_checkpointing: bool = False
    lora: Lora
    sft: Rounds
    dpo: Preference
    kto: Preference
    ftype: FType = "Q4_K_M"
    """What the model is quantised to."""
    judge: Judge = Judge()
    audit: Audit = Audit()

    def inputs(self, mode: Literal["sft", "dpo", "kto"]) -> dict[str, Any]:
        """What a training of that mode depends on, as an adapter's manifest keeps it: neither the
        text about it, nor what is asked of the model afterwards."""
        kept = self.model_dump(include={"name", "seed", "max_length", "packing", "quantised_base"})
        return {**kept, "lora": self.lora.model_dump(), mode: getattr(self, mode).model_dump()}

    def with_(self, **changes: Any) -> Profile:
        """With other values, checked: `profile.with_(max_length=1024, sft={"batch_size": 1})`; of a
        part, what is not named stays. Raises ProfileError."""
        value = self.model_dump()
        for name, change in changes.items():
            value[name] = {**value[name], **change} if isinstance(change, dict) else change
        return _checked(value, f"The profile {self.name}")


@cache
def shipped() -> tuple[str, ...]:
    """The names of those that ship, in order."""
    return tuple(sorted(path.stem for path in PROFILES_DIR.glob("*.yaml")))


def load(name: str) -> Profile:
    """A profile by its name, or by the path of a YAML file. Raises ProfileError."""
    path = PROFILES_DIR / f"{name}.yaml" if name in shipped() else Path(name).expanduser()
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError:
        known = ", ".join(shipped())
        raise ProfileError(
            f'There is no profile "{name}": take one of {known}, or the path of a YAML file.'
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        said = str(error).replace("\n", " ")
        raise ProfileError(f"{path} is no YAML file: {said}.") from error
    if not isinstance(value, dict):
        raise ProfileError(f"{path} is no profile: it should say name, base, max_length, lora ...")
    return _checked(value, str(path))


def _checked(value: dict[str, Any], where: str) -> Profile:
    try:
        return Profile.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False)
        # A name that was mistyped lacks as well: what stands there says more.
        first = next((one for one in found if one["type"] in _UNKNOWN), found[0])
        place = ".".join(map(str, first["loc"])) or "it"
        said = (_UNKNOWN | _LACKING).get(first["type"], first["msg"])
        raise ProfileError(f"{where}, {place}: {said}.") from error
