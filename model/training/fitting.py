"""A training that is too large for this machine is refused, or made smaller until it fits."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from model import base_shape, vram
from model.profile import Profile
from model.training.base import prepare_backend
from model.training.errors import OutOfMemoryError
from model.vram import Mode, NoRoomError
from storage.errors import MynahError

log = logging.getLogger(__name__)


def check_memory(base_dir: Path, profile: Profile, mode: Mode) -> None:
    """Raises NoRoomError, with what would fit, where the peak that is predicted is more than is
    free; TrainingError where the backend is missing. A base whose parts are not known is tried."""
    prepare_backend(profile)
    device = vram.device_here()
    try:
        shape = base_shape.read(base_dir)
    except base_shape.ShapeError as error:
        log.warning("Whether the training fits into memory is not known before it runs. %s", error)
        return
    vram.check_fits(shape, profile, mode, vram.free_bytes(device), device)


def train_what_fits(
    profile: Profile,
    mode: Mode,
    train: Callable[[Profile], bool],
    is_begun: Callable[[Profile], bool],
) -> bool:
    """What `train` answers (--auto-fit): where it ends for want of memory, or is refused for it, it
    begins anew with the next smaller setting, which is said.

    A setting that was begun already (or is done) is taken at once, so that what was stopped goes
    on. Raises what `train` raises; the want of memory where nothing smaller is left.
    """
    chosen = next(filter(is_begun, _ladder(profile, mode)), profile)
    while True:
        if chosen != profile:
            said = vram.said(profile, chosen, mode)
            log.warning("The memory is too small for that: %s is taken instead.", said)
        try:
            return train(chosen)
        except (NoRoomError, OutOfMemoryError) as error:
            smaller = _after(error, chosen, mode)
            if smaller is None:
                raise
        chosen = smaller
        _free_memory()


def _after(error: MynahError, profile: Profile, mode: Mode) -> Profile | None:
    """The setting to try next; None where there is none."""
    return error.fitting if isinstance(error, NoRoomError) else vram.smaller(profile, mode)


def _ladder(profile: Profile, mode: Mode) -> Iterator[Profile]:
    step: Profile | None = profile
    while step is not None:
        yield step
        step = vram.smaller(step, mode)


def _free_memory() -> None:
    """What the last try left on the card is given back, before the next one."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
