"""What the report of a training set says first: what it is, and what to do next.

The limits are ours, read from docs/experiments.md and the issue's targets, not laws: below them a
training works and gives less.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from data.blend import CAP, MEMBERS_FOR_CAP
from data.report.pictures import Figures, Members, part, percent, remark, whole

FEW_EXAMPLES = 1_000
MANY_OF_ONE = 0.2
"""Of the replies; the blend aims at no more than 12% for one member."""
FEW_PAIRS = 1_000
LITTLE_COVERED = 0.5
MODE_WORDS = {
    "retrieval_only": "nobody, but for the sample community, which we wrote",
    "opt_in": "members who opted in, and whoever handed over their own data package",
    "declared": "everybody who has not opted out",
}
"""As docs/consent.md has it."""


@dataclass(frozen=True)
class Counts:
    """How many lines the set has now."""

    training: int
    validation: int
    rated: int
    """Replies that were received well or badly (kto_data.jsonl)."""
    pairs: int
    """A better and a worse reply (preference_data.jsonl)."""
    sampled: int
    """Of these, those whose worse reply a model wrote."""
    waiting: int
    """Liked replies without a worse one (preference_prompts.jsonl)."""


@dataclass(frozen=True)
class Advice:
    """One thing to know before a training."""

    tone: str
    """good, note or warn."""
    title: str
    text: str


def advice(report: Figures, counts: Counts, shares: Members | None, name: str) -> list[Advice]:
    """Warnings first, then what to do."""
    found = [
        *_erased(report, counts),
        *_of_size(counts),
        *_of_members(report, shares),
        *_of_consent(report),
        *_of_preferences(report, counts, name),
        *_of_tokens(report),
    ]
    is_fine = not any(one.tone == "warn" for one in found)
    return [*sorted(found, key=lambda one: one.tone != "warn"), _next_step(name, is_fine)]


def _next_step(name: str, is_fine: bool) -> Advice:
    how = (
        f"In the window: Training. On the command line: python scripts/3_train_model.py "
        f"--mode all --dataset {name}. Read some of the examples below first: that is what the "
        "model will sound like."
    )
    if is_fine:
        return Advice("good", "Ready to be trained on.", how)
    return Advice("note", "It can be trained on as it is.", how)


def _erased(report: Figures, counts: Counts) -> Iterator[Advice]:
    if not report:
        yield Advice(
            "warn",
            "The figures of this set were erased.",
            "They named somebody who is forgotten. Prepare the set again to see them anew: "
            "python scripts/2_prepare_training_data.py",
        )
        return
    made = sum(whole(part(report, side).get("examples")) for side in ("training", "validation"))
    gone = made - counts.training - counts.validation
    if gone > 0:
        yield Advice(
            "note",
            f"{gone:,} examples were erased since it was made.",
            "Somebody was forgotten, or deleted messages. The pictures below are of the set as it "
            "was made; the counts and the examples are of what is left.",
        )


def _of_size(counts: Counts) -> Iterator[Advice]:
    if counts.training < FEW_EXAMPLES:
        yield Advice(
            "warn",
            f"It is small: {counts.training:,} examples.",
            f"Below about {FEW_EXAMPLES:,} a model picks up the tone and little of who is who. "
            "Fetch or import more history, or ask more members whether they may be learned from.",
        )
    if not counts.validation:
        yield Advice(
            "warn",
            "Nothing is kept aside to check what was learned.",
            "The history is too short to set a tenth aside, so nobody can tell whether a model "
            "learned or only repeats. More history gives a validation set by itself.",
        )


def _of_members(report: Figures, shares: Members | None) -> Iterator[Advice]:
    one = [row for row in shares.rows if row.member_id] if shares is not None else []
    top = max(one, key=lambda row: row.after, default=None)
    if top is not None and top.after > MANY_OF_ONE:
        yield Advice(
            "warn",
            f"It is one-sided: {percent(top.after)} of the replies are by {top.name}.",
            "The model will sound much like them. More history of the others, or more of them who "
            "may be learned from, evens that out.",
        )
    gave_way = part(report, "blend").get("gave_way")
    if isinstance(gave_way, list) and gave_way:
        why = "To keep at least 70% of the history"
        if len(part(report, "blend", "members")) < MEMBERS_FOR_CAP:
            why = f"Fewer than {MEMBERS_FOR_CAP} members cannot all stay below {CAP:.0%}"
        yield Advice(
            "note",
            "The blend could not keep all that it aims at.",
            f"{why}: this gave way: {'; '.join(map(str, gave_way))}.",
        )


def _of_consent(report: Figures) -> Iterator[Advice]:
    consent = part(report, "consent")
    members, learned = whole(consent.get("members")), whole(consent.get("members_learned_from"))
    if members and learned < members * LITTLE_COVERED:
        yield Advice(
            "note",
            f"Learned from {learned:,} of {members:,} members.",
            "Whoever says yes counts with the next preparation: !askconsent posts the question on "
            "Discord.",
        )


def _of_preferences(report: Figures, counts: Counts, name: str) -> Iterator[Advice]:
    found = part(report, "preferences")
    if found and max(counts.pairs, counts.rated) < FEW_PAIRS:
        yield Advice(
            "note",
            f"Few preferences: {counts.pairs:,} pairs and {counts.rated:,} rated replies.",
            f"{remark(report, counts.sampled)} Training on them begins to show at about "
            f"{FEW_PAIRS:,}; the examples alone do without.".strip(),
        )
    if counts.waiting > 0:
        yield Advice(
            "note",
            f"{counts.waiting:,} liked replies have no worse one beside them yet.",
            "A model that was trained on this set can write them: "
            f"python scripts/2b_sample_rejected.py --name {name}",
        )


def _of_tokens(report: Figures) -> Iterator[Advice]:
    by = str(report.get("tokens_counted_by") or "")
    if "estimate" in by:
        yield Advice("note", "Tokens are estimated.", f"Counted by {by}.")
