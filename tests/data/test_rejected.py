"""Replies that a model writes to be rejected: drawn again, kept, gone on with, never half a set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from data.consent import check_dataset_may_train
from data.forgetting import forget_messages
from data.preference_rows import KTO, PAIRS, PROMPTS, Row, read_rows
from data.rejected import TRIES, SamplingOptions, Write, sample_rejected
from data.sampled import FOLDER, Drawn, NotSampledError, take_back
from storage.manifest import verify_manifest
from tests.data.liked import Liked, liked, message_id

SHA256 = "5a" * 32
OPTIONS = SamplingOptions()


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Liked]:
    with liked(tmp_path) as one:
        yield one


class Writer:
    """Writes numbered replies; says which prompts it was asked for, and how often."""

    def __init__(self, stop_at: int = -1) -> None:
        self.asked: list[tuple[str, int]] = []
        self._stop_at = stop_at

    def __call__(self, row: Row, attempt: int) -> Drawn | None:
        if len(self.asked) == self._stop_at:
            raise KeyboardInterrupt
        self.asked.append((row["id"], attempt))
        return Drawn(f"said by a model {len(self.asked)}", 7)


def sample(made: Liked, write: Write, limit: int | None = None) -> dict[str, int]:
    return sample_rejected(made.folder, write, SHA256, OPTIONS, limit=limit)


def rejected(made: Liked) -> list[str]:
    return [row["rejected"] for row in read_rows(made.folder / PAIRS) if "sampled_by" in row]


def test_prompts_become_pairs(made: Liked) -> None:
    kto = (made.folder / KTO).read_bytes()
    (made.folder / "dataset_report.html").write_text("a page that no manifest names")
    prompts = {row["id"]: row for row in read_rows(made.folder / PROMPTS)}
    (found,) = read_rows(made.folder / PAIRS)
    assert sample(made, Writer()) == {"added": 3, "failed": 0, "left": 0}
    first, *others = read_rows(made.folder / PAIRS)
    assert first == found
    for row in others:
        prompt = prompts.pop(row["id"])
        assert row == {
            **prompt,
            "rejected": row["rejected"],
            "sampled_by": SHA256,
            "rejected_tokens": 7,
        }
        assert row["rejected"].startswith("said by a model")
        assert list(row)[2:5] == ["prompt", "chosen", "rejected"]
    assert not prompts
    assert (made.folder / PROMPTS).read_bytes() == b""
    assert (made.folder / KTO).read_bytes() == kto
    assert (made.folder / "dataset_report.html").read_text().startswith("a page")
    known = verify_manifest(made.folder)
    assert "dataset_report.html" not in known.files
    assert known.counts["preferences"] == 4
    assert known.counts["preference_prompts"] == 0
    assert known.counts["training"] == 1
    assert known.config["max_tokens"] == 512
    check_dataset_may_train(made.folder, made.database)
    assert sample(made, Writer()) == {"added": 0, "failed": 0, "left": 0}


def test_a_limit_and_then_the_rest(made: Liked) -> None:
    first, second = Writer(), Writer()
    assert sample(made, first, limit=1) == {"added": 1, "failed": 0, "left": 2}
    assert sample(made, second) == {"added": 2, "failed": 0, "left": 0}
    assert len({prompt for prompt, _ in first.asked + second.asked}) == 3


def test_what_does_not_fit_is_drawn_again_and_then_left(made: Liked) -> None:
    asked: list[tuple[str, int]] = []
    ids = [row["id"] for row in read_rows(made.folder / PROMPTS)]

    def write(row: Row, attempt: int) -> Drawn | None:
        asked.append((row["id"], attempt))
        if row["id"] == ids[0]:
            return Drawn(("", row["chosen"], row["chosen"].upper() + "!", "fine")[attempt], 3)
        if row["id"] == ids[1]:
            return Drawn("", 0)
        return None  # too long

    counts = sample_rejected(made.folder, write, SHA256, OPTIONS)
    assert counts == {"added": 1, "failed": 2, "left": 0}
    assert rejected(made) == ["fine"]
    tries = [(ids[0], n) for n in range(4)] + [(ids[1], n) for n in range(TRIES)] + [(ids[2], 0)]
    assert asked == tries
    assert [row["id"] for row in read_rows(made.folder / PROMPTS)] == ids[1:]


def test_a_pair_is_no_longer_than_the_sets_examples(made: Liked) -> None:
    most = verify_manifest(made.folder).config["max_tokens"]
    (row, *_) = read_rows(made.folder / PROMPTS)
    room = most - (row["tokens"] - row["learned_tokens"])

    def write(row: Row, attempt: int) -> Drawn | None:
        return Drawn(f"a long one {attempt}", room + 1 if attempt < 2 else room)

    made_at_ms = verify_manifest(made.folder).created_at_ms
    assert sample_rejected(made.folder, write, SHA256, OPTIONS)["added"] == 3
    assert set(rejected(made)) == {"a long one 2"}
    assert max(row["tokens"] for row in read_rows(made.folder / PAIRS)) == most
    assert verify_manifest(made.folder).created_at_ms == made_at_ms  # it is the same set


def test_ctrl_c_puts_what_is_done_into_the_set(made: Liked) -> None:
    with pytest.raises(KeyboardInterrupt):
        sample(made, Writer(stop_at=2))
    assert len(rejected(made)) == 2
    assert verify_manifest(made.folder).counts["preference_prompts"] == 1
    assert sample(made, Writer()) == {"added": 1, "failed": 0, "left": 0}


class Killed(BaseException):
    """What a SIGKILL leaves: nothing runs any more."""


def test_after_a_kill_it_goes_on(made: Liked, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*ignored: object) -> dict[str, int]:
        raise Killed

    first = Writer(stop_at=2)
    with monkeypatch.context() as patch:
        patch.setattr("data.rejected.complete", killed)
        with pytest.raises(Killed):
            sample(made, first)
    verify_manifest(made.folder)  # the set is as it was
    check_dataset_may_train(made.folder, made.database)
    assert rejected(made) == []
    (kept,) = (made.folder / FOLDER).iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-20])  # in the midst of its second line
    second = Writer()
    assert sample(made, second) == {"added": 3, "failed": 0, "left": 0}
    assert len(second.asked) == 2
    assert second.asked[0] == first.asked[1]
    assert "said by a model 1" in rejected(made)
    assert not (made.folder / FOLDER).exists()


def test_another_model_or_seed_does_not_take_over_what_was_begun(
    made: Liked, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("data.rejected.complete", lambda *_: {})
        sample(made, Writer())
    another = Writer()
    sample_rejected(made.folder, another, "77" * 32, OPTIONS, limit=1)
    assert len(another.asked) == 1
    seeded = Writer()
    sample_rejected(made.folder, seeded, SHA256, SamplingOptions(seed=1))
    assert len(seeded.asked) == 2


def test_what_is_erased_meanwhile_does_not_come_back(made: Liked) -> None:
    gone = next(row["id"] for row in read_rows(made.folder / PROMPTS))

    class Erasing(Writer):
        def __call__(self, row: Row, attempt: int) -> Drawn | None:
            if len(self.asked) == 1:
                ids = [int(gone) - 2]  # the first line of its context
                assert forget_messages(made.home, made.database, ids).is_done
            return super().__call__(row, attempt)

    write = Erasing()
    counts = sample(made, write)
    assert write.asked[0][0] == gone
    assert counts["left"] == 0
    for path in made.folder.rglob("*"):
        assert not path.is_file() or str(int(gone) - 2).encode() not in path.read_bytes()
    check_dataset_may_train(made.folder, made.database)


def test_a_model_that_may_not_be_heard_any_more_leaves_nothing(made: Liked) -> None:
    before = (made.folder / PAIRS).read_bytes()
    asked: list[str] = []

    @contextmanager
    def alone() -> Iterator[None]:
        asked.append("at the end")
        raise NotSampledError("It learned what is erased.")
        yield

    with pytest.raises(NotSampledError):
        sample_rejected(made.folder, Writer(), SHA256, OPTIONS, alone=alone)
    assert asked == ["at the end"]
    assert (made.folder / PAIRS).read_bytes() == before
    assert not list((made.folder / FOLDER).iterdir())
    for path in made.folder.rglob("*"):
        assert not path.is_file() or b"said by a model" not in path.read_bytes()


def test_what_is_left_is_counted_by_what_is_there(made: Liked) -> None:
    def write(row: Row, attempt: int) -> Drawn | None:
        return None  # too long

    assert sample(made, write) == {"added": 0, "failed": 3, "left": 0}
    assert forget_messages(made.home, made.database, [made.reply_ids[2]]).is_done
    assert sample(made, write) == {"added": 0, "failed": 2, "left": 0}
    text = "".join(path.read_text() for path in (made.folder / FOLDER).iterdir())
    assert str(made.reply_ids[2]) not in text


def test_a_line_that_ends_within_a_character_is_nothing(
    made: Liked, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("data.rejected.complete", lambda *_: {})
        sample(made, lambda row, attempt: Drawn("caf\u00e9", 3), limit=1)
    (kept,) = (made.folder / FOLDER).iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[: whole.index("\u00e9".encode()) + 1])  # as a full disk leaves it
    assert sample(made, Writer()) == {"added": 3, "failed": 0, "left": 0}
    assert all(text.startswith("said by a model") for text in rejected(made))


def test_a_set_that_was_made_anew_meanwhile_takes_no_other_sets_replies(
    made: Liked, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("data.rejected.complete", lambda *_: {})
        sample(made, Writer())
    rows = list(read_rows(made.folder / PROMPTS))
    text = (made.folder / PROMPTS).read_text(encoding="utf-8")
    (made.folder / PROMPTS).write_text(text.replace("You are Mynah", "I am Mynah!!!"), "utf-8")
    again = Writer()
    sample(made, again)
    assert len(again.asked) == len(rows)


def test_where_there_is_nothing_to_sample_for(tmp_path: Path, made: Liked) -> None:
    with pytest.raises(NotSampledError, match="scripts/2_prepare"):
        sample_rejected(tmp_path / "none", Writer(), SHA256, OPTIONS)
    (made.folder / PROMPTS).unlink()
    with pytest.raises(NotSampledError, match="no complete training set"):
        sample(made, Writer())


def test_taking_back_leaves_what_members_wrote(made: Liked) -> None:
    before = (made.folder / PAIRS).read_bytes(), (made.folder / PROMPTS).read_bytes()
    assert take_back(made.folder, {SHA256}) == 0
    sample(made, Writer())
    assert take_back(made.folder, {SHA256}) == 0
    assert len(rejected(made)) == 3
    assert take_back(made.folder, set()) == 3
    assert ((made.folder / PAIRS).read_bytes(), (made.folder / PROMPTS).read_bytes()) == before
    verify_manifest(made.folder)
    assert message_id(0, 2) == made.reply_ids[0]
