"""What a training would learn from and what came of earlier ones, without a widget.

Tk's thread alone, but for `read_stored`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from gui.app_model import AppModel, sentence_of
from gui.models import training_packages
from gui.models.model_listing import Listing, read_listing, status_words
from gui.models.training_profiles import SETTING, TrainingProfile, read_profiles
from gui.models.words import day_words, many
from storage import readonly
from storage.paths import Home
from storage.readonly import Learnable, TrainingRun
from storage.records import ModelVersion

RULE_21 = (
    "Discord's Developer Policy (rule 21) forbids training machine-learning models on message "
    "content that was obtained through Discord's API, exporters' files included, unless Discord "
    "has given its express permission."
)
"""As data/consent.py has it, which the window does not import."""
DECLARE = (
    "If you have a ground for training on it (Discord's written permission, or content that is "
    "openly licensed), say which. It is asked once and recorded with your user name and the time. "
    "Without it Mynah can still remember and quote these messages, but not learn from them."
)
NOTHING = "There is nothing to learn from yet: import files or fetch from Discord on the page Data."
NOBODY = {
    "retrieval_only": "Nobody here is learned from. The page Data says who may be: choose there.",
    "opt_in": "Nobody whose messages are here has opted in yet. The page Data says who may be "
    "learned from.",
    "declared": "Those whose messages are here have opted out.",
}
"""Where something is stored and nothing may be learned from, by the mode."""
REPORT = "show_report.py"
NO_REPORT = "The report was not opened."
STAGE_WORDS = {"examples": "examples only", "sft": "not finished", "export": "file missing"}


@dataclass(frozen=True)
class Stored:
    """What is there, as read from the disk."""

    learnable: Learnable = field(default_factory=Learnable)
    runs: tuple[TrainingRun, ...] = ()
    versions: tuple[tuple[TrainingRun, ModelVersion], ...] = ()
    """The finished runs' models, as far as they are registered."""
    listing: Listing = field(default_factory=Listing)
    """All models, and how they did."""
    profiles: tuple[TrainingProfile, ...] = ()
    missing: tuple[str, ...] = ()
    """Packages that training needs and that are not installed."""
    has_set: bool = False
    """Whether a training set is there to report on."""

    def version_of(self, run: TrainingRun) -> ModelVersion | None:
        return next((version for one, version in self.versions if one == run), None)

    def profile(self, key: str) -> TrainingProfile:
        """By what the setting says."""
        found = (profile for profile in self.profiles if profile.key == key)
        return next(found, TrainingProfile(key))


class TrainingModel:
    """One page's. `changed` is called after each reading."""

    def __init__(
        self, app: AppModel, changed: Callable[[], object], failed: Callable[[str, str], object]
    ) -> None:
        """`failed` gets what happened and why."""
        self._app = app
        self._changed = changed
        self._failed = failed
        self.stored = Stored()
        self.is_read = False
        self.is_reporting = False
        """Whether the report of the newest training set is being made."""
        self._readings = 0
        self._is_storing = False
        self._chosen = ""
        """A profile that is being stored; "" while none is."""

    @property
    def profile(self) -> TrainingProfile:
        """The one to train with."""
        return self.stored.profile(self._chosen or self._app.settings.text(SETTING))

    def choose(self, key: str) -> None:
        """Train with this profile from now on."""
        self._chosen = key
        if not self._is_storing:
            self._store(key)
        self._changed()

    def _store(self, key: str) -> None:
        """One at a time: of two at once the earlier could be the one that stays."""

        def stored() -> None:
            self._is_storing = False
            if self._chosen not in ("", key):
                self._store(self._chosen)

        def failed(reason: str) -> None:
            self._is_storing, self._chosen = False, ""
            self._failed("The profile was not kept.", reason)
            self._changed()

        self._is_storing = True  # before: where the script cannot start, `failed` comes at once
        self._app.set_setting(SETTING, key, stored, failed)

    def reload(self) -> None:
        """Read everything anew, on a worker. Of several readings at once the last asked for counts:
        an earlier one may come later, and is out of date."""
        self._readings += 1
        number, setting = self._readings, self._app.settings.text(SETTING)
        if self._chosen == setting and not self._is_storing:
            self._chosen = ""

        def shown(stored: Stored) -> None:
            if number != self._readings:
                return
            self.stored, self.is_read = stored, True
            self._changed()

        home = self._app.home
        self._app.ui.run(lambda: read_stored(home, setting), shown, self._unreadable)

    def show_report(self, opened: Callable[[str], object]) -> None:
        """Have the newest set's report made anew, by its script; `opened` gets the page's path."""
        if self.is_reporting or not self.stored.has_set:
            return

        def ended() -> None:
            self.is_reporting = False
            self._changed()

        def done(result: dict[str, Any]) -> None:
            ended()
            opened(str(result["page"]))

        def failed(reason: str) -> None:
            ended()
            self._failed(NO_REPORT, reason)

        self.is_reporting = True  # before: where the script cannot start, `failed` comes at once
        self._changed()
        self._app.run_script(REPORT, "--json", done=done, failed=failed)

    def why_not(self, ground: str) -> str:
        """Why a training cannot begin, "" where it can. `ground` is what was typed."""
        stored = self.stored
        if not (self.is_read and self._app.are_settings_read):
            return "What is stored is being read."
        if stored.missing:
            return "The training packages are missing."
        if not self.profile.has_base:
            return "The profile's base is to be downloaded first."
        if not stored.learnable.messages:
            return self._why_nothing
        is_said = any(char.isalnum() for char in ground)
        if self.needs_ground and not (is_said or stored.learnable.messages_now):
            return "A ground has to be declared first."
        return ""

    @property
    def _why_nothing(self) -> str:
        learnable = self.stored.learnable
        return NOBODY[learnable.mode] if learnable.left_out else NOTHING

    @property
    def needs_ground(self) -> bool:
        """Whether some of it wants a ground to be declared, and none was."""
        learnable = self.stored.learnable
        return learnable.needs_declaration and not learnable.ground

    @property
    def source_words(self) -> str:
        """What would be learned from, and why it may be."""
        learnable = self.stored.learnable
        if not self.is_read:
            return "What is stored is being read."
        if not learnable.messages:
            return self._why_nothing
        name = self._app.settings.text("persona_name")
        who = "who has not opted in" if learnable.mode == "opt_in" else "who opted out"
        more = ""
        if self.needs_ground:
            more = f" once a ground is declared, {learnable.messages_now:,} now"
        words = (
            f"{many(learnable.messages, 'message')} may be learned from{more}; {name} learns to "
            f"answer as the others did. Left out: closed channels, excluded members, {who}, bots."
        )
        if learnable.needs_declaration and learnable.ground:
            day = day_words(learnable.declared_at_ms)
            words += f' {learnable.who} declared on {day}: "{learnable.ground}".'
        return words

    def _unreadable(self, error: Exception) -> None:
        self.is_read = True
        self._failed("What is stored cannot be read.", sentence_of(error))
        self._changed()


