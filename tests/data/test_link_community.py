"""A community's own replies: learned from where they teach something, left where they do not."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from data.links import community as link_community
from data.links.community import fit_community
from data.links.facts import facts_of
from data.links.graph import softmax
from data.links.lines import read_lines
from data.links.ranker import moved, prior
from data.preprocessor import CleanMessage
from storage.paths import PROGRAM_DIR
from storage.records import Origin

PEOPLE = {1: "mira", 2: "bob", 3: "kai", 4: "Dove", 5: "ash", 6: "wren", 7: "pike", 8: "fern"}
PARTNER = {1: 2, 2: 1, 3: 4, 4: 3, 5: 6, 6: 5, 7: 8, 8: 7}


def custom(count: int, seed: int = 1, replies: float = 0.7) -> list[CleanMessage]:
    """Many talk at once, nobody is addressed, and everybody answers their partner alone."""
    rng = random.Random(seed)
    messages: list[CleanMessage] = []
    at_ms = 1_700_000_000_000
    for number in range(1, count + 1):
        at_ms += rng.randint(2_000, 40_000)
        author = rng.choice(list(PEOPLE))
        before = [m for m in messages[-9:] if m.author_id == PARTNER[author]]
        reply = before[-1].message_id if before and rng.random() < replies else None
        text = f"{rng.choice('soup raid key map boat lamp'.split())} {number}"
        messages.append(
            CleanMessage(number, 9, author, PEOPLE[author], text, at_ms, Origin.EXPORT, reply)
        )
    return messages


def half_hidden(messages: list[CleanMessage]) -> tuple[list[CleanMessage], list[int]]:
    """Every second reply as a plain line, and their rows."""
    rows = [n for n, message in enumerate(messages) if message.reply_to_id][::2]
    hidden = list(messages)
    for row in rows:
        hidden[row] = replace(messages[row], reply_to_id=None)
    return hidden, rows


def test_without_enough_replies_it_is_the_prior() -> None:
    assert fit_community([]) is prior()
    assert fit_community([custom(300)]) is prior()
    assert fit_community([[], custom(2)]) is prior()


def test_scikit_learn_is_not_loaded_where_nothing_is_fitted() -> None:
    code = (
        "import sys; from data.links.community import fit_community; fit_community([]);"
        "sys.exit('sklearn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=PROGRAM_DIR).returncode == 0


def test_without_scikit_learn_it_is_the_prior(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_community, "is_installed", lambda: False)
    assert fit_community([custom(3000)]) is prior()


def test_own_replies_teach_what_no_prior_knows() -> None:
    pytest.importorskip("sklearn")
    fitted = fit_community([custom(3000)])
    assert fitted.own is not None
    told = custom(1500, seed=2)
    plain, rows = half_hidden(told)
    true = np.array([told[row].reply_to_id for row in rows]) - 1
    own = (fitted.rank(plain).parent[rows] == true).mean()
    before = (prior().rank(plain).parent[rows] == true).mean()
    assert own > before + 0.03


def at_random(count: int, seed: int) -> list[CleanMessage]:
    """Everybody replies to whatever stands in the last lines."""
    rng = random.Random(seed)
    return [
        replace(m, reply_to_id=rng.randint(max(1, n - 6), n) if n > 1 else None)
        for n, m in enumerate(custom(count, seed, replies=0))
    ]


def test_replies_at_random_do_no_harm() -> None:
    pytest.importorskip("sklearn")
    fitted = fit_community([at_random(2500, seed=5)])
    told = at_random(1500, seed=6)
    plain, rows = half_hidden(told)
    true = np.array([told[row].reply_to_id for row in rows]) - 1
    own = (fitted.rank(plain).parent[rows] == true).mean()
    assert own > (prior().rank(plain).parent[rows] == true).mean() - 0.03


def test_own_trees_leave_the_chance_of_answering_nobody() -> None:
    pytest.importorskip("sklearn")
    fitted = fit_community([custom(3000)])
    facts = facts_of(read_lines([replace(m, reply_to_id=None) for m in custom(400, seed=3)]))
    _, scores = fitted.scores(facts)
    _, before = prior().scores(facts)
    assert not np.allclose(scores, before)
    chance = [softmax(one)[:, -1] for one in (scores, before)]
    assert np.allclose(chance[0], chance[1], atol=1e-4)


def test_lines_that_are_not_free_are_moved_nowhere() -> None:
    scores = np.array([[-np.inf, -np.inf, 1.0], [0.0, 2.0, 1.0]], np.float32)
    free = np.array([[False, False, False], [True, True, False]])
    own = np.array([[1, 1, 1], [3, 1, 5]], np.float32)
    found = moved(scores, own, free)
    assert np.array_equal(found[0], scores[0])
    assert found[1, 2] == 1
    assert found[1, 0] - found[1, 1] == pytest.approx(0)
    assert np.exp(found[1, :2]).sum() == pytest.approx(np.exp(scores[1, :2]).sum())
