"""Fine-tunes a model on a prepared dataset, merges the adapter, exports and registers a GGUF.

    python scripts/3_train_model.py --profile rtx3070
    python scripts/3_train_model.py --profile rtx3070 --limit 100 --epochs 1 --name trial

Each mode is a stage whose result is a folder with a manifest; a stage that is done is skipped, and
a training that was stopped, or killed, goes on from its last checkpoint (models/checkpoints/
NAME.running) when it is started again with the same numbers:

    sft      dataset -> adapter            models/checkpoints/NAME
    dpo      adapter -> adapter            models/checkpoints/NAME-dpo, on from what people liked
    kto      the same, from single replies models/checkpoints/NAME-kto
    merge    adapter -> merged model       models/finetuned/NAME/merged
    export   merged model -> GGUF (Q4_K_M) models/finetuned/NAME/gguf-..., and a registry candidate
    all      sft, merge and export in order; --preference dpo or kto makes that version too

DPO and KTO are experimental: their versions go by NAME-dpo and NAME-kto (merge and export them by
that --name), and one is deployed only where the judge scores it above the version it came from.
Ctrl-C lets the step finish and writes a checkpoint. Deploy the result with
scripts/6_manage_models.py deploy VERSION.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from model import export, forge, trainer
from model.base_models import check_base, find_base
from model.profile import Profile, load, shipped
from model.telemetry import Telemetry
from model.training.base import prepare_backend
from model.training.fitting import train_what_fits
from model.training.preferences import Mode as PreferenceMode
from model.vram import Mode
from scripts.edge import add_home, add_json, ending_in_a_sentence, stop_when_terminated
from scripts.erasures import finish_erasing
from scripts.events import Events, add_events
from scripts.stopped_bot import bot_makes_room
from scripts.training_progress import TITLES, Telling
from storage import manifest
from storage.database import Database
from storage.gates import EXPERIMENTAL
from storage.model_registry import ModelRegistry
from storage.paths import Home, find_home
from storage.records import ModelVersion
from storage.version_facts import run_folders

PREFERENCES: tuple[PreferenceMode, ...] = ("dpo", "kto")


def main() -> int:
    arguments = parse_arguments()
    stop_when_terminated()
    result = run(arguments, Events(arguments.events))
    if arguments.json:
        print(json.dumps(result))
    return 0


def run(arguments: argparse.Namespace, events: Events) -> dict[str, object]:
    """The asked stages, in order; returns what was made, for --json."""
    making = Making(arguments, events)
    if "sft" in stages_of(arguments):
        prepare_backend(making.profile)  # Unsloth wants to be imported before the others
    import datasets
    import torch
    import transformers

    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(arguments.threads)
    for stage in stages_of(arguments):
        making.do(stage)
    return making.result()


class Making:
    """One run of this script: what it was asked for, and the stages as methods."""

    def __init__(self, arguments: argparse.Namespace, events: Events) -> None:
        self._arguments = arguments
        self._events = events
        self._home = find_home(arguments.home).ensure()
        self.profile = chosen_profile(arguments)
        self._base_dir = find_base(arguments.base_model or self.profile.base, self._home).resolve()
        check_base(self._base_dir)
        self._dataset_dir = dataset_of(self._home, arguments.dataset)
        self._runs = [chosen_run(self._home, self.profile, arguments)]
        """What is merged and exported; the last one is what this is about."""
        self._version: ModelVersion | None = None
        self._seconds: dict[str, float] = {}
        self._started = time.monotonic()

    def do(self, stage: str) -> None:
        """Make it, unless it is there; told before and behind."""
        before = time.monotonic()
        self._events.begin(stage)
        with bot_makes_room(self._home, self._base_dir, self.profile, stage):
            made: bool = getattr(self, f"_{stage}")()
        seconds = self._seconds[stage] = round(time.monotonic() - before, 1)
        self._events.end(stage, seconds, made=made)
        note = f"{seconds} s" if made else "done before"
        print(f"{TITLES[stage]}: {note}", file=sys.stderr, flush=True)

    def _sft(self) -> bool:
        may_train(self._home, self._dataset_dir)
        what = (self._runs[0], self._base_dir, self._dataset_dir)
        limit = self._arguments.limit

        def train(profile: Profile) -> bool:
            return forge.train(
                *what,
                profile,
                limit=limit,
                callbacks=self._callbacks(self._runs[0]),
                on_progress=Telling("sft", self._events),
            )

        return self._trained("sft", train, lambda p: forge.is_begun(*what, p, limit))

    def _dpo(self) -> bool:
        return self._preferences("dpo")

    def _kto(self) -> bool:
        return self._preferences("kto")

    def _preferences(self, mode: PreferenceMode) -> bool:
        may_train(self._home, self._dataset_dir)
        run = self._runs[0]
        what = (run, mode, self._base_dir, self._dataset_dir)
        limit = self._arguments.limit
        self._runs.append(run.after(mode))

        def train(profile: Profile) -> bool:
            return forge.train_preferences(
                *what,
                profile,
                limit=limit,
                callbacks=self._callbacks(run.after(mode)),
                on_progress=Telling(mode, self._events),
            )

        return self._trained(mode, train, lambda p: forge.are_preferences_begun(*what, p, limit))

    def _merge(self) -> bool:
        made = [forge.merge(run, self._base_dir) for run in self._runs]
        return any(made)

    def _export(self) -> bool:
        most, made = self._arguments.max_size_gb, []
        for at, run in enumerate(self._runs):
            self._runs[at], is_made = forge.export_gguf(
                run, self._base_dir, self._dataset_dir, max_size_gb=most
            )
            made.append(is_made)
            self._version = register(self._home, self._runs[at], self.profile)
            print(
                f"Registered as {self._version.version_id}: {self._runs[at].gguf}", file=sys.stderr
            )
        return any(made)

    def _trained(
        self,
        mode: Mode,
        train: Callable[[Profile], bool],
        is_begun: Callable[[Profile], bool],
    ) -> bool:
        """With the profile, or with --auto-fit what fits."""
        if not self._arguments.auto_fit:
            return train(self.profile)
        return train_what_fits(self.profile, mode, train, is_begun)

    def _callbacks(self, run: forge.Run) -> list[Any]:
        """The training's curve for the window, in files."""
        folder = self._home.logs / "training" / run.name
        return [Telemetry(folder).callback()]

    def result(self) -> dict[str, object]:
        """For --json."""
        run, version = self._runs[-1], self._version
        folders = {"adapter": run.adapter_dir, "merged": run.merged_dir}
        if version is not None:
            folders["gguf"] = run.gguf_dir
        counts = {
            name: found.counts
            for name, folder in folders.items()
            if (found := manifest.read_manifest(folder)) is not None
        }
        return {
            "name": run.name,
            "version": version.version_id if version else None,
            "gguf": str(run.gguf) if version else None,
            "seconds": self._seconds,
            "total_s": round(time.monotonic() - self._started, 1),
            "counts": counts,
        }


