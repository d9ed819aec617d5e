"""Fine-tunes a model on a prepared dataset, merges the adapter, exports and registers a GGUF.

    python scripts/3_train_model.py --mode all

Each mode is a stage whose result is a folder with a manifest; a stage that is done is skipped:

    sft      dataset -> adapter            models/checkpoints/NAME
    merge    adapter -> merged model       models/finetuned/NAME/merged
    export   merged model -> Q4_K_M GGUF   models/finetuned/NAME/gguf-..., and a registry candidate
    all      the three in order

Deploy the result with scripts/6_manage_models.py deploy VERSION.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from model import forge, trainer
from model.profile import Profile, load
from scripts.edge import add_home, add_json, ending_in_a_sentence, stop_when_terminated
from scripts.erasures import finish_erasing
from scripts.events import Events, add_events
from storage import manifest
from storage.database import Database
from storage.model_registry import ModelRegistry
from storage.paths import DEMO_BASE_DIR, Home, find_home
from storage.records import ModelVersion


def main() -> int:
    arguments = parse_arguments()
    stop_when_terminated()
    result = run(arguments, Events(arguments.events))
    if arguments.json:
        print(json.dumps(result))
    return 0


def run(arguments: argparse.Namespace, events: Events) -> dict[str, object]:
    """The asked stages, in order; returns what was made, for --json."""
    import datasets
    import torch
    import transformers

    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    home = find_home(arguments.home).ensure()
    torch.set_num_threads(arguments.threads)
    profile = chosen_profile(arguments)
    base_dir = Path(arguments.base_model).expanduser().resolve()
    dataset_dir = home.datasets / arguments.dataset
    stages = forge.Run.at(home, arguments.name or arguments.dataset)
    if arguments.output_dir:
        out = Path(arguments.output_dir).expanduser().resolve()
        stages = dataclasses.replace(stages, merged_dir=out / "merged")
    if arguments.checkpoint:
        stages = dataclasses.replace(
            stages, adapter_dir=Path(arguments.checkpoint).expanduser().resolve()
        )
    if manifest.read_manifest(dataset_dir) is None:
        raise trainer.TrainingError(
            f'There is no dataset "{arguments.dataset}" in {home.datasets}: '
            "run scripts/2_prepare_training_data.py first."
        )
    if not (base_dir / "config.json").is_file():
        raise trainer.TrainingError(f"{base_dir} holds no model (no config.json there).")

    started = time.monotonic()
    seconds: dict[str, float] = {}

    def timed(stage: str, what: str, make: Callable[[], bool]) -> None:
        before = time.monotonic()
        events.begin(stage)
        made = make()
        seconds[stage] = round(time.monotonic() - before, 1)
        events.end(stage, seconds[stage], made=made)
        note = f"{seconds[stage]} s" if made else "done before"
        print(f"{what}: {note}", file=sys.stderr, flush=True)

    pace = Pace()

    def fine_tuning(progress: trainer.Progress) -> None:
        left_s = pace.left_s(progress)
        show_progress(progress, left_s)
        events.progress(
            "sft",
            is_last=progress.step == progress.steps,
            step=progress.step,
            steps=progress.steps,
            loss=progress.loss,
            left_s=left_s,
        )

    if arguments.mode in ("sft", "all"):
        may_train(home, dataset_dir)
        timed(
            "sft",
            "Fine-tuning",
            lambda: forge.train(
                stages,
                base_dir,
                dataset_dir,
                profile,
                limit=arguments.limit,
                on_progress=fine_tuning,
            ),
        )
    if arguments.mode in ("merge", "all"):
        timed("merge", "Merging the adapter", lambda: forge.merge(stages, base_dir))
    version: ModelVersion | None = None
    if arguments.mode in ("export", "all"):
        timed(
            "export",
            "Converting, quantising, checking",
            lambda: forge.export_gguf(stages, dataset_dir),
        )
        version = register(home, stages)
        print(f"Registered as {version.version_id}: {stages.gguf}", file=sys.stderr)
    folders = {"adapter": stages.adapter_dir, "merged": stages.merged_dir}
    if version is not None:
        folders["gguf"] = stages.gguf_dir
    counts = {
        name: found.counts
        for name, folder in folders.items()
        if (found := manifest.read_manifest(folder)) is not None
    }
    return {
        "name": stages.name,
        "version": version.version_id if version else None,
        "gguf": str(stages.gguf) if version else None,
        "seconds": seconds,
        "total_s": round(time.monotonic() - started, 1),
        "counts": counts,
    }


def may_train(home: Home, dataset_dir: Path) -> None:
    """Raise a sentence where the dataset holds words that may not be learned from now."""
    from data.consent import check_dataset_may_train

    with Database.open(home.database, backups=home.backups) as database:
        finish_erasing(home, database)
        check_dataset_may_train(dataset_dir, database)


def register(home: Home, stages: forge.Run) -> ModelVersion:
    """The GGUF as a candidate in the registry, or the version that has this very file already.

    Where it came from is read in the manifests, not in this call's flags. What was erased while it
    was trained taints it.
    """
    from data.forgetting_models import taint_if_lost

    made = manifest.read_manifest(stages.gguf_dir)
    adapter = manifest.read_manifest(stages.adapter_dir)
    assert made is not None
    inputs = adapter.config if adapter is not None else {}
    file = made.files[stages.gguf.name]
    with Database.open(home.database, backups=home.backups) as database:
        registry = ModelRegistry(database, home)
        for version in registry.list():
            if version.sha256 == file.sha256 and registry.path(version) == stages.gguf:
                return version
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(made.created_at_ms / 1000))
        base = str(inputs.get("base", ""))
        parents = [v.version_id for v in registry.list() if v.kind == "base" and v.base == base]
        registered = registry.register(
            ModelVersion(
                version_id=f"{stages.name}-{stamp}",
                kind="tuned",
                status="candidate",
                gguf_path=home.relative(stages.gguf),
                sha256=file.sha256,
                size_bytes=file.size_bytes,
                created_at_ms=made.created_at_ms,
                base=base,
                dataset_sha256=str(inputs.get("dataset_sha256", "")),
                profile=str(inputs.get("profile", {}).get("name", "")),
                parents=tuple(parents),
            )
        )
        return taint_if_lost(home, database, registered)


def chosen_profile(arguments: argparse.Namespace) -> Profile:
    """The named profile with the numbers that flags override."""
    overrides = {
        "epochs": arguments.epochs,
        "batch_size": arguments.batch_size,
        "gradient_accumulation": arguments.gradient_accumulation,
        "learning_rate": arguments.learning_rate,
        "max_tokens": arguments.max_tokens,
    }
    given = {name: value for name, value in overrides.items() if value is not None}
    r = arguments.lora_r
    return load(arguments.profile).with_(sft=given, lora={"r": r, "alpha": 2 * r} if r else {})


class Pace:
    """How fast the steps come; what was before the first one (loading, validation) is no step."""

    def __init__(self) -> None:
        self._first: trainer.Progress | None = None

    def left_s(self, progress: trainer.Progress) -> float | None:
        """Seconds until the last step; None at the first one."""
        if self._first is None:
            self._first = progress
            return None
        done = progress.step - self._first.step
        elapsed_s = progress.elapsed_s - self._first.elapsed_s
        return round(elapsed_s / max(done, 1) * (progress.steps - progress.step), 1)


def show_progress(progress: trainer.Progress, left_s: float | None) -> None:
    """One line that is rewritten on a terminal, and now and then a line of its own elsewhere."""
    loss = "" if progress.loss is None else f", loss {progress.loss:.3f}"
    left = "" if left_s is None else f", about {left_s:.0f} s left"
    text = f"Fine-tuning: step {progress.step} of {progress.steps}{loss}{left}"
    if sys.stderr.isatty():
        print(f"\r{text}\033[K", end="", file=sys.stderr, flush=True)
        if progress.step == progress.steps:
            print(file=sys.stderr)
    elif progress.step % max(1, progress.steps // 10) == 0:
        print(text, file=sys.stderr, flush=True)


def positive(kind: type[int] | type[float]) -> Callable[[str], float]:
    """An argparse type: a number above zero."""

    def parse(text: str) -> float:
        value = kind(text)
        if not (0 < value < float("inf")):
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return value

    parse.__name__ = kind.__name__
    return parse


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add_home(parser)
    add("--mode", choices=("sft", "merge", "export", "all"), default="all")
    add("--dataset", default="default", help="name of a dataset that script 2 made")
    add("--name", help="name of the run and its folders (default: the dataset's)")
    add("--profile", default="demo", help="a name (demo, laptop-cpu, rtx3070) or a YAML file")
    add("--base_model", default=str(DEMO_BASE_DIR), help="Hugging Face folder of the base model")
    add("--checkpoint", help="adapter folder to merge (default: the run's own)")
    add("--output_dir", help="where merged model and GGUF go (default: models/finetuned/NAME)")
    add("--epochs", type=positive(int))
    add("--batch_size", type=positive(int), help="sequences a forward pass")
    add("--gradient_accumulation", type=positive(int))
    add("--learning_rate", type=positive(float))
    add("--lora_r", type=positive(int), help="rank; alpha is twice it")
    add("--max_tokens", type=positive(int), help="token budget of the whole run")
    add("--limit", type=positive(int), help="train on so many examples only")
    add("--threads", type=positive(int), default=1, help="torch threads")
    add_json(parser, "one object with all figures on the last line")
    add_events(parser)
    arguments = parser.parse_args()
    if arguments.checkpoint and arguments.mode != "merge":
        parser.error("--checkpoint names an adapter to merge: it goes with --mode merge")
    return arguments


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