def read_stored(home: Home, profile: str) -> Stored:
    """`profile` is what the setting says. Blocking: on a worker. Raises StorageUnreadableError."""
    runs, listing = readonly.training_runs(home), read_listing(home)
    files = {home.absolute(v.gguf_path): v for v in listing.versions}
    return Stored(
        readonly.learnable(home.database),
        runs,
        tuple((run, files[run.gguf]) for run in runs if run.gguf in files),
        listing,
        read_profiles(home, profile),
        training_packages.missing(),
        bool(readonly.dataset_names(home.datasets)),
    )


def report_of(home: Home, version_id: str) -> Path | None:
    """The page of how a version did (scripts/4_evaluate_personality.py); None where there is none.
    It quotes members."""
    page = home.data_storage / "evaluations" / version_id / "report.html"
    return page if version_id and page.is_file() else None


def score_words(listing: Listing, version: ModelVersion | None) -> str:
    """ "Score 62.3; 50 are needed"; "" where it was not judged."""
    score = listing.score(version) if version is not None else None
    if version is None or score is None:
        return ""
    if version.deploy_at is None:
        return f"Score {score:.1f}"
    return f"Score {score:.1f}; {version.deploy_at:g} are needed"


# -- in words -----------------------------------------------------------------------------------


def run_cells(run: TrainingRun, stored: Stored) -> tuple[str, ...]:
    """Name, when, examples, steps, loss before and after, score, what became of it."""
    version = stored.version_of(run)
    score = stored.listing.score(version) if version is not None else None
    loss = "\u2014"
    if run.loss_before is not None and run.loss_after is not None:
        loss = f"{run.loss_before:.2f} \u2192 {run.loss_after:.2f}"
    made = datetime.fromtimestamp(run.made_at_ms / 1000).astimezone()
    return (
        version.version_id if version else run.name,
        made.strftime("%Y-%m-%d %H:%M"),
        _count(run.examples),
        _count(run.steps),
        loss,
        "\u2014" if score is None else f"{score:.1f}",
        status_words(version, stored.listing) if version else STAGE_WORDS[run.stage],
    )


def run_order(run: TrainingRun, stored: Stored) -> tuple[Any, ...]:
    """What sorts each of these columns."""
    cells = run_cells(run, stored)
    loss = run.loss_after if run.loss_after is not None else -1.0
    score = float(cells[5]) if cells[5] != "\u2014" else -1.0
    return (
        cells[0].casefold(),
        run.made_at_ms,
        run.examples if run.examples is not None else -1,
        run.steps if run.steps is not None else -1,
        loss,
        score,
        cells[6],
    )


def _count(number: int | None) -> str:
    return "\u2014" if number is None else f"{number:,}"