def stages_of(arguments: argparse.Namespace) -> tuple[str, ...]:
    """What a mode is made of."""
    if arguments.mode != "all":
        return (arguments.mode,)
    return tuple(t for t in TITLES if t not in PREFERENCES or t == arguments.preference)


def dataset_of(home: Home, name: str) -> Path:
    """Raises TrainingError where there is none of that name."""
    folder = home.datasets / name
    if manifest.read_manifest(folder) is None:
        raise trainer.TrainingError(
            f'There is no dataset "{name}" in {home.datasets}: '
            "run scripts/2_prepare_training_data.py first."
        )
    return folder


def chosen_run(home: Home, profile: Profile, arguments: argparse.Namespace) -> forge.Run:
    """The run's folders, or those that were named."""
    name = arguments.name or arguments.dataset
    made = forge.Run.at(home, name, arguments.ftype or profile.ftype)
    if arguments.output_dir:
        out = Path(arguments.output_dir).expanduser().resolve()
        made = dataclasses.replace(made, merged_dir=out / "merged")
    if arguments.checkpoint:
        adapter = Path(arguments.checkpoint).expanduser().resolve()
        made = dataclasses.replace(made, adapter_dir=adapter)
    return made


def may_train(home: Home, dataset_dir: Path) -> None:
    """Raise a sentence where the dataset holds words that may not be learned from now."""
    from data.consent import check_dataset_may_train

    with Database.open(home.database, backups=home.backups) as database:
        finish_erasing(home, database)
        check_dataset_may_train(dataset_dir, database)


