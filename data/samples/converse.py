"""Plays one conversation: who says what, answering which line, after how long."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random

from data.samples.cast import Community, Member
from data.samples.entities import SHARED
from data.samples.templates import Beat, Topic, expand
from data.samples.voices import DEFAULT_WORDS, say, word

SHORT = ("{laugh}", "{wow}", "{good}", "{ok}", "{thanks}", "ah {ok}", "fair", "hm {ok}", "oh")
SHORT_AFTER_TELL = ("{laugh}", "{wow}", "gg", "oof", "same", "big mood", "{good}", "rip", "no way")

YES_NO = (
    "{yes}, [more or less|sort of|I think so|as far as I know|surprisingly]",
    "{yes}, [but don't tell {who}|ask {who}|{who} says so too]",
    "{no}, [not really|not anymore|sadly|luckily|not that I know]",
    "[maybe|depends|hard to say], ask me [tomorrow|{soon}|after {drink}]",
    "[a bit|a little|only on weekends|only at night]",
)
_YES_NO = re.compile(r"(is|are|do|does|did|want|shall|can|so|and) ", re.I)
_VOICE_SLOTS = frozenset(f"{{{name}}}" for name in (*DEFAULT_WORDS, "you", "me", "who", "who2"))
_COMMON = frozenset(
    "the and you that this with for was are have has had not but from then than they them its"
    " it's i'm i'll can't don't just all one out our ours too yes two get got did does what when"
    " where who how why will would could there here his her him your you're that's let's more much"
    " very really only now on in at of to is be do so we he she as if up or my me".split()
)


@dataclass
class Line:
    """One message to be, before it has a time or an id."""

    speaker: Member
    text: str
    delay_s: float
    act: str
    asked: str = ""
    answers: int | None = None  # index of the line it answers
    mention: Member | None = None
    image: bool = False
    funny: bool = False
    kind: str = "Default"


@dataclass(frozen=True)
class Said:
    """A line as plain English and the template it came from."""

    template: str
    text: str


@dataclass
class Scene:
    """The state of a conversation: its cast, its bound entities and the lines so far."""

    community: Community
    cast: list[Member]
    rng: Random
    seen: set[str]  # what this community has already said, to the letter
    bound: dict[str, str] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    said: Said = field(default_factory=lambda: Said("", ""))  # the latest, before the voice

    def slot(self, name: str, me: Member, you: Member) -> str:
        """The value of a slot for this speaker and the one spoken to."""
        if name in ("me", "you"):
            return me.nick if name == "me" else you.nick
        if name.startswith(("me.", "you.")):
            whose, fact = name.split(".", 1)
            return (me if whose == "me" else you).facts[fact]
        own = word(me.voice, name, self.rng)
        if own is not None:
            return own
        if name.endswith("*"):
            return self.rng.choice(self._values(name[:-1]))
        if name not in self.bound:
            base = name.rstrip("0123456789")
            taken = {v for k, v in self.bound.items() if k.rstrip("0123456789") == base}
            free = [v for v in self._values(base) if v not in taken]
            self.bound[name] = self.rng.choice(free or self._values(base))
        return self.bound[name]

    def _values(self, base: str) -> tuple[str, ...]:
        if base == "who":
            absent = tuple(m.nick for m in self.community.members if m not in self.cast)
            return absent or ("nobody",)
        if base == "link":
            folder = self.rng.choice(("clips", "patch", "guide", "wiki", "shots", "post"))
            host = self.rng.choice(("example.com", "example.org", "games.example.com"))
            return (f"https://{host}/{folder}/{self.rng.randint(100, 99_999)}",)
        values = self.community.entities.get(base) or SHARED.get(base)
        if values is None:
            raise KeyError(f"no slot named {base!r}")
        return values

    def speak(
        self,
        templates: list[str],
        me: Member,
        you: Member,
        act: str,
        *,
        answers: int | None = None,
        asked: str = "",
        image: bool = False,
        verbatim: bool = False,
    ) -> int:
        """Say one of the templates; returns the index of the last line it became."""
        parts = self._fresh(templates, me, you, verbatim)
        mention = self._address(parts, you, act) if not verbatim else None
        for at, part in enumerate(parts):
            last = at == len(parts) - 1
            delay = self.rng.uniform(1.5, 6.0) if at else self._delay(part)
            link = answers if at == 0 else (answers if last else None)
            line = Line(me, part, delay, act, answers=link, funny=act in ("second", "react"))
            if at == 0:
                line.mention, line.image = mention, image
            if last:
                line.asked = asked
            self.lines.append(line)
        return len(self.lines) - 1

    def _fresh(self, templates: list[str], me: Member, you: Member, verbatim: bool) -> list[str]:
        parts: list[str] = []
        for attempt in range(6):
            unused = [t for t in templates if t not in self.used] or templates
            template = self.rng.choice(unused)
            if verbatim:
                self.used.add(template)
                return [template]
            kept = dict(self.bound)
            text = expand(template, self.rng, lambda n: self.slot(n, me, you), me.voice.fullness)
            parts = say(me.voice, text, self.rng)
            self.said = Said(template, text)
            news = [p for p in parts if p.count(" ") >= 3]
            stale = any(p.lower() in self.seen for p in news) or me.nick in text
            if not stale or attempt == 5:
                self.seen.update(p.lower() for p in news)
                self.used.add(template)
                break
            self.bound = kept
        return parts

    def _address(self, parts: list[str], you: Member, act: str) -> Member | None:
        if act not in ("answer", "second", "ask") or you.nick.lower() in " ".join(parts).lower():
            return None
        roll = self.rng.random()
        if roll < 0.045:
            parts[0] = f"@{you.nick} {parts[0]}"
            return you
        if roll < 0.085 and parts[0][-1:].isalnum():
            parts[0] = f"{parts[0]} {you.nick.lower()}"
        return None

    def _delay(self, part: str) -> float:
        seconds = math.exp(self.rng.gauss(2.9, 0.7)) + len(part) * 0.15
        if self.rng.random() < 0.04:
            seconds += self.rng.uniform(180, 1500)
        return seconds


def converse(scene: Scene, topic: Topic) -> None:
    """Fill `scene.lines` with a conversation on a topic: an opening beat, then follow-ups."""
    rng = scene.rng
    beats = [rng.choice([b for b in topic.beats if b.opens])]
    rest = [b for b in topic.beats if b not in beats and not b.solo]
    rng.shuffle(rest)
    rest.sort(key=lambda b: b.opens)  # true follow-ups first
    more = rng.choices((0, 1, 2, 3, 4), (12, 32, 32, 17, 7))[0]
    asker = scene.cast[0]
    last: int | None = None
    for beat in [*beats, *rest[:more]]:
        others = [m for m in scene.cast if m is not asker]
        to = scene.lines[last].speaker if last is not None else scene.cast[1]
        last = _play(scene, beat, asker, to if to is not asker else rng.choice(others), last)
        asker = rng.choice(scene.cast)
        if scene.lines[last].speaker is asker and rng.random() < 0.7:
            asker = rng.choice([m for m in scene.cast if m is not asker])
    if last is not None and rng.random() < 0.1:
        _saying(scene, last)


def _play(scene: Scene, beat: Beat, asker: Member, to: Member, last: int | None) -> int:
    rng = scene.rng
    question = beat.kind not in ("tell", "brag", "complain")
    ask = scene.speak(
        list(beat.asks),
        asker,
        to,
        "ask" if question else "tell",
        answers=last,
        asked=beat.kind if question else "",
        image=beat.image,
    )
    asked = scene.said
    others = [m for m in scene.cast if m is not asker]
    answerer = to if to in others else rng.choice(others)
    fitted = fitting(beat.answers, asked, beat.asks)
    group = rng.choice(sorted({g for g, _ in fitted}))
    of_group = [t for g, t in fitted if g == group]
    reply = scene.speak(of_group, answerer, asker, "answer", answers=ask)
    answered = scene.said
    third = [m for m in others if m is not answerer]
    if third and rng.random() < 0.5:
        second = rng.choice(third)
        both = Said(asked.template + " " + answered.template, asked.text + " " + answered.text)
        rivals = (*beat.asks, *(t for _, t in beat.answers))
        chimes = fitting(tuple(("S", t) for t in beat.seconds), both, rivals)
        if chimes and rng.random() < 0.6:
            scene.speak([t for _, t in chimes], second, answerer, "second", answers=reply)
        else:
            scene.speak([t for _, t in fitted], second, asker, "answer", answers=ask)
    elif third and rng.random() < 0.15:
        _saying(scene, reply)
    of_group = [t for g, t in beat.answers if g == group]
    mine = tuple((g, t) for g, t in beat.takeups if g == group)
    takeups = fitting(mine, answered, of_group, ignore=beat.asks, strict=True)
    if takeups and rng.random() < (0.97 if answered.text.endswith("?") else 0.8):
        chosen = [t for _, t in takeups]
        reply = scene.speak(chosen, asker, answerer, "react", answers=reply)
        if scene.said.text.endswith("?") and _YES_NO.match(scene.said.text) and rng.random() < 0.8:
            reply = scene.speak(list(YES_NO), answerer, asker, "answer", answers=reply)
        return reply
    if rng.random() < 0.22:
        bank = SHORT if question else SHORT_AFTER_TELL
        return scene.speak(list(bank), asker, answerer, "short", answers=reply)
    return reply


def fitting(
    candidates: Sequence[tuple[str, str]],
    said: Said,
    rivals: Sequence[str],
    *,
    ignore: Sequence[str] = (),
    strict: bool = False,
) -> list[tuple[str, str]]:
    """The (group, template) candidates that suit what was just said, the closest ones thrice.

    A candidate that shares a content word or slot with the line as it was said fits best; one
    that shares none with any rival (the lines that might have been said) fits all; one that
    takes up another rival is out. Not strict: if nothing fits, everything does.
    """
    ignored = frozenset().union(*map(_content, ignore))
    spoken = _content(said.text) | {w for w in _content(said.template) if w.startswith("{")}
    elsewhere = frozenset().union(*map(_content, rivals))
    picked: list[tuple[str, str]] = []
    for candidate in candidates:
        words = _content(candidate[1]) - ignored
        if words & spoken:
            picked += [candidate] * 3
        elif not words & elsewhere:
            picked.append(candidate)
    return picked if picked or strict else list(candidates)


@lru_cache(maxsize=8192)
def _content(template: str) -> frozenset[str]:
    """Content words (cut to a stem of five letters) and slots of a template or a sentence."""
    found = re.findall(r"\{[\w.]+\}|[a-z']+", template.lower())
    slots = {w.replace("you.", "me.") for w in found if w.startswith("{")} - _VOICE_SLOTS
    return frozenset(slots | {w.rstrip("s")[:5] for w in found if w not in _COMMON and len(w) > 2})


def _saying(scene: Scene, last: int) -> None:
    said_by = scene.lines[last].speaker
    speaker = scene.rng.choice([m for m in scene.cast if m is not said_by])
    scene.speak(list(scene.community.sayings), speaker, said_by, "second", answers=last)
