"""Makes a training set: history -> clean -> conversations -> split -> examples -> a folder.

The history is walked twice, segment by segment (data/segments.py): data/survey.py cleans and counts
it, data/gather.py makes every example that could be taken. Then data/choosing.py decides on columns
alone, and what it chose is copied out of the spool. So memory hardly grows with the history.

What went in and what came out is counted: every message and every candidate that is missing has a
reason in dataset_report.json, and so has what nobody consented to (data/consent.py).
"""

from __future__ import annotations

import errno
import hashlib
import json
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.budget import TokenCount
from data.choosing import Chosen, choose
from data.consent import (
    EXCLUDED_MEMBER,
    ConsentError,
    Rules,
    coverage,
    declared_words,
    remedy,
    state_of,
)
from data.contexts import SHORT_CONTEXT
from data.conversations import fit_community
from data.dataset_report import in_kept_dropped, of_kinds, of_lengths, of_members, of_side
from data.duplicates import KEEP
from data.emoji_weights import EmojiWeights
from data.erased import Erased
from data.examples import LAYOUT
from data.gather import CONVERSATION_SIZES, GATHERING, Gathered, Whole
from data.links.community import LEAST_REPLIES
from data.naming import EverydayWords, Renaming
from data.own_replies import OwnExamples, own_report
from data.personas import Personas, PersonaText
from data.preferences import write_preferences
from data.preprocessor import Cleaner
from data.reception import Reception
from data.report.page import render_report
from data.segments import CleanSegments
from data.split import SIDES, TRAINING, VALIDATION, Splitter
from data.spool import Spool
from data.survey import EMOJI_SHOWN, Progress, Survey, sample, walk
from data.targets import NO_CONTEXT
from data.windows import WindowOptions
from model.chat_format import Tokenizer
from storage.database import Database
from storage.errors import MynahError
from storage.manifest import making, read_manifest, write_manifest
from storage.records import FIRST_SNOWFLAKE

KIND = "dataset"
FILES = {TRAINING: "training_data.jsonl", VALIDATION: "validation_data.jsonl"}
REPORT_FILE = "dataset_report.json"
VALIDATION_SHARE = 0.1
RANKING = "learning who answers whom"
WRITING = "writing examples"
_LOOKED_UP_AT_ONCE = 20_000
_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))


class NoExamplesError(MynahError):
    """The history gives no example; the sentence says what became of it."""


class DiskFullError(MynahError):
    """There is no room for the set; the sentence says how much it needs."""


@dataclass(frozen=True)
class DatasetOptions:
    """What a person may ask of a set."""

    windows: WindowOptions = field(default_factory=WindowOptions)
    validation_share: float = VALIDATION_SHARE
    token_counts_by: str = ""
    """What the tokens were counted with, for the report."""
    personas: Personas | None = None
    """Who is learned as whom; None: everybody as the persona of the set."""
    emoji_weights: EmojiWeights = field(default_factory=EmojiWeights.shipped)


def make_dataset(
    database: Database,
    folder: Path,
    tokenizer: Tokenizer,
    persona: PersonaText,
    options: DatasetOptions,
    progress: Progress = lambda step, done, total: None,
) -> dict[str, Any]:
    """Make the set at `folder` (an old one is replaced) and return its report.

    While it is made it takes twice its room on the disk. Raises ConsentError, NoExamplesError,
    DiskFullError, OSError; an old set stays then.
    """
    history = history_of(database)  # before: what changes meanwhile makes the set out of date
    made = _Making(database, tokenizer, persona, options, progress)
    with making(folder) as work, _saying_what_is_missing(folder, made):
        report = made.files(work)
        text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
        (work / REPORT_FILE).write_text(text, encoding="utf-8")
        counts = {side: report[side]["examples"] for side in SIDES}
        counts |= report["preferences"]["lines"]
        write_manifest(work, KIND, made.config(history), counts)
        _take_out_erased(work, database, made.message_ids)
        render_report(work, database, name=folder.name)
    return report


