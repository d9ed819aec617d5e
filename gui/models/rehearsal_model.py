"""The owner's view of rehearsals, without a widget: which is shown, what was answered, what may be
done. Reading is on a worker, what is done is done by scripts/rehearse.py. Tk's thread alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from gui.app_model import AppModel, sentence_of
from gui.models.outlasting import Outlasting, one_of
from gui.models.rehearsal_answers import RehearsalAnswers
from gui.models.rehearsal_run import SCRIPT, RehearsalRun
from gui.models.rehearsal_words import YES, answers_for, is_near
from gui.models.words import day_words, many
from storage import readonly
from storage.paths import Home
from storage.readonly import Acceptance, ChannelRow, Moment, Rehearsal

SPOKE, NEARLY, UNANSWERED = "It spoke", "Nearly", "Unanswered"
FILTERS = (SPOKE, NEARLY, UNANSWERED)
BUSIEST, DAY, LAST = "The busiest day", "One day", "The last messages"
"""Busiest: of the last 14 on which something was said."""
ALL_CHANNELS = "The channels it reads"
FEWEST, MOST = 10, 5_000
"""Messages of one rehearsal."""
FIRST_LAST = "300"
LEAST_ANSWERED = 5
"""As bot/rehearsal_report.py has it, which the window does not import; or all, where it spoke less
often."""
DOUBTFUL = 0.5
SPEAKS = "speaks_in_public"

NOTHING_STORED = (
    "Nothing is stored yet to rehearse on. Fetch or import what was said on the page Data; or "
    "start the bot: it listens in silence, and what it would have said comes here by itself."
)
NOTHING_REHEARSED = (
    "Nothing was rehearsed yet. Press Rehearse: a day of the history is gone through as if it were "
    "today, and you will see where it would have spoken, what, and why."
)
NOTHING_HERE = {
    SPOKE: "It would not have spoken here. Look at where it nearly did, or rehearse another day.",
    NEARLY: "There is no moment in which it kept silent by little.",
    UNANSWERED: "All is answered.",
}
BY_THE_BASE = (
    "No model was trained or chosen yet: the small base that ships with Mynah writes, so expect "
    "nonsense. When it would speak shows all the same."
)
BY_THE_BOT = (
    "The bot runs and does the rehearsal with its own model; it goes on listening meanwhile."
)
NOTHING_TO_ACCEPT = (
    "It would not have spoken here, so there is nothing to judge: rehearse a livelier day, or let it "
    "answer more often (Settings, Answers unasked)."
)
ACCEPT_DETAILS = (
    "From then on it answers in the channels that are read live, where everybody there sees it. "
    "You can silence it again here at any time."
)


class SeenMoments(Outlasting):
    """What was in sight in this window, by row."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: set[int] = set()


@dataclass(frozen=True)
class Stored:
    """What was read of the database."""

    rehearsals: tuple[Rehearsal, ...] = ()
    shown: Rehearsal | None = None
    moments: tuple[Moment, ...] = ()
    channels: tuple[ChannelRow, ...] = ()
    last_said_ms: int | None = None
    has_model: bool = True
    """Whether a version is deployed."""


