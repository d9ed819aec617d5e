"""The words of a line that are worth searching for. Pure; any thread."""

from __future__ import annotations

import re

WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")

EVERYDAY = frozenset(
    """a about after again all also always am an and any anyone are around as at away back be
    because been before being best better between big bit both but by call came can can't cannot
    come could couldn't day did didn't do does doesn't doing done don't dont down during each else
    even ever every everybody everyone everything few first for from get gets getting give go goes
    going gone gonna good got great guess guys had hadn't has hasn't have haven't having he he'd
    he'll he's hello hence her here hers herself hey hi him himself his how how's however i i'd
    i'll i'm i've if im in into is isn't it it'd it'll it's its itself just keep kind knew know
    known like liked likes lol long look looks lot made make makes many maybe me mean might mine
    more most much must my myself need never new next nice no nobody none nope nor not nothing now
    of off oh ok okay on once one ones only or other others our ours ourselves out over own people
    please pretty put quite rather really right said same saw say says see seem seems seen shall
    she she'd she'll she's should shouldn't since so some somebody someone something sometimes
    soon still stuff such sure take tell than thank thanks that that's the their theirs them
    themselves then there there's these they they'd they'll they're they've thing things think
    this those though through time to today too under until up upon us use used very wanna want
    wanted wants was wasn't way we we'd we'll we're we've well were weren't what what's whatever
    when when's where where's whether which while who who's whoever whole whom whose why will with
    within without won't would wouldn't yeah year yep yes yet you you'd you'll you're you've your
    yours yourself""".split()
)
"""Words that any line may hold, whatever it is about."""


def content_words(text: str) -> list[str]:
    """The words worth searching for, none twice, in their order, case-folded."""
    words = (word.casefold() for word in WORD.findall(text.replace("’", "'")))
    bare = (word.removesuffix("'s") for word in words if word not in EVERYDAY)
    return list(dict.fromkeys(w for w in bare if len(w) > 1 and w not in EVERYDAY))