class _Making:
    """One set in the making."""

    def __init__(
        self,
        database: Database,
        tokenizer: Tokenizer,
        persona: PersonaText,
        options: DatasetOptions,
        progress: Progress,
    ) -> None:
        self._database = database
        self._tokenizer = tokenizer
        self._persona = persona
        self._options = options
        self._personas = options.personas or Personas.blend(persona)
        self._progress = progress
        self._rules = Rules.of(database)
        self._own = OwnExamples.of(database, self._rules)
        self._redactions: Counter[str] = Counter()
        self.message_ids = array("q")
        """Of every message that was read and is usable."""
        self.needed_bytes = 0
        """On the disk while it is made, at least; 0: not known yet."""
        self._learned_links = False

    def files(self, work: Path) -> dict[str, Any]:
        """Write the set's files into `work`, all but the report; the report."""
        with Spool(work / "messages.spool") as said, Spool(work / "examples.spool") as spool:
            segments = CleanSegments(said)
            self.message_ids = segments.message_ids
            survey = self._survey(segments)
            gathered = Gathered(spool)
            self._gather(segments, survey, gathered)
            windows = self._options.windows
            codes = gathered.duplicate_codes()
            chosen = choose(gathered.candidates, codes, windows.seed, windows.limit)
            self._refuse_none(survey, gathered, chosen)
            self._write(work, gathered, chosen)
            own = self._own.checked(self._database)
            preferences = write_preferences(
                work,
                spool,
                gathered.candidates.columns(),
                usable=codes == KEEP,
                own=own,
                emoji=survey.reception.emoji,
                seed=windows.seed,
                max_tokens=windows.max_tokens,
            )
            preferences["own"] = own_report(own, self._own.left_out)
            return self._report(survey, gathered, chosen, preferences)

    def config(self, history: dict[str, Any]) -> dict[str, Any]:
        """What the set was made from, for its manifest."""
        return _config(history, self._persona, self._options, self._own)

    def _survey(self, segments: CleanSegments) -> Survey:
        members = self._database.members()
        closed = {c.channel_id for c in self._database.channels() if not c.is_allowed}
        survey = Survey(EverydayWords(members), Reception(self._options.emoji_weights))
        walk(
            self._database.messages(include_deleted=True),
            Cleaner(members, self._rules, closed, self._redactions),
            segments,
            survey,
            self._progress,
            sum(self._database.message_counts().values()),
        )
        if survey.kept and survey.not_learned.total() == survey.kept:
            raise ConsentError(remedy(survey.not_learned))
        return survey

    def _gather(self, segments: CleanSegments, survey: Survey, gathered: Gathered) -> None:
        self._progress(RANKING, 0, 1)
        # With fewer it is the prior anyway, and finding that out takes a minute.
        ranker = fit_community(sample(segments)) if survey.replies >= LEAST_REPLIES else None
        self._learned_links = ranker is not None and ranker.own is not None
        whole = Whole(
            ranker=ranker,
            splitter=Splitter(
                survey.kept,
                seed=self._options.windows.seed,
                validation_share=self._options.validation_share,
            ),
            renaming=Renaming(self._database.members(), survey.everyday.found()),
            personas=self._personas,
            count=TokenCount(self._tokenizer),
            reception=survey.reception,
            options=self._options.windows,
            own=self._own,
        )

        def done(messages: int) -> None:
            self.needed_bytes = 2 * gathered.spool.size_bytes * survey.kept // messages
            self._progress(GATHERING, messages, survey.kept)

        gathered.gather(segments, whole, done)

    def _refuse_none(self, survey: Survey, gathered: Gathered, chosen: Chosen) -> None:
        if not len(chosen.all_rows):
            drops = survey.drops + gathered.drops + chosen.drops
            raise NoExamplesError(_why_none(survey.came_in, drops))

    def _write(self, work: Path, gathered: Gathered, chosen: Chosen) -> None:
        """Each side's file: the chosen lines, out of the spool in their order."""
        columns = gathered.candidates.columns()
        total, done = len(chosen.all_rows), 0
        for side, name in FILES.items():
            rows = chosen.rows[side]
            with (work / name).open("wb") as file:
                lines = gathered.spool.read_all(columns.offset[rows], columns.length[rows])
                for line in lines:
                    file.write(line)
                    if done % 1000 == 0:
                        self._progress(WRITING, done, total)
                    done += 1

    def _report(
        self, survey: Survey, gathered: Gathered, chosen: Chosen, preferences: dict[str, Any]
    ) -> dict[str, Any]:
        candidates = gathered.candidates
        columns, rows = candidates.columns(), chosen.all_rows
        assert survey.kept == gathered.messages, "a message was neither planned nor dropped"
        drops = gathered.drops + chosen.drops
        return {
            "messages": in_kept_dropped(survey.came_in, survey.kept, survey.drops),
            "redactions": dict(sorted(self._redactions.items())),
            "links": dict(sorted(gathered.links.items())),
            "links_learned_here": self._learned_links,
            "conversations": sum(gathered.conversation_sizes),
            "conversation_sizes": {
                "upto": list(CONVERSATION_SIZES),
                "count": gathered.conversation_sizes,
            },
            "examples": in_kept_dropped(survey.kept, len(rows), drops),
            **{side: of_side(columns, chosen.rows[side]) for side in SIDES},
            "kinds": of_kinds(columns, candidates.kinds, rows),
            "lengths": of_lengths(columns, rows),
            "members": of_members(columns, candidates.member_ids, rows),
            "blend": chosen.blend,
            "preferences": preferences,
            "activity": survey.activity,
            "reactions": dict(survey.reactions.most_common(EMOJI_SHOWN)),
            "origins": dict(sorted(survey.origins.items())),
            "consent": _consent_report(
                self._database, self._rules, survey.not_learned, survey.drops
            ),
            "tokens_counted_by": self._options.token_counts_by,
        }


