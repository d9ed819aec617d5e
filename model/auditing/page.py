"""The audit as a page for the owner: what was tried, found and meant, and what to do. Figures and
links to messages, nobody's words."""

from __future__ import annotations

import json
from collections.abc import Callable
from html import escape

from model.audit import Audit, Finding

MOST_LINKS = 50
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46em;margin:2em auto;padding:0 1em;"
    "color:#222;background:#fff}h2{margin-top:1.6em}.passed{color:#17692f}.failed{color:#a01818}"
    ".inconclusive{color:#8a5a00}pre{background:#f4f4f4;padding:.8em;overflow:auto}"
)
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
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
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
