"""Has the home's running bot give its model's memory to a training, and take it back behind.

The bot's process stays: whoever supervises it, window or headless, has nothing to start again, and
a training that the bot itself started (!train) does not kill its own parent (bot/resting.py).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast, get_args

from bot.protocol import ControlError, ask_running, read_endpoint
from bot.resting import mark_this_process, unmark
from model import base_shape, vram
from model.profile import Profile
from model.training.base import prepare_backend
from model.vram import Mode
from storage.errors import MynahError
from storage.paths import Home

REST_S = 60.0
"""How long the reply at hand may take before the model goes; bot/model_change.LENT_S and more."""


class BotStaysError(MynahError):
    """The running bot could not be asked to rest; the sentence says what to do."""


@contextmanager
def bot_is_stopped(home: Home) -> Iterator[bool]:
    """While this lasts no model of the home's bot is in memory, also none of one that is started
    meanwhile; whether one rests now.

    Raises BotStaysError where a bot runs and does not answer, or does not know the request.
    """
    is_ours = mark_this_process(home.data_storage)
    try:
        yield _asked_to_rest(home)
    finally:
        if is_ours:
            unmark(home.data_storage)
            _ask_back(home)


def _asked_to_rest(home: Home) -> bool:
    try:
        answer = ask_running(home.data_storage, "rest", timeout_s=REST_S)
    except ControlError as error:
        raise BotStaysError(
            "The bot of this home runs and its model stays in memory, which the training needs. "
            f"{error} Stop the bot, then start again."
        ) from error
    is_resting = answer is not None and answer.get("is_resting") is True
    if is_resting:
        print("The bot rests while the model is trained: it answers nobody.", file=sys.stderr)
    return is_resting


def _ask_back(home: Home) -> None:
    """A bot that does not hear it sees within seconds that the mark is gone."""
    try:
        answer = ask_running(home.data_storage, "rest", timeout_s=REST_S)
    except ControlError as error:
        print(f"The bot will notice by itself that the training is over. {error}", file=sys.stderr)
        return
    if answer is not None and answer.get("is_resting") is False:
        print("The bot answers again.", file=sys.stderr)


@contextmanager
def bot_makes_room(home: Home, base_dir: Path, profile: Profile, stage: str) -> Iterator[None]:
    """As `bot_is_stopped`, where a bot runs and what is free does not hold its model and this stage
    of a training (sft, dpo, kto, merge, export) side by side. Raises BotStaysError."""
    if read_endpoint(home.data_storage) is None or _has_room(base_dir, profile, stage):
        yield
        return
    with bot_is_stopped(home):
        yield


def _has_room(base_dir: Path, profile: Profile, stage: str) -> bool:
    """By figures; not where none are known."""
    try:
        shape = base_shape.read(base_dir)
    except base_shape.ShapeError:
        return False
    if stage not in get_args(Mode):
        return vram.merging_bytes(shape) <= vram.free_bytes(vram.PROCESSOR)
    prepare_backend(profile)
    device = vram.device_here()
    needed = vram.predict(shape, profile, cast("Mode", stage), device).total_bytes
    return needed <= vram.free_bytes(device)
