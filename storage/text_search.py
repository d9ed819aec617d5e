"""Searches the full text by BM25, with work that is bounded however common the words are.

FTS5's own `rank` costs 2 us for each message that holds any of the words: half a second at a
million messages. It ranks where the words are rare, which is every search in a small home. Else the
rarest words come first, as far as `MOST_POSTINGS` go, and BM25 is computed here: the same formula
and figures, but a word that a message repeats counts once, and only the messages whose words weigh
most are told apart by length.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from storage.records import MessageKind, Origin

RANKED_BY_FTS5 = 2_000
"""Postings (a word in a message) that FTS5 may rank: 4 ms."""
MOST_POSTINGS = 50_000
"""Postings that are read: 10 ms. The commonest words, which weigh least, are left out beyond."""
COMPARED = 1_000
"""Messages that are told apart by length at a time: 2 ms."""

_K1, _B = 1.2, 0.75
"""FTS5's (sqlite.org/fts5.html, "The bm25() function")."""
_LEAST_WEIGHT = 1e-6
"""FTS5's, for a word that more than half of all messages hold."""

_RECALLABLE = f"""
    CROSS JOIN messages ON message_id = {{id}} AND deleted_at_ms IS NULL
        AND kind <> '{MessageKind.SYSTEM.value}' AND origin <> '{Origin.PLAYGROUND.value}'
    CROSS JOIN members ON member_id = author_id
        AND NOT is_bot AND NOT is_excluded AND consent <> 'opted_out'
    CROSS JOIN channels ON channels.channel_id = messages.channel_id AND is_allowed
"""
_HOLDING = "FROM messages_fts WHERE messages_fts MATCH ?"
# FTS5 itself sorts by rank, so rows are looked up only until enough of them have passed.
_RANKED = """
    SELECT messages_fts.rowid, rank FROM messages_fts {recallable}
    WHERE messages_fts MATCH ? ORDER BY rank LIMIT ?
"""
# Rows come as one text: one by one each costs the driver more than the look-up.
_LENGTHS = """
    SELECT group_concat(hex(sz), '') FROM (
        SELECT sz FROM json_each(?) AS one
        CROSS JOIN messages_fts_docsize AS kept ON kept.id = one.value ORDER BY one.key
    )
"""
_PASSING = f"""
    SELECT json_group_array(value) FROM json_each(?) {_RECALLABLE.format(id="value")}
"""
# The record in which FTS5 keeps how many rows and words there are, for its own bm25.
_TOTALS = "SELECT block FROM messages_fts_data WHERE id = 1"

Found = list[tuple[int, float]]
Ids = NDArray[np.int64]
Weights = NDArray[np.float64]


def search(
    connection: Connection, words: Sequence[str], limit: int, *, recallable_only: bool
) -> Found:
    """(message id, BM25 score) of the messages that hold any of `words`, best first."""
    counted = sorted((_count(connection, word), word) for word in words)
    held = [(count, word) for count, word in counted if count]
    if sum(count for count, _ in held) <= RANKED_BY_FTS5:
        return _ranked_by_fts5(connection, [word for _, word in held], limit, recallable_only)
    rows, tokens = _numbers(connection.exec_driver_sql(_TOTALS).scalar_one())[:2]
    ids, weights = _weighed(connection, held, rows)
    found: Found = []
    for block in _heaviest_first(ids, weights):
        scores = weights[block] * _by_length(connection, ids[block], tokens / rows)
        order = np.argsort(-scores, kind="stable")
        ranked = list(zip(ids[block][order].tolist(), scores[order].tolist(), strict=True))
        found += _passing(connection, ranked, limit - len(found)) if recallable_only else ranked
        if len(found) >= limit:
            break
    return found[:limit]


def _ranked_by_fts5(
    connection: Connection, words: Sequence[str], limit: int, recallable_only: bool
) -> Found:
    if not words:
        return []
    joined = _RECALLABLE.format(id="messages_fts.rowid") if recallable_only else ""
    any_word = " OR ".join(map(_quoted, words))
    rows = connection.exec_driver_sql(_RANKED.format(recallable=joined), (any_word, limit))
    return [(row[0], -row[1]) for row in rows]