class RehearsalModel:
    """One page's, or one step's of the setup. `changed` is called after each change."""

    def __init__(
        self, app: AppModel, changed: Callable[[], object], failed: Callable[[str, str], object]
    ) -> None:
        """`failed` gets what happened and why."""
        self._app = app
        self._changed = changed
        self._failed = failed
        self.run = one_of(app, RehearsalRun)
        self.answers = one_of(app, RehearsalAnswers)
        self._seen = one_of(app, SeenMoments)
        self.script = SCRIPT
        """What is run, in scripts/ or with a whole path."""
        self.stored = Stored()
        self.is_read = False
        self.filter = SPOKE
        self.shown: tuple[Moment, ...] = ()
        """What passes the filter."""
        self.spoken: tuple[Moment, ...] = ()
        """Moments in which it would have spoken, whatever the filter."""
        self.doing = ""
        """"fit", "apply", "accept" or "silence" while that is being done."""
        self.fit: dict[str, Any] | None = None
        """What the last fit found and was not applied yet."""
        self._chosen = self.run.rehearsal_id if self.run.is_busy else None
        self._followed = self.run.rehearsal_id
        self._kept: set[int] = set()
        """Rows that stay in sight though they are answered by now."""
        self._undo: list[tuple[int, str]] = []
        self._is_reading = self._reads_again = False

    # -- reading --------------------------------------------------------------------------------

    def reload(self) -> None:
        """Read everything anew, on a worker; asked again meanwhile, it is read once more."""
        if self._is_reading:
            self._reads_again = True
            return
        self._is_reading = True
        home, chosen, fresh = self._app.home, self._chosen, dict(self.answers.fresh)

        def read(stored: Stored) -> None:
            self.answers.forget_fresh(fresh)
            self.stored, self.is_read = stored, True
            self._sift()
            self._end_reading()

        def unreadable(error: Exception) -> None:
            self.is_read = True
            self._failed("The rehearsals cannot be read.", sentence_of(error))
            self._end_reading()

        self._app.ui.run(lambda: read_stored(home, chosen), read, unreadable)

    def _end_reading(self) -> None:
        self._is_reading = False
        self._changed()
        if self._reads_again:
            self._reads_again = False
            self.reload()

    def choose(self, rehearsal_id: int | None) -> None:
        """Show that one; None the newest."""
        self._chosen = rehearsal_id
        self._kept.clear()
        self._undo.clear()
        self.fit = None
        self.reload()

    def choose_filter(self, name: str) -> None:
        self.filter = name
        self._kept.clear()
        self._sift()
        self._changed()

    def follow_run(self) -> None:
        """Show the rehearsal that runs, once it is known which that is."""
        if self.run.rehearsal_id != self._followed:
            self._followed = self.run.rehearsal_id
            self.choose(self._followed)

    @property
    def grows(self) -> bool:
        """Whether moments are being added to the one that is shown."""
        shown = self.stored.shown
        is_live = shown is not None and shown.kind == "live" and shown.ended_at_ms is None
        return self.run.is_busy or is_live

    def _sift(self) -> None:
        self.spoken = tuple(one for one in self.stored.moments if one.is_spoken)
        self.shown = tuple(one for one in self.stored.moments if self._passes(one))

    def _passes(self, moment: Moment) -> bool:
        if self.filter == NEARLY:
            return is_near(moment)
        is_open = not self.answer_of(moment) or moment.row_id in self._kept
        return moment.is_spoken and (self.filter == SPOKE or is_open)

    # -- what to rehearse -----------------------------------------------------------------------

    @property
    def channel_names(self) -> tuple[str, ...]:
        """For the choice; those in which something was said."""
        return (ALL_CHANNELS, *(f"#{one.name}" for one in self._said_in))

    @property
    def _said_in(self) -> tuple[ChannelRow, ...]:
        return tuple(one for one in self.stored.channels if one.messages and one.is_allowed)

    @property
    def first_day(self) -> str:
        """The last day on which something was said."""
        return day_words(self.stored.last_said_ms)

    def start(self, channel: str, how: str, text: str) -> None:
        """Rehearse; nothing where `why_not_start` says why."""
        if self.why_not_start(how, text):
            return
        ids = [str(c.channel_id) for c in self._said_in if f"#{c.name}" == channel]
        channels = [word for one in ids for word in ("--channel", one)]
        self.choose(None)
        self.run.start(self._app, [*channels, *span_of(how, text)])

    def why_not_start(self, how: str, text: str) -> str:
        """Why this cannot be rehearsed now, "" where it can."""
        if self.run.is_busy:
            return "A rehearsal runs."
        if self.is_read and self.stored.last_said_ms is None:
            return NOTHING_STORED
        return day_fault(text) if how == DAY else number_fault(text) if how == LAST else ""

    @property
    def hint(self) -> str:
        """Who would write the drafts, where that is worth a word."""
        if self._app.is_online:
            return BY_THE_BOT
        settings = self._app.settings
        chosen = settings.text("model_path").strip() or settings.text("model_url").strip()
        return "" if self.stored.has_model or chosen else BY_THE_BASE

    @property
    def empty_words(self) -> str:
        """What stands where there is no moment to show."""
        if not self.is_read:
            return "The rehearsals are being read."
        if self.run.is_busy:
            return "What it would have said comes here while it rehearses."
        if self.stored.shown is None:
            return NOTHING_STORED if self.stored.last_said_ms is None else NOTHING_REHEARSED
        return NOTHING_HERE[self.filter]

    # -- answers --------------------------------------------------------------------------------

    def answer_of(self, moment: Moment) -> str:
        """What was answered on it, stored or not."""
        return self.answers.answer_of(moment.row_id, moment.answer)

    def answer(self, moment: Moment, answer: str) -> bool:
        """Answer; False where that is none for this moment."""
        before = self.answer_of(moment)
        if answer not in answers_for(moment):
            return False
        if answer != before:
            self._undo.append((moment.row_id, before))
            self._give(moment.row_id, answer)
        return True

    def undo(self) -> int | None:
        """Take the last answer back; the row that it was of, None where there is none."""
        if not self._undo:
            return None
        row_id, before = self._undo.pop()
        self._give(row_id, before)
        return row_id

    @property
    def can_undo(self) -> bool:
        return bool(self._undo)

    def _give(self, row_id: int, answer: str) -> None:
        self._kept.add(row_id)
        self.fit = None
        self.answers.give(self._app, row_id, answer)
        self._changed()

    def send_again(self) -> None:
        """The batch that was not stored."""
        self.answers.send(self._app)

    @property
    def acceptance(self) -> Acceptance:
        """How many of the spoken moments got a yes, of how many that were answered."""
        given = [answer for one in self.spoken if (answer := self.answer_of(one))]
        return Acceptance(given.count(YES), len(given), len(self.spoken))

    @property
    def summary_words(self) -> str:
        """ "Accepted 34 of 36 (82-98%)"; the choice above it says how many moments there are."""
        if not self.spoken:
            return ""
        words = str(self.acceptance)
        return f"{words[:1].upper()}{words[1:]}."

    # -- seen -----------------------------------------------------------------------------------

    def note_seen(self, row_ids: set[int]) -> None:
        """These were in sight, whole."""
        if not row_ids <= self._seen.rows:
            self._seen.rows |= row_ids
            self._changed()

    @property
    def unseen(self) -> int:
        """How many spoken moments were neither in sight nor answered."""
        return sum(
            1
            for one in self.spoken
            if one.row_id not in self._seen.rows and not self.answer_of(one)
        )

    # -- what follows ---------------------------------------------------------------------------

    @property
    def speaks(self) -> bool:
        """Whether it may speak in public."""
        return self._app.settings.switch(SPEAKS)

    @property
    def why_not_accept(self) -> str:
        """Why it may not be let speak yet, "" where it may.

        Everything that it would have said was in sight, so nobody is surprised; and some of it was
        answered, so that this was not mere scrolling. How good is good enough is the owner's.
        """
        if self.doing:
            return "One moment."
        if self.run.is_busy:
            return "The rehearsal is not over yet."
        if not self.stored.moments:
            return "First see in a rehearsal what it would say."
        if self.unseen:
            return f"You have not seen all yet: {many(self.unseen, 'moment')} to look at."
        if not self.spoken:
            return NOTHING_TO_ACCEPT
        least, answered = min(LEAST_ANSWERED, len(self.spoken)), self.acceptance.answered
        if answered < least:
            return f"Answer at least {least} moments; {answered} are answered."
        return "Your answers are being stored." if self.answers.unstored else ""

    @property
    def accept_question(self) -> str:
        """With what the answers came to."""
        if not self.acceptance.answered:
            return "Let it speak in public now?"
        return f"Let it speak in public now? You {self.acceptance}."

    @property
    def is_doubtful(self) -> bool:
        """Whether the owner said no more often than yes."""
        share = self.acceptance.share
        return share is not None and share < DOUBTFUL

    @property
    def why_not_fit(self) -> str:
        if self.doing or self.run.is_busy:
            return "One moment."
        if not any(self.answer_of(one) for one in self.stored.moments):
            return "Answer some moments first: rate and threshold are fitted to your answers."
        return "Your answers are being stored." if self.answers.unstored else ""

    def look_for_fit(self) -> None:
        """What the answers ask for, into `fit`."""

        def found(result: dict[str, Any]) -> None:
            self.fit = result

        self._do("fit", "The answers could not be fitted.", found, "fit", *self._which)

    def apply_fit(self) -> None:
        """Set what `fit` found."""

        def applied(result: dict[str, Any]) -> None:
            self.fit = None
            self._app.refresh_settings()

        self._do("apply", "Nothing was changed.", applied, "fit", *self._which, "--apply")

    def leave_fit(self) -> None:
        """Everything stays as it is."""
        self.fit = None
        self._changed()

    def accept(self) -> None:
        """Let it speak in public."""

        def accepted(result: dict[str, Any]) -> None:
            self._app.refresh_settings()
            self._app.refresh_stats()

        self._do("accept", "It was not let speak.", accepted, "accept", *self._which)

    @property
    def _which(self) -> tuple[str, ...]:
        shown = self.stored.shown
        return (str(shown.rehearsal_id),) if shown else ()

    def silence(self) -> None:
        """It listens, and speaks to nobody, from now on."""
        if self.doing:
            return
        self.doing = "silence"
        self._changed()

        def ended(why: str = "") -> None:
            self.doing = ""
            if why:
                self._failed("It was not silenced.", why)
            self._changed()

        self._app.set_setting(SPEAKS, "off", ended, ended)

    def _do(
        self, doing: str, failed: str, done: Callable[[dict[str, Any]], object], *arguments: str
    ) -> None:
        if self.doing:
            return
        self.doing = doing  # before: where the script cannot start, `failed` comes at once
        self._changed()

        def ended(result: dict[str, Any]) -> None:
            self.doing = ""
            done(result)
            self._changed()

        def unfinished(reason: str) -> None:
            self.doing = ""
            self._failed(failed, reason)
            self._changed()

        self._app.run_script(self.script, *arguments, "--json", done=ended, failed=unfinished)


