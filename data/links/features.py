"""What is known of a line and a line that it may answer, as small whole numbers (uint8).

Pairs are two arrays of rows, `i` the line and `j` the candidate before it; j == i stands for "it
answers nobody". What comes after `i` is looked at too: conversations are told apart afterwards.
Times and distances are logarithmic codes. No feature is of one platform: a reply, a mention and a
nick at a line's head are all addressing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.links.facts import Facts, pair_key
from data.links.lines import KEPT_WORDS, NOBODY

Column = NDArray[np.uint8]
Columns = dict[str, Column]
TOP = 95
"""Codes go from 0 to this."""
LONG_AGO = 100
AHEAD = 40


def capped(values: NDArray[np.generic], most: int = TOP) -> Column:
    """Numbers cut to 0..most."""
    return np.clip(values, 0, most).astype(np.uint8)


def time_code(ms: NDArray[np.generic]) -> Column:
    """4 log2(1 + seconds); 24 is a minute, 47 an hour, 66 a day."""
    return capped(np.rint(4 * np.log2(1 + np.maximum(ms, 0).astype(np.float32) / 1000)))


_ROW_CODES = capped(
    np.concatenate([np.arange(33), np.rint(32 + 6 * np.log2(np.arange(33, 4096) / 32))])
)


def row_code(rows: NDArray[np.integer]) -> Column:
    """A distance in lines: itself up to 32, logarithmic beyond."""
    return _ROW_CODES[np.clip(rows, 0, len(_ROW_CODES) - 1)]


def gap_code(late: NDArray[np.integer], early: NDArray[np.integer], lines: int) -> Column:
    """The distance of two rows; TOP where one of them does not exist."""
    there = (early >= 0) & (late < lines)
    return np.where(there, row_code(late - early), TOP).astype(np.uint8)


def quick_columns(facts: Facts, i: NDArray[np.int64], j: NDArray[np.int64]) -> Columns:
    """What the first, cheap choice of candidates goes by. i, j: (pairs,)."""
    return {**_nearness(facts, i, j), **_speakers(facts, i, j), **_addressing(facts, i, j)}


def pair_columns(facts: Facts, i: NDArray[np.int64], j: NDArray[np.int64]) -> Columns:
    """Everything about the pairs that needs no idea yet of who answers whom."""
    return {
        **quick_columns(facts, i, j),
        **_situation(facts, i, j),
        **_addressed_since(facts, i, j),
        **_turns(facts, i, j),
        **_looks(facts, i, j),
        **_shared_words(facts, i, j),
        **_which_of_theirs(facts, i, j),
    }


def matrix(columns: Columns) -> Column:
    """features x pairs."""
    return np.stack(list(columns.values()))


def _nearness(facts: Facts, i: NDArray[np.int64], j: NDArray[np.int64]) -> Columns:
    at = facts.lines.at_ms
    gap_ms = (at[i] - at[j]).astype(np.float32)
    against_pace = 40 + 4 * np.log2((gap_ms + 500) / facts.pace_ms[i])
    return {
        "rows": row_code(i - j),
        "time": time_code(gap_ms),
        "against_pace": capped(np.rint(against_pace)),
    }


def _speakers(facts: Facts, i: NDArray[np.int64], j: NDArray[np.int64]) -> Columns:
    before, after = facts.own_before, facts.own_after
    own_since = sum((before[k][i] > j).astype(np.uint8) for k in range(3))
    theirs_since = sum((after[k][j] < i).astype(np.uint8) for k in range(3))
    author = facts.lines.author
    return {
        "same_author": (author[i] == author[j]).astype(np.uint8),
        "own_since": np.asarray(own_since, np.uint8),
        "theirs_since": np.asarray(theirs_since, np.uint8),
        "present": np.broadcast_to(facts.present[i], i.shape),
        "own_row_gap": gap_code(i, before[0][i], len(facts.lines)),
    }


def _relation(facts: Facts, i: NDArray[np.int64], j: NDArray[np.int64]) -> Column:
    """How line i speaks to the author of line j: 0 to nobody, 1 to others, 2 names them, 3 up."""
    lines = facts.lines
    other = lines.author[j]
    named = (lines.also[i] == other[:, None]).any(axis=1)
    somebody = np.where(lines.to[i] != NOBODY, 1, 0)
    found = np.where(named, 2, somebody)
    return np.where(lines.to[i] == other, 2 + lines.to_kind[i], found).astype(np.uint8)


def _against(known: NDArray[np.int64], j: NDArray[np.int64]) -> Column:
    """A known row against the candidate: 0 there is none, 1 the candidate is later, 2 equal, 3."""
    return np.where(known < 0, 0, 2 + np.sign(known - j)).astype(np.uint8)


def _addressing(facts: Facts, i: NDArray[np.int64], j: NDArray[np.int64]) -> Columns:
    lines = facts.lines
    author_i, author_j = lines.author[i], lines.author[j]
    partners = (facts.partner[i] == author_j) + 2 * (facts.partner_now[j] == author_i)
    return {
        "to_them": _relation(facts, i, j),
        "to_me": _relation(facts, j, i),
        "same_to": ((lines.to[i] == lines.to[j]) & (lines.to[i] >= 0)).astype(np.uint8),
        "partners": partners.astype(np.uint8),
        "last_to_me": _against(facts.to_me[i], j),
        "addressees_last": _against(facts.to_last[i], j),
        "they_addressed": (facts.to_me_next[j] < i).astype(np.uint8),
        "asks": lines.asks[i],
        "they_ask": lines.asks[j],
        "opens": lines.opens[i],
    }


def _situation(facts: Facts, i: NDArray[np.int64], j: NDArray[np.int64]) -> Columns:
    """Where line i and line j stand in their authors' talk, and how the channel is."""
    n, at = len(facts.lines), facts.lines.at_ms
    before, after = facts.own_before, facts.own_after
    own = before[0][i]
    their_last, their_next = before[0][j], after[0][j]
    shape = i.shape
    return {
        "itself": (i == j).astype(np.uint8),
        "own_time_gap": np.where(own < 0, TOP, time_code(at[i] - at[own])).astype(np.uint8),
        "own_next_gap": gap_code(after[0][i], i, n),
        "their_gap": gap_code(j, their_last, n),
        "their_next_gap": gap_code(their_next, j, n),
        "their_next_before": (their_next < i).astype(np.uint8),
        "their_next_is_next": (their_next == j + 1).astype(np.uint8),
        "their_lines_since": row_code(facts.by_author.between(facts.lines.author[j], j, i)),
        "their_next_after": gap_code(facts.by_author.after(facts.lines.author[j], i), i, n),
        "own_count": row_code(facts.own_count[i]),
        "their_count": row_code(facts.own_count[j]),
        "pace": time_code(8 * facts.pace_ms[i]),
        "silence": time_code(at[i] - at[np.maximum(i - 1, 0)]),
        "silence_before": time_code(at[j] - at[np.maximum(j - 1, 0)]),
        "addressed_share": np.full(shape, int(10 * facts.addressed_share), np.uint8),
        "reply_share": np.full(shape, int(10 * facts.reply_share), np.uint8),
        "authors": np.full(shape, int(2 * np.log2(facts.authors)), np.uint8),
    }


