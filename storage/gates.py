"""What a model version has to pass before it answers, and what it lacks. Standard library alone.

Its personality must score what its training profile asked for, its leak audit must have passed
where the profile wants one, and a version of an experimental training must be better than the one
that it was made from. One that was not trained here, or before there was a judge, has no gates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from storage.records import Evaluation, ModelVersion

PERSONALITY, AUDIT, PEOPLE = "personality", "audit", "people"
PASSED, FAILED, MISSING, NOT_NEEDED = "passed", "failed", "missing", "not needed"
EXPERIMENTAL = "experimental"
"""A version's notes begin with it where its training is one (DPO, KTO)."""

Latest = Callable[[str, str], Evaluation | None]
"""The newest evaluation of a version by its id and the evaluation's kind."""


@dataclass(frozen=True)
class Gate:
    """One thing that is asked of a version."""

    name: str
    """personality, audit, or "better than PARENT" ("better than before" where none is known)."""
    state: str
    """passed, failed, missing or not needed."""
    said: str
    """What is known, in words that follow the version's name; with the command where it lacks."""

    @property
    def is_closed(self) -> bool:
        """Whether it bars the version."""
        return self.state in (FAILED, MISSING)


def latest_of(evaluations: Iterable[Evaluation]) -> Latest:
    """Look-up in these; they come oldest first."""
    newest = {(one.version_id, one.kind): one for one in evaluations}
    return lambda version_id, kind: newest.get((version_id, kind))


def gates_of(
    version: ModelVersion, latest: Latest, versions: Sequence[ModelVersion]
) -> tuple[Gate, ...]:
    """The gates of a version; `versions` are all, among them the one that it was made from."""
    gates = (_personality(version, latest), _audit(version, latest))
    if version.deploy_at is None or not version.notes.startswith(EXPERIMENTAL):
        return gates
    return (*gates, _better(version, parent_of(version, versions), latest))


def parent_of(version: ModelVersion, versions: Iterable[ModelVersion]) -> ModelVersion | None:
    """The trained version that it goes on from; None where it began at the base."""
    return next(
        (v for v in versions if v.version_id in version.parents and v.kind == "tuned"), None
    )


def judge_command(version_id: str) -> str:
    return f"python scripts/4_evaluate_personality.py --version {version_id}"


def audit_command(version_id: str) -> str:
    return f"python scripts/4b_audit_leaks.py --version {version_id}"


def force_command(version_id: str) -> str:
    return f'python scripts/6_manage_models.py deploy {version_id} --force --why "..."'


def is_forced(version: ModelVersion, latest: Latest) -> bool:
    """Whether somebody took it on them that it answers all the same; that holds until it is tested
    anew."""
    if version.forced_at_ms is None:
        return False
    tested = (latest(version.version_id, kind) for kind in (PERSONALITY, AUDIT))
    return all(one is None or one.at_ms <= version.forced_at_ms for one in tested)


def lacking(gates: Iterable[Gate]) -> str:
    """What the closed ones say, in one line; "" where none is closed."""
    return "; ".join(gate.said for gate in gates if gate.is_closed)


def refusal(version_id: str, gates: Iterable[Gate]) -> str:
    """Why it is not deployed and what to do, as a sentence; "" where all gates are open."""
    lacks = lacking(gates)
    if not lacks:
        return ""
    return (
        f"{version_id} is not deployed: {lacks}. To let it answer all the same, with your name and "
        f"reason on record: {force_command(version_id)}"
    )


def said_of_scores(version: ModelVersion, other: ModelVersion | None, latest: Latest) -> str:
    """That a version scores lower than another one, which answers; "" where it does not, or one of
    them has no score."""
    if other is None or other.version_id == version.version_id:
        return ""
    mine, theirs = _score(version, latest), _score(other, latest)
    if mine is None or theirs is None or mine >= theirs:
        return ""
    return f"{version.version_id} scores lower ({mine:.1f}) than {other.version_id} ({theirs:.1f})."


def _personality(version: ModelVersion, latest: Latest) -> Gate:
    found, needed = latest(version.version_id, PERSONALITY), version.deploy_at
    score = None if found is None else found.score
    if needed is None:
        said = "it is not asked for" if score is None else f"it scored {score:.1f}"
        return Gate(PERSONALITY, NOT_NEEDED, said)
    if found is None or score is None:
        said = f"its personality was not judged yet ({judge_command(version.version_id)})"
        return Gate(PERSONALITY, MISSING, said)
    if found.passed and score >= needed:
        return Gate(PERSONALITY, PASSED, f"it scored {score:.1f}, and {needed:g} were asked for")
    if score >= needed:
        return Gate(PERSONALITY, FAILED, f"its personality scored {score:.1f}, but did not pass")
    return Gate(PERSONALITY, FAILED, f"its personality scored {score:.1f} of the {needed:g} needed")


def _audit(version: ModelVersion, latest: Latest) -> Gate:
    found = latest(version.version_id, AUDIT)
    if not version.audit_needed:
        return Gate(AUDIT, NOT_NEEDED, "it is not asked for")
    if found is None:
        said = f"its leak audit was not made yet ({audit_command(version.version_id)})"
        return Gate(AUDIT, MISSING, said)
    if found.passed:
        return Gate(AUDIT, PASSED, "it gave nothing away")
    return Gate(AUDIT, FAILED, "its leak audit failed: it gives away what somebody wrote")


def _better(version: ModelVersion, parent: ModelVersion | None, latest: Latest) -> Gate:
    if parent is None:
        said = "it is experimental, and the version that it went on from is not registered"
        return Gate("better than before", MISSING, said)
    name = f"better than {parent.version_id}"
    mine, theirs = _score(version, latest), _score(parent, latest)
    if mine is None:
        return Gate(name, MISSING, f"it is to be {name}, and was not judged yet")
    if theirs is None:
        command = judge_command(parent.version_id)
        said = f"it is to be {name}, which was not judged yet ({command})"
        return Gate(name, MISSING, said)
    said = f"it scored {mine:.1f}, {parent.version_id}, which it was made from, {theirs:.1f}"
    return Gate(name, PASSED if mine > theirs else FAILED, said)


def _score(version: ModelVersion, latest: Latest) -> float | None:
    found = latest(version.version_id, PERSONALITY)
    return None if found is None else found.score
