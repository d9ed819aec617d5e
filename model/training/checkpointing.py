"""Any of TRL's trainers with checkpoints that are whole or are not there. Imports transformers."""

from __future__ import annotations

from typing import Any

from safetensors import SafetensorError

from model.training.errors import TrainingError
from model.training.running import Running


def sealing(trainer_class: Any, running: Running) -> Any:
    """The class with a manifest behind each checkpoint; the last and the best are kept. Where one
    cannot be written, what is half there goes, and a TrainingError says so."""

    class Sealing(trainer_class):
        """Writes no model card either: it is about nobody's model yet."""

        def _save_checkpoint(self, model: Any, trial: Any) -> None:
            step = self.state.global_step
            try:
                super()._save_checkpoint(model, trial)
                running.seal(step)
            except (OSError, RuntimeError, SafetensorError) as error:
                running.keep_only(*(s for s in running.steps() if s != step))
                raise TrainingError(
                    f"The checkpoint of step {step} could not be written ({_short(error)}): is the "
                    f"disk full? Make room, then start again: {_goes_on(running)}"
                ) from error
            running.keep_only(step, self.state.best_global_step)

        def create_model_card(self, *_: Any, **__: Any) -> None:
            pass

    return Sealing


def _goes_on(running: Running) -> str:
    steps = running.steps()
    return f"it goes on at step {max(steps)}." if steps else "it begins anew."


def _short(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