def _addressed_since(facts: Facts, i: NDArray[np.int64], j: NDArray[np.int64]) -> Columns:
    lines, n = facts.lines, len(facts.lines)
    author_i, author_j = lines.author[i], lines.author[j]
    own = facts.own_before[0][i]
    to_me, to_me_next = facts.to_me[i], facts.to_me_next[i]
    asker = np.where(to_me >= 0, lines.author[to_me], -1)
    next_asker = np.where(to_me_next < n, lines.author[np.minimum(to_me_next, n - 1)], -1)
    own_to = np.where(own >= 0, lines.to[own], -1)
    them_to = np.where(facts.own_before[0][j] >= 0, lines.to[facts.own_before[0][j]], -1)
    return {
        "to_me_gap": gap_code(i, to_me, n),
        "to_me_next_gap": gap_code(to_me_next, i, n),
        "addressee_gap": gap_code(i, facts.to_last[i], n),
        "also_last": _against(facts.also_last[i], j),
        "to_me_since_own": row_code(facts.by_addressee.between(author_i, own, i)),
        "to_them_since": row_code(facts.by_addressee.between(author_j, j, i)),
        "i_to_them_since": row_code(
            facts.by_pair.between(pair_key(facts, author_i, author_j), j, i)
        ),
        "they_asked_me": (asker == author_j).astype(np.uint8),
        "they_ask_me_next": (next_asker == author_j).astype(np.uint8),
        "next_to_them": (facts.next_to[i] == author_j).astype(np.uint8)
        + 2 * ((facts.next_to[i] >= 0) & (facts.next_to[i] != author_j)).astype(np.uint8),
        "their_next_to_me": (facts.next_to[j] == author_i).astype(np.uint8),
        "own_to_them": np.where(own_to < 0, 0, 1 + (own_to == author_j)).astype(np.uint8),
        "them_to_me": np.where(them_to < 0, 0, 1 + (them_to == author_i)).astype(np.uint8),
        "to_outsider": (lines.to[i] < NOBODY).astype(np.uint8),
        "they_to_outsider": (lines.to[j] < NOBODY).astype(np.uint8),
    }