@contextmanager
def _saying_what_is_missing(folder: Path, made: _Making) -> Iterator[None]:
    """A full disk as a sentence. Raises DiskFullError, other OSErrors as they are."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        size = f"{made.needed_bytes / 1e6:,.0f} MB" if made.needed_bytes else "twice its size"
        raise DiskFullError(
            f"The set could not be made and nothing was kept of it: {folder.parent} is on a disk "
            f"that is full. Making it takes {size} at least, of which half are free again "
            "at the end. Make room on that disk, then start again."
        ) from error


def _take_out_erased(work: Path, database: Database, message_ids: Sequence[int]) -> None:
    """What was erased since it was read. Whoever erases from now on sees the folder that is being
    made, and comes again."""
    missing: set[int] = set()
    for begin in range(0, len(message_ids), _LOOKED_UP_AT_ONCE):
        for found in database.lost(message_ids[begin : begin + _LOOKED_UP_AT_ONCE]):
            missing |= found
    if missing:
        from data.forgetting_files import sweep  # late: it knows this module's files
        from data.forgetting_rules import Rules as ErasedRules

        sweep(work, ErasedRules(Erased(message_ids=frozenset(missing))))


def history_of(database: Database) -> dict[str, Any]:
    """What a set depends on in the database: messages, names, and who may be learned from."""
    rules = Rules.of(database)
    members = [
        (m.member_id, m.nickname, m.is_bot, state_of(m).value)
        for m in database.members()
        if m.member_id >= FIRST_SNOWFLAKE
    ]
    return {
        **database.history_state(),
        "members": hashlib.sha256(json.dumps(sorted(members)).encode()).hexdigest(),
        "consent_mode": rules.mode.value,
        "declarations": [d.declaration_id for d in database.declarations()],
        "closed_channels": sorted(
            str(c.channel_id) for c in database.channels() if not c.is_allowed
        ),
    }


def _config(
    history: dict[str, Any], persona: PersonaText, options: DatasetOptions, own: OwnExamples
) -> dict[str, Any]:
    windows = options.windows
    return {
        "layout": LAYOUT,
        "history": history,
        "seed": windows.seed,
        "max_tokens": windows.max_tokens,
        "limit": windows.limit,
        "validation_share": options.validation_share,
        "persona": persona.text,
        "persona_name": persona.name,
        "personas": (options.personas or Personas.blend(persona)).as_json(),
        "tokens_counted_by": options.token_counts_by,
        "emoji_weights": options.emoji_weights.sha256,
        "own_replies": own.sha256,
    }


def is_made_from(
    folder: Path, database: Database, persona: PersonaText, options: DatasetOptions
) -> bool:
    """Whether a whole set is there that was made from the history as it is, with these options."""
    manifest = read_manifest(folder)
    own = OwnExamples.of(database, Rules.of(database))
    wanted = _config(history_of(database), persona, options, own)
    return manifest is not None and all(manifest.config.get(k) == v for k, v in wanted.items())


def is_current(folder: Path, database: Database, persona: PersonaText, max_tokens: int) -> bool:
    """Whether a whole set of everybody as this persona, of this length, is there, made from the
    history as it is."""
    manifest = read_manifest(folder)
    wanted = {
        "layout": LAYOUT,
        "history": history_of(database),
        "personas": Personas.blend(persona).as_json(),
        "max_tokens": max_tokens,
        "limit": None,
    }
    return manifest is not None and all(manifest.config.get(k) == v for k, v in wanted.items())


def _consent_report(
    database: Database, rules: Rules, not_learned: Counter[str], drops: Counter[str]
) -> dict[str, Any]:
    """Under which rules the set was made, and what was left out because of them.

    `not_learned` stand as placeholders in others' examples; what excluded members said is absent.
    """
    covered = coverage(database, rules.mode, rules.is_declared)
    excluded = {EXCLUDED_MEMBER: drops[EXCLUDED_MEMBER]} if drops[EXCLUDED_MEMBER] else {}
    return {
        "mode": rules.mode.value,
        "declared": declared_words(database.declarations()),
        "coverage": str(covered),
        "members": covered.members,
        "members_learned_from": covered.members_learned_from,
        "left_out": {**dict(not_learned.most_common()), **excluded},
    }


def _why_none(came_in: int, drops: Counter[str]) -> str:
    """The sentence for a history that gives no example: the main reason first."""
    if not came_in:
        return (
            "There is no history to learn from: import one with "
            "python scripts/1_fetch_all_history.py --import FILE"
        )
    reason, count = drops.most_common(1)[0]
    remedy = " Import more history." if reason in (NO_CONTEXT, SHORT_CONTEXT) else ""
    return (
        f"{came_in:,} messages gave no example to learn from, mostly for this reason: {reason} "
        f"({count:,}). All reasons: {_reasons(drops)}.{remedy}"
    )


def _reasons(drops: Counter[str]) -> str:
    return ", ".join(f"{reason}: {n:,}" for reason, n in drops.most_common())