def register(home: Home, stages: forge.Run, profile: Profile) -> ModelVersion:
    """The GGUF as a candidate in the registry, or the version that has this very file already.

    Where it came from is read in the manifests, not in this call's flags; `profile` says what it
    has to pass before it is deployed. What was erased while it was trained taints it.
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
        mode = str(inputs.get("mode", ""))
        asking = asked_by(profile, str(inputs.get("profile", {}).get("name", "")))
        registered = registry.register(
            ModelVersion(
                version_id=f"{stages.name}-{stamp}{stages.type_suffix}",
                kind="tuned",
                status="candidate",
                gguf_path=home.relative(stages.gguf),
                sha256=file.sha256,
                size_bytes=file.size_bytes,
                created_at_ms=made.created_at_ms,
                base=base,
                dataset_sha256=str(inputs.get("dataset_sha256", "")),
                profile=str(inputs.get("profile", {}).get("name", "")),
                parents=(*came_from(home, registry, stages, inputs), *parents),
                notes=f"{EXPERIMENTAL}: {mode.upper()}" if mode else "",
                deploy_at=max(one.judge.deploy_at for one in asking),
                audit_needed=any(one.audit.is_needed for one in asking),
            )
        )
        return taint_if_lost(home, database, registered)


def asked_by(profile: Profile, trained_with: str) -> tuple[Profile, ...]:
    """Whose bars a version has to reach: this call's, and where that ships, those of the profile
    that it was trained with: exporting it with a milder one makes it no better."""
    own = (load(trained_with),) if trained_with in shipped() else ()
    return (profile, *own)


def came_from(
    home: Home, registry: ModelRegistry, stages: forge.Run, inputs: Mapping[str, Any]
) -> list[str]:
    """The version of the adapter that a training with preferences went on from, if it is
    registered: the one of the same type rather than another."""
    wanted = inputs.get("sft_sha256")
    found = [
        version
        for version in registry.list()
        if (of := run_folders(home, version)) is not None
        and of.adapter is not None
        and manifest.content_hash(of.adapter) == wanted
    ]
    found.sort(key=lambda v: not v.gguf_path.endswith(f"-{stages.ftype.lower()}.gguf"))
    return [version.version_id for version in found[:1]]


def chosen_profile(arguments: argparse.Namespace) -> Profile:
    """The named profile with the numbers that flags override, of the mode that is asked for."""
    overrides = {
        "epochs": arguments.epochs,
        "batch_size": arguments.batch_size,
        "gradient_accumulation": arguments.gradient_accumulation,
        "learning_rate": arguments.learning_rate,
        "max_tokens": arguments.max_tokens,
    }
    given = {name: value for name, value in overrides.items() if value is not None}
    r = arguments.lora_r
    whole = {"max_length": arguments.max_length, "backend": arguments.backend}
    rounds = arguments.mode if arguments.mode in PREFERENCES else "sft"
    return load(arguments.profile).with_(
        lora={"r": r, "alpha": 2 * r} if r else {},
        **{rounds: given},
        **{name: value for name, value in whole.items() if value is not None},
    )


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
    add("--mode", choices=(*TITLES, "all"), default="all")
    add(
        "--preference",
        choices=("none", *PREFERENCES),
        default="none",
        help="of --mode all: a second version that learned what people liked (experimental)",
    )
    add("--dataset", default="default", help="name of a dataset that script 2 made")
    add("--name", help="name of the run and its folders (default: the dataset's)")
    add("--profile", default="demo", help="a name (demo, laptop-cpu, rtx3070) or a YAML file")
    add("--base_model", help="a base's name or folder (default: the profile's)")
    add("--checkpoint", help="adapter folder to merge (default: the run's own)")
    add("--output_dir", help="where merged model and GGUF go (default: models/finetuned/NAME)")
    add("--epochs", type=positive(int))
    add("--batch_size", type=positive(int), help="sequences a forward pass")
    add("--gradient_accumulation", type=positive(int))
    add("--learning_rate", type=positive(float))
    add("--max_length", type=positive(int), help="longest training sequence, in tokens")
    add("--lora_r", type=positive(int), help="rank; alpha is twice it")
    add("--max_tokens", type=positive(int), help="token budget of the whole run")
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--ftype", choices=export.FTYPES, help="quantised to (default: the profile's)"
    )
    size.add_argument(
        "--max-size-gb",
        type=positive(float),
        metavar="X",
        help="quantise to the best type whose file has at most X GB (of 1,000,000,000 bytes)",
    )
    add("--limit", type=positive(int), help="train on so many examples only: a trial")
    add("--backend", choices=("trl", "unsloth"), help="default: the profile's")
    add(
        "--auto-fit",
        action="store_true",
        help="where the memory is too small, take the next smaller setting",
    )
    add("--threads", type=positive(int), default=1, help="torch threads")
    add_json(parser, "one object with all figures on the last line")
    add_events(parser)
    arguments = parser.parse_args()
    if arguments.checkpoint and arguments.mode != "merge":
        parser.error("--checkpoint names an adapter to merge: it goes with --mode merge")
    if arguments.preference != "none" and arguments.mode != "all":
        parser.error("--preference goes with --mode all; alone it is --mode dpo or --mode kto")
    return arguments


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