def read_stored(home: Home, chosen: int | None) -> Stored:
    """The rehearsal `chosen`, else the newest. Blocking. Raises StorageUnreadableError."""
    path = home.database
    rehearsals = readonly.rehearsals(path)
    shown = next((one for one in rehearsals if one.rehearsal_id == chosen), None)
    shown = shown or next(iter(rehearsals), None)
    return Stored(
        rehearsals,
        shown,
        readonly.moments(path, shown.rehearsal_id) if shown else (),
        readonly.channels(path),
        readonly.last_said_ms(path),
        readonly.deployed_model(path) is not None,
    )


def span_of(how: str, text: str) -> list[str]:
    """How the script is told what to go through."""
    if how == BUSIEST:
        return []
    return ["--day" if how == DAY else "--last", text.strip()]


def day_fault(text: str) -> str:
    """What is wrong with a day as it was typed; "" where nothing is."""
    try:
        date.fromisoformat(text.strip())
    except ValueError:
        return "A day is written like 2026-11-20."
    return ""


def number_fault(text: str) -> str:
    """The same for a number of messages."""
    if re.fullmatch(r"\d{1,6}", text.strip()) and FEWEST <= int(text) <= MOST:
        return ""
    return f"From {FEWEST} to {MOST:,} messages can be rehearsed at once."


def rehearsal_name(rehearsal: Rehearsal) -> str:
    """For the choice: "3: 2026-11-20, 23 moments"."""
    day = day_words(rehearsal.first_ms or rehearsal.began_at_ms)
    what = "live, since " if rehearsal.kind == "live" else ""
    return f"{rehearsal.rehearsal_id}: {what}{day}, {many(rehearsal.spoken, 'moment')}"