def _count(connection: Connection, word: str) -> int:
    """How many messages hold the word: 0.04 us each."""
    counted = connection.exec_driver_sql(f"SELECT count(*) {_HOLDING}", (_quoted(word),))
    return int(counted.scalar_one())


def _weighed(
    connection: Connection, held: Sequence[tuple[int, str]], rows: int
) -> tuple[Ids, Weights]:
    """The ids of messages that hold the rarest words, ascending, and the sum of those words'
    weights."""
    lists: list[Ids] = []
    weights: list[Weights] = []
    left = MOST_POSTINGS
    for count, word in held:
        if lists and count > left:
            break
        lists.append(_holding(connection, word))
        left -= len(lists[-1])
        weight = math.log((rows - count + 0.5) / (count + 0.5))
        weights.append(np.full(len(lists[-1]), max(weight, _LEAST_WEIGHT)))
    ids = np.concatenate(lists)
    order = np.argsort(ids, kind="stable")
    ids, each = ids[order], np.concatenate(weights)[order]
    firsts = np.flatnonzero(np.diff(ids, prepend=ids[0] - 1))
    return ids[firsts], np.add.reduceat(each, firsts)


def _holding(connection: Connection, word: str) -> Ids:
    """The messages that hold a word, the newest `MOST_POSTINGS` of them. As one text: fetched one
    by one they take three times as long, and the interpreter's lock each time."""
    newest = f"SELECT rowid {_HOLDING} ORDER BY rowid DESC LIMIT ?"
    joined = f"SELECT group_concat(rowid) FROM ({newest})"
    listed = connection.exec_driver_sql(joined, (_quoted(word), MOST_POSTINGS)).scalar_one()
    return np.fromstring(listed, np.int64, sep=",")


def _heaviest_first(ids: Ids, weights: Weights) -> Iterator[Ids]:
    """Positions in `ids` and `weights`, `COMPARED` at a time; of equal weight the newest first."""
    left = np.arange(len(ids))[::-1]
    while len(left) > COMPARED:
        least = np.partition(weights[left], -COMPARED)[-COMPARED]
        heavier, equal = left[weights[left] > least], left[weights[left] == least]
        room = COMPARED - len(heavier)
        yield np.concatenate((heavier, equal[:room]))
        left = np.concatenate((equal[room:], left[weights[left] < least]))
    yield left


def _by_length(connection: Connection, ids: Ids, average: float) -> Weights:
    """What BM25 multiplies each message's weight with: 1 for one of average length."""
    listed = json.dumps(ids.tolist())
    lengths = connection.exec_driver_sql(_LENGTHS, (listed,)).scalar_one()
    words = np.array(_numbers(bytes.fromhex(lengths)))
    return np.asarray((_K1 + 1) / (1 + _K1 * (1 - _B + _B * words / average)))


def _passing(connection: Connection, ranked: Found, limit: int) -> Found:
    """The first `limit` that may be recalled."""
    found: Found = []
    for start in range(0, len(ranked), 2 * limit):
        some = ranked[start : start + 2 * limit]
        listed = json.dumps([message_id for message_id, _ in some])
        passing = set(json.loads(connection.exec_driver_sql(_PASSING, (listed,)).scalar_one()))
        found += [one for one in some if one[0] in passing]
        if len(found) >= limit:
            break
    return found


def _numbers(block: bytes) -> list[int]:
    """SQLite's varints: seven bits a byte, the highest first; the ninth byte has eight."""
    numbers, value, length = [], 0, 0
    for byte in block:
        length += 1
        if length == 9:
            value = value << 8 | byte
        else:
            value = value << 7 | byte & 0x7F
        if length == 9 or byte < 0x80:
            numbers.append(value)
            value = length = 0
    return numbers


def _quoted(word: str) -> str:
    return f'"{word}"'
