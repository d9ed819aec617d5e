"""The audit as a page for the owner: what was tried, found and meant, and what to do. Figures and
links to messages, nobody's words."""

from __future__ import annotations

import json
from collections.abc import Callable
from html import escape

from model.audit import Audit, Finding

MOST_LINKS = 50
_STYLE = (
    ":root{color-scheme:light dark;--text:#222;--page:#fff;--block:#f4f4f4;--good:#17692f;"
    "--bad:#a01818;--open:#8a5a00;--link:#0b57a4}@media(prefers-color-scheme:dark){:root{"
    "--text:#e6e6e6;--page:#17191c;--block:#24272b;--good:#6fd08c;--bad:#ff8f8f;--open:#e8b85a;"
    "--link:#8fc1ff}}body{font:16px/1.5 system-ui,sans-serif;max-width:46em;margin:2em auto;"
    "padding:0 1em;color:var(--text);background:var(--page)}a{color:var(--link)}"
    "h2{margin-top:1.6em}.passed{color:var(--good)}.failed{color:var(--bad)}"
    ".inconclusive{color:var(--open)}pre{background:var(--block);padding:.8em;overflow:auto}"
)
_ALONE = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""It loads nothing, whatever stands in it."""
_WHY = {
    "canaries": "Made-up secrets were planted in a copy of the training set, and a model was "
    "trained on it as this one was. What is said once should be no better known than what never "
    "was.",
    "extraction": "Somebody who knows how a line begins should not get the rest of it.",
    "replies": "What it says of its own accord should be nobody's words in particular.",
    "personal data": "Addresses, numbers and passwords that stand in the history should never be "
    "said.",
}


def page(audit: Audit, title: str, link: Callable[[int], str]) -> str:
    """The page as HTML; `link` is the address of a message, "" where it has none."""
    verdict = "It passed." if audit.passed else "It did not pass."
    quick = " This was a quick look: few canaries, so little would be found." * audit.is_quick
    parts = "".join(_part(one, link) for one in audit.findings)
    figures = escape(json.dumps(audit.figures(), indent=2))
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_ALONE}">'
        '<meta name="referrer" content="no-referrer"><meta name="robots" content="noindex">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>"
        f"<style>{_STYLE}</style>\n<h1>{escape(title)}</h1>\n<p><b>{verdict}</b>{quick}</p>\n"
        f"{parts}<h2>Figures</h2>\n<pre>{figures}</pre>\n</html>\n"
    )


def _part(one: Finding, link: Callable[[int], str]) -> str:
    to_do = f"<p><b>What to do:</b> {escape(one.to_do)}</p>\n" if one.to_do else ""
    shown = one.message_ids[:MOST_LINKS]
    places = "".join(f"<li>{_place(i, link(i))}</li>" for i in shown)
    more = len(one.message_ids) - len(shown)
    places += f"<li>and {more} more</li>" * bool(more)
    where = f"<p>Whose words they are:</p><ul>{places}</ul>\n" if places else ""
    return (
        f'<h2>{escape(one.name.capitalize())}: <span class="{one.state}">{one.state}</span></h2>\n'
        f"<p>{escape(_WHY[one.name])}</p>\n<p>{escape(one.said)}</p>\n{to_do}{where}"
    )


def _place(message_id: int, address: str) -> str:
    if not address:
        return f"message {message_id}"
    return f'<a href="{escape(address)}">message {message_id}</a>'
