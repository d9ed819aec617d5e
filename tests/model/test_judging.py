"""The judge on sets of replies of which it is known how they ought to score."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.samples.community import simulate
from data.samples.export import export
from data.samples.lantern import write_lantern
from data.samples.others import other_community
from model.evaluate import EvaluationError
from model.judging.advice import advice
from model.judging.distances import jensen_shannon
from model.judging.expecting import Expected
from model.judging.judge import Habit, Judgement
from model.judging.letters import letter_bits
from model.judging.manner import manners
from model.judging.replies import HeldOut, Reply, in_their_places, like
from model.judging.score import EXPECTS, METRICS, UNKNOWN, Measured, Scale, Score, expecting
from model.judging.words import habits, words
from model.judging.writing import FILE, Written, write_all, written_by
from scripts.assistant_lines import LINES, stock_assistant
from scripts.bench_judge import judged
from scripts.judged_sets import (
    ASSISTANT,
    ELSEWHERE,
    OTHERS,
    REAL,
    SHUFFLED,
    community,
    member,
    replies_of,
)
from storage.records import Origin
from tests.shared import shared_path

COUNT = 80
BROKEN_MOST = 85.0
"""What nothing broken may reach: a model is deployed from there on."""


@pytest.fixture(scope="module")
def lantern(tmp_path_factory: pytest.TempPathFactory) -> list[Reply]:
    folder = tmp_path_factory.mktemp("lantern")
    return replies_of(write_lantern(folder, message_count=4000), Origin.SAMPLE)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> list[Reply]:
    folder = tmp_path_factory.mktemp("elsewhere")
    return replies_of(export(simulate(other_community(3), 3, 600), folder), Origin.SAMPLE)


def by_words(lines: Sequence[str]) -> np.ndarray:
    """Vectors of lines by their words alone, hashed: what is said of the same things is near."""
    vectors = np.full((len(lines), 256), 1e-6)
    for row, line in enumerate(lines):
        for word in words(line):
            vectors[row, hashlib.blake2b(word.encode(), digest_size=1).digest()[0]] += len(word)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def check_the_order(own: list[Reply], elsewhere: list[Reply]) -> None:
    scores = {
        name: score
        for name, (score, _) in judged(community(own, elsewhere, COUNT, 1), None, 1).items()
    }
    assert scores[REAL] >= 95
    # What is real, and in the wrong place alone, only an embedder sees.
    broken = {n: score for n, score in scores.items() if n not in (REAL, SHUFFLED, ELSEWHERE)}
    assert max(broken.values()) < BROKEN_MOST, broken
    assert scores[ASSISTANT] < 15 < scores[ELSEWHERE] < scores[REAL] - 4
    for name in ("one line repeated", "five frequent lines", "one word", "nothing at all"):
        assert scores[name] < 10, name
    case = member(own, COUNT // 2, 1)
    assert case is not None, "nobody says enough"
    of_one = {name: score for name, (score, _) in judged(case, None, 1).items()}
    assert of_one[REAL] >= 93
    assert of_one[OTHERS] < of_one[REAL] - 5


def test_the_order_of_scores_on_the_lantern(lantern: list[Reply], elsewhere: list[Reply]) -> None:
    check_the_order(lantern, elsewhere)


def test_the_order_of_scores_on_ubuntu(lantern: list[Reply]) -> None:
    days = sorted(shared_path("data/ubuntu_irc/dev").glob("*.json.gz"))
    check_the_order(replies_of(days[:6], Origin.EXPORT), lantern)


def test_replies_in_others_contexts_do_not_fit() -> None:
    """Each is a real one: their set is the same, and nothing but the fit tells."""
    own = [
        Reply(f"{thing} is {colour} today", (f"which {thing} did you see",), author=i % 3)
        for i, (thing, colour) in enumerate((f"thing{n}", f"colour{n % 7}") for n in range(40 * 6))
    ]
    real, further = own[:40], own[40:]
    moved = [
        Reply(one.text, there.context, there.author)
        for one, there in zip(real[20:] + real[:20], real, strict=True)
    ]
    scale = Scale({"moved": moved, "real": real}, real, further, own, embed=by_words)
    share = {m.metric.key: m.share for m in scale.score("moved").measured}
    assert share.pop("fit") < 0.1
    assert min(share.values()) == 1.0
    assert scale.score("real").value == pytest.approx(100)
    assert scale.score("moved").value < 80


def test_authors_in_a_row_do_not_tell_two_real_samples_apart() -> None:
    """Whoever has words of their own: a fold of the classifier holds all of them, as the model's
    and the real replies do."""
    chance = random.Random(0)
    own = [
        Reply(" ".join(chance.choices([f"{'abcd'[i % 4]}{n}" for n in range(9)], k=5)), (), i % 4)
        for i in range(400)
    ]
    chance.shuffle(own)
    scale = Scale({"other": own[40:80]}, own[:40], own[80:], own)
    (telling, *_) = scale.score("other").measured
    assert 0.4 < telling.ceiling < 0.6
    placed = in_their_places(own[:40], like(own[:40], own[40:], 40, 0))
    assert [one.author for one in placed] == [one.author for one in own[:40]]
    fewer = in_their_places(own[:40], own[40:80])
    assert sorted(map(id, fewer)) == sorted(map(id, own[40:80]))


def test_what_has_no_spread_is_no_error() -> None:
    """Everybody says one word, and the embedder takes all for the same."""
    own = [Reply("😀", ("hi",), 1)] * 30
    said = {"same": list(own), "nothing": [Reply("", (), 1)] * 30}

    def alike(lines: Sequence[str]) -> np.ndarray:
        return np.ones((len(lines), 1))

    scale = Scale(said, own, own * 2, own * 3, embed=alike)
    expects = expecting(0.0, 0.0, 0.0)
    assert scale.score("same", expects).value == pytest.approx(100)
    assert scale.score("nothing", expects).value < 50
    assert scale.score("same").left_out == ("Fits its context",)


def test_without_an_embedder_its_metrics_are_left_out_and_said(lantern: list[Reply]) -> None:
    real, rest = lantern[:30], lantern[30:]
    scale = Scale({"same": real}, real, rest, lantern)
    score = scale.score("same")
    assert score.left_out == ("What is talked about", "Fits its context")
    assert score.value == pytest.approx(100)
    assert min(scale.real_scores) > 85
    assert all(one.counts_from >= one.ceiling for one in score.measured)


def test_too_few_replies_are_a_sentence(lantern: list[Reply]) -> None:
    with pytest.raises(EvaluationError, match="too few to judge"):
        Scale({}, lantern[:19], lantern[19:], lantern)
    with pytest.raises(EvaluationError, match="too few to judge"):
        Scale({}, lantern[:30], lantern[30:50], lantern)


def test_a_model_that_expects_nothing_here_loses_by_it() -> None:
    assert expecting(1.5, 1.6, 0.05).share == 1.0
    assert expecting(UNKNOWN * 1.6, 1.6, 0.05).share == 0.0
    assert 0.0 < expecting(2.0, 1.6, 0.05).share < 1.0


def test_letters_tell_their_own_community_best(
    lantern: list[Reply], elsewhere: list[Reply]
) -> None:
    read, held = lantern[:800], [one.text for one in lantern[800:900]]
    own, error = letter_bits([one.text for one in read], held)
    other, _ = letter_bits([one.text for one in elsewhere], held)
    assert 0 < error < 0.3
    assert own < other < 8


def test_an_assistants_manner_is_known_and_a_members_is_not(lantern: list[Reply]) -> None:
    assert len(LINES) >= 60
    asked = [Reply("", one.context) for one in lantern[: len(LINES)]]
    assert sum(bool(manners(one.text)) for one in stock_assistant(asked, 0)) > 0.5 * len(LINES)
    assert sum(bool(manners(one.text)) for one in lantern) < 0.03 * len(lantern)
    assert manners("Sure:\n1. one\n2. two") == ["writes a list"]


def test_words_and_habits_of_any_script() -> None:
    assert words("It’s LOWLAMP :wave: 🎉 https://a.example/b") == [
        "it's",
        "lowlamp",
        ":wave:",
        "🎉",
    ]
    assert words("你好 world") == ["你", "好", "world"]
    assert habits("") == [False, True, *[False] * (len(habits("")) - 2)]
    assert jensen_shannon(Counter("aab"), Counter("aab")) == pytest.approx(0, abs=1e-12)
    assert jensen_shannon(Counter("a"), Counter("b")) == pytest.approx(1)


def test_the_authors_keep_their_shares() -> None:
    wanted = [Reply("x", author=i % 2) for i in range(10)]
    pool = [Reply("x", author=i) for i in (0, 1, 2) for _ in range(20)]
    assert Counter(one.author for one in like(wanted, pool, 10, 0)) == {0: 5, 1: 5}
    assert len(like(wanted, pool[:3], 10, 0)) == 3
    lacks = like(wanted, [one for one in pool if one.author != 1], 10, 0)
    assert len(lacks) == 10
    assert Counter(one.author for one in lacks)[0] >= 5


def test_replies_go_on_where_they_were(tmp_path: Path) -> None:
    asked = [HeldOut(str(n), "", (), f"real {n}", 7, (n,)) for n in range(6)]
    written: list[str] = []

    def write(one: HeldOut) -> Written:
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(one.example_id)
        return Written(one.example_id, f"said {one.example_id}", 3, 9, 0.1, 0.2, "end")

    with pytest.raises(KeyboardInterrupt):
        write_all(tmp_path, asked, write, "sha", "mark")
    with (tmp_path / FILE).open("a", encoding="utf-8") as file:
        file.write('{"id": "3", "by": "ma')  # cut off within a line
    written.clear()
    written.append("not again")
    made = write_all(tmp_path, asked[:5], write, "sha", "mark")
    assert written == ["not again", "3", "4"]
    assert [one.text for one in made] == [f"said {n}" for n in range(5)]
    written.clear()
    write_all(tmp_path, asked[:2], write, "sha", "another mark")
    assert written == ["0", "1"]
    assert len((tmp_path / FILE).read_text(encoding="utf-8").splitlines()) == 2


def test_a_reply_that_was_changed_is_written_anew(tmp_path: Path) -> None:
    asked = [HeldOut(str(n), "", (), f"real {n}", 7, (n,)) for n in range(3)]
    written: list[str] = []

    def write(one: HeldOut) -> Written:
        written.append(one.example_id)
        return Written(one.example_id, f"said {one.example_id}", 3, 9, 0.1, 0.2, "end")

    write_all(tmp_path, asked, write, "sha", "mark")
    path = tmp_path / FILE
    path.write_text(path.read_text("utf-8").replace("said 1", "as a member would"), "utf-8")
    assert written_by(tmp_path, "sha") == {"0": "said 0", "2": "said 2"}
    assert written_by(tmp_path, "another") == written_by(tmp_path / "none", "sha") == {}
    written.clear()
    made = write_all(tmp_path, asked, write, "sha", "mark")
    assert (written, made[1].text) == (["1"], "said 1")
    written.clear()  # of another set, under the same number
    write_all(tmp_path, [*asked[:2], replace(asked[2], reply="another")], write, "sha", "mark")
    assert written == ["2"]


def test_every_metric_says_what_to_do() -> None:
    found = judgement(characters=(90.0, 30.0))
    said = advice(found, needed=85)
    assert said[0].title.startswith("It is not deployed")
    assert [one.title.split(":")[0] for one in said[1:4]] == [
        "Told apart by a classifier",
        "Length",
        "Not measured",
    ]
    assert "90 characters, the members' 30: too long" in said[2].text
    assert advice(judgement(), needed=1)[0].tone == "good"
    for metric in (EXPECTS, *METRICS):
        bad = Measured(metric, 0.9, 0.1, 0.01, 0.12)
        (text,) = [one.text for one in advice(judgement(bad), 85) if metric.title in one.title]
        assert len(text) > 60


def judgement(*measured: Measured, characters: tuple[float, float] = (30.0, 30.0)) -> Judgement:
    """Of a model that is far off in letters, and less in length; or in what is given."""
    by_key = {metric.key: metric for metric in METRICS}
    far = [
        Measured(by_key["length"], 0.45, 0.1, 0.02, 0.14),
        Measured(by_key["telling"], 0.9, 0.5, 0.04, 0.58),
        Measured(by_key["echo"], 0.0, 0.0, 0.01, 0.02),
    ]
    return Judgement(
        score=Score(40.0, measured or tuple(far), ("Fits its context",)),
        real_scores=(99.0, 100.0),
        replies=100,
        model_sha256="ab",
        expected=Expected(3.0, 1.6, 500, 60, 0.3, 0.05),
        letters_bits=1.6,
        base_expected=None,
        habits=(Habit("asks", 0.5, 0.1),),
        characters=characters,
        assistant={},
        unfinished=0,
        empty=0,
        tokens_per_s=100.0,
        prompt_tokens_per_s=1000.0,
        worst=(),
        seconds={},
    )