def _turns(facts: Facts, i: NDArray[np.int64], j: NDArray[np.int64]) -> Columns:
    """How often the two authors addressed each other lately, and will soon."""
    author = facts.lines.author
    to_them = pair_key(facts, author[i], author[j])
    to_me = pair_key(facts, author[j], author[i])
    pair, n = facts.by_pair, len(facts.lines)
    return {
        "turns_to_them": row_code(pair.between(to_them, i - LONG_AGO, i)),
        "turns_to_me": row_code(pair.between(to_me, i - LONG_AGO, i)),
        "soon_to_them": row_code(pair.between(to_them, i, i + AHEAD)),
        "soon_to_me": row_code(pair.between(to_me, i, i + AHEAD)),
        "last_turn_to_them": gap_code(i, pair.before(to_them, i), n),
        "last_turn_to_me": gap_code(i, pair.before(to_me, i), n),
    }


def _which_of_theirs(facts: Facts, i: NDArray[np.int64], j: NDArray[np.int64]) -> Columns:
    """Which of the candidate's author's lines it is, for i's author."""
    author = facts.lines.author
    author_i, author_j = author[i], author[j]
    to_me = facts.by_pair.before(pair_key(facts, author_j, author_i), i)
    to_them = facts.by_pair.before(pair_key(facts, author_i, author_j), i)
    own = facts.own_before[0][i]
    since, n = np.maximum(own, i - LONG_AGO), len(facts.lines)
    next_to_them = facts.by_addressee.after(author_j, i - 1)
    run_ends = facts.own_after[0][j] > j + 2
    run_begins = facts.own_before[0][j] < j - 2
    return {
        "their_last_to_me": _against(to_me, j),
        "my_last_to_them": _against(to_them, j),
        "their_last_asking": _against(facts.by_asker.before(author_j, i), j),
        "theirs_before_since_own": row_code(facts.by_author.between(author_j, since, j)),
        "own_since_rows": row_code(facts.by_author.between(author_i, j, i)),
        "run": run_ends.astype(np.uint8) + 2 * run_begins.astype(np.uint8),
        "next_to_them_gap": gap_code(next_to_them, i - 1, n),
        "to_them_before": row_code(facts.by_addressee.between(author_j, j - LONG_AGO, j)),
        "addressee_silent": gap_code(facts.by_author.after(facts.lines.to[i], i), i, n),
    }


def _looks(facts: Facts, i: NDArray[np.int64], j: NDArray[np.int64]) -> Columns:
    lines = facts.lines
    return {
        "they_open": lines.opens[j],
        "words": lines.words[i],
        "their_words": lines.words[j],
        "marks": lines.marks[i],
        "their_marks": lines.marks[j],
    }


def _shared_words(facts: Facts, i: NDArray[np.int64], j: NDArray[np.int64]) -> Columns:
    total, most, count = overlap(facts, i, j)
    their_last, own = facts.own_before[0][j], facts.own_before[0][i]
    with_last = np.where(their_last >= 0, overlap(facts, i, their_last)[0], 0)
    own_with = np.where((own >= 0) & (own != j), overlap(facts, own, j)[0], 0)
    return {
        "shared": total,
        "shared_most": most,
        "shared_count": count,
        "shared_with_last": with_last.astype(np.uint8),
        "own_shared": own_with.astype(np.uint8),
    }


def overlap(
    facts: Facts, i: NDArray[np.int64], j: NDArray[np.int64]
) -> tuple[Column, Column, Column]:
    """Words in both lines: the sum of their rarities, the rarest, how many."""
    mine, theirs = facts.lines.tokens[i], facts.lines.tokens[j]
    hit = np.zeros(mine.shape, np.bool_)
    for word in range(KEPT_WORDS):
        hit |= mine == theirs[:, word : word + 1]
    hit &= mine >= 0
    weight = facts.lines.rarity[np.maximum(mine, 0)] * hit if len(facts.lines.rarity) else hit
    return (
        capped(np.rint(3 * weight.sum(axis=1))),
        capped(np.rint(8 * weight.max(axis=1))),
        hit.sum(axis=1).astype(np.uint8),
    )
