"""Finds links, however they are spelt, and takes out those that are not allowed. Pure; any thread.

Allowed is what the setting `links_allowed` lists, and a link that stands in view just so. An
invitation is allowed only where it is listed. A bare host ("ubuntu.com") counts as a link under the
ends of names that people use on the web; "file.py", "node.js" and "3.5" are none.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache

from bot.guarding.folding import Folded, without

_ENDS = (
    "com|net|org|edu|gov|info|biz|io|gg|app|dev|xyz|site|online|club|shop|store|link|click|top"
    "|live|vip|icu|fun|ly|gl|ru|su|de|uk|fr|nl|eu|pl|se|cn|br|ws|tv"
)
_MORE_ENDS = (  # with a path behind them alone: words and kinds of files end so as well
    "name|pro|win|work|world|space|tech|website|blog|page|wiki|news|today|chat|zone|games|game|me"
    "|co|to|it|es|at|ch|be|us|ca|au|jp|no|fi|dk|cz|pt|gr|tr|ua|in|kr|tw|hk|nz|za|mx|ar|ie|sk|hu|ro"
    "|is|st|im|sh|fm|cc|la|id|ai|do|cat|xxx|bid|pm|re|gy|gd|gle|mil|int"
)
_DOT = (
    r"(?:\.|\s{1,3}\.\s{1,3}|\s{0,3}[\[({<]{1,3}\s?(?:\.|dot|punkt)\s?[\])}>]{1,3}\s{0,3}"
    r"|\s{1,3}dot\s{1,3})"
)
_SLASH = r"(?:/|\\|\bslash\b)"
_LABEL = r"[^\W_](?:[\w-]*[^\W_])?"
_SCHEME = re.compile(
    r"(?:\b(?:h[tx*]{2}ps?|ftp|discord|steam)\s?[\[(]?:[\])]?\s?(?:[/\\]\s{0,2}){2}"
    r"|\b[a-z][a-z0-9+.-]{1,15}:[/\\]{2})(?:(?!\]\()[^\s<>])*"
)
_HOST = re.compile(
    rf"(?<![\w@.\\~-])(?<![\w.~]/)(?<!:/[/\\])(?P<user>[\w.+:-]*@)?(?:(?P<www>www{_DOT}(?:{_LABEL}{_DOT}){{1,4}}[^\W\d_]{{2,12}})"
    rf"|(?:{_LABEL}{_DOT}){{1,5}}(?P<end>(?:{_ENDS}|{_MORE_ENDS})))(?![\w-]|\.\w)"
    rf"(?::\d{{2,5}})?(?P<path>\s?/\s?[^\s<>]*|[?#][^\s<>]+)?"
)
_MAILBOX = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_HIDDEN_AT = re.compile(r"[\[({<-]\s?at\s?[\])}>-]\s?$")
_IS_END = re.compile(rf"(?:{_ENDS})$")
_LOOKS_LIKE_CODE = re.compile(r"^(?:asp|vb|ado|mono|dot)\.net$|^socket\.io$")

_S = r"[\W_]{0,2}"
_DISCORD = _S.join((r"\bd", "[i1l!|]", "[s5$]", "c", "[o0]", "r", "d")) + rf"(?:{_S}app)?"
_AFTER = rf"(?:\s{{0,2}}{_SLASH}+\s{{0,2}}[\w-]*){{0,4}}"
_INVITES = (
    re.compile(rf"{_DISCORD}[\W_]{{0,5}}(?:d[o0]t|punkt)?[\W_]{{0,5}}g[\W_]{{0,2}}g\b{_AFTER}"),
    re.compile(
        rf"{_DISCORD}[\W_]{{0,3}}(?:dot)?[\W_]{{0,3}}(?:c[\W_]?[o0][\W_]?m)?[\W_]{{0,4}}"
        rf"{_SLASH}[\W_]{{0,3}}(?:invite|template|gift|servers?)s?\b{_AFTER}"
    ),
    re.compile(
        rf"{_DISCORD}\s?(?:\.|{_DOT})\s?(?:me|io|li|plus|link|gifts?|new|st|com\s?/\s?invite)\b"
        rf"{_AFTER}"
    ),
    re.compile(rf"(?:\.|\bdot\s)\s?gg\s?{_SLASH}\s?[\w-]{{2,}}"),
    re.compile(rf"(?<!\w)/\s?invite\s?{_SLASH}\s?[\w-]{{2,32}}"),
    re.compile(
        r"\b(?:dsc|invite|disboard|discords|discadia|discordservers|disurl|dis|top)"
        rf"\s?{_DOT}\s?(?:gg|me|org|com|io|gd)\b{_AFTER}"
    ),
)
_CODE_SAID = re.compile(r"\b(?:invite|join)\s+(?:code|link|key)\s*(?:is|:|=)?\s*([\w-]{5,32})")
_HAS_HINT = re.compile(r"[.:/\\]|g\W?g|d[o0]t|disc|invite|join|punkt|slash")
_TRAILING = ".,!?;:'\"*_~`|>)]}"
_PLAIN_LINK = re.compile(
    r"(?:https?://)?([a-z0-9-]+(?:\.[a-z0-9-]+)+)(?::\d+)?((?:[/?#]\S*)?)", re.I
)


@dataclass(frozen=True)
class Link:
    """Where it stands in the text, and how."""

    start: int
    end: int
    text: str
    is_invite: bool = False


def links_in(text: str) -> list[Link]:
    """All that leads, or is meant to lead, to a place on the web; they may overlap."""
    folded = Folded(text)
    if not _HAS_HINT.search(folded.folded):
        return []
    return list(_found(folded))


def without_links(text: str, allowed: Collection[str], in_view: Collection[str]) -> str:
    """Without the links that are not allowed; `in_view` are texts whose links are.

    What a markdown link shows stays, if that is none.
    """
    found = links_in(text)
    if not found:
        return text
    shown = frozenset[str]().union(*(_shown_by(one) for one in in_view))
    listed = [x for x in found if x.is_invite and _is_allowed(x, allowed, ())]
    gone = [
        link
        for link in found
        if not _is_allowed(link, allowed, shown)
        and not any(one.start <= link.start and link.end <= one.end for one in listed)
    ]
    return without(text, (part for link in gone for part in _with_markdown(text, link)))


def _found(folded: Folded) -> Iterator[Link]:
    for match in _SCHEME.finditer(folded.folded):
        yield _link(folded, match.start(), match.end())
    for match in _HOST.finditer(folded.folded):
        if _is_host(match):
            yield _link(folded, match.start(), match.end())
    for pattern in _INVITES:
        for match in pattern.finditer(folded.folded):
            yield _link(folded, match.start(), match.end(), is_invite=True)
    for match in _CODE_SAID.finditer(folded.folded):
        start, end = folded.places(*match.span(1))
        if _is_code(folded.text[start:end]):
            yield Link(start, end, folded.text[start:end], is_invite=True)


def _is_host(match: re.Match[str]) -> bool:
    before = match.string[max(0, match.start() - 6) : match.start()]
    if (match["user"] and _MAILBOX.fullmatch(match[0])) or _HIDDEN_AT.search(before):
        return False  # personal data, then
    if match["www"] or match["path"] or match["user"]:
        return True
    return bool(_IS_END.match(match["end"])) and not _LOOKS_LIKE_CODE.match(match[0])


def _is_code(word: str) -> bool:
    """Letters of both sizes, or figures among them."""
    return (any(c.isdigit() for c in word) and any(c.isalpha() for c in word)) or (
        word[1:] != word[1:].lower() and word != word.upper()
    )


def _link(folded: Folded, start: int, end: int, *, is_invite: bool = False) -> Link:
    """Without the signs of the sentence that stand behind it."""
    while end > start + 1 and folded.folded[end - 1] in _TRAILING:
        if folded.folded[end - 1] == ")" and "(" in folded.folded[start : end - 1]:
            break
        end -= 1
    start, end = folded.places(start, end)
    return Link(start, end, folded.text[start:end], is_invite)


@lru_cache(2_048)
def _shown_by(text: str) -> frozenset[str]:
    """The links of a text in view, and their hosts."""
    found = {_bare(link.text) for link in links_in(text)}
    return frozenset(found | {one.split("/", 1)[0].lower() for one in found})


def _bare(link: str) -> str:
    return re.sub(r"^https?://", "", link, flags=re.IGNORECASE).rstrip("/")


def _is_allowed(link: Link, allowed: Collection[str], shown: Collection[str]) -> bool:
    if not link.is_invite and _bare(link.text) in shown:
        return True
    plain = _PLAIN_LINK.fullmatch(link.text)
    if plain is None:  # another scheme, or a host that is not what it looks like
        return False
    host, whole = plain[1].lower(), plain[1].lower() + plain[2]
    return any(
        _begins(whole, one) if "/" in one else host == one or host.endswith("." + one)
        for one in allowed
    )


def _begins(link: str, listed: str) -> bool:
    rest = link[len(listed) :]
    return link.lower().startswith(listed) and (not rest or rest[0] in "/?#")


def _with_markdown(text: str, link: Link) -> Iterator[tuple[int, int]]:
    """The link, with the rest of `[shown](link)` but for what it shows."""
    start, end = link.start, link.end
    yield start, end
    opened = text[:start].rstrip("<").rfind("](")
    if opened >= 0 and opened + 2 >= start - 2:
        closed = text.find(")", end)
        yield opened, closed + 1 if 0 <= closed <= end + 64 else end
        label = text.rfind("[", 0, opened)
        if label >= 0:
            yield label, label + 1
