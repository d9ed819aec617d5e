"""Speech banks of the other communities: tones, slang, phrases and joke topics to fill in."""

from __future__ import annotations

TONES: tuple[dict[str, tuple[str, ...]], ...] = (
    {
        "yes": ("yeah", "yea", "yep"),
        "no": ("nah", "nope", "no"),
        "laugh": ("lol", "lmao", "haha"),
        "wow": ("damn", "wow", "whoa"),
        "thanks": ("ty", "thx", "thanks"),
        "friend": ("man", "dude", "bud"),
        "good": ("nice", "cool", "great"),
        "bad": ("rip", "rough", "oof"),
        "hi": ("hey", "yo", "sup"),
        "bye": ("later", "cya", "gn"),
        "ok": ("ok", "k", "alright"),
        "very": ("pretty", "super", "really"),
    },
    {
        "yes": ("yes", "sure thing", "absolutely"),
        "no": ("no", "not really", "nope"),
        "laugh": ("haha", "hahaha", "that's funny"),
        "wow": ("wow", "oh wow", "amazing"),
        "thanks": ("thanks", "thank you"),
        "friend": ("friend", "my friend"),
        "good": ("great", "good", "wonderful"),
        "bad": ("sad", "not great", "terrible"),
        "hi": ("hello", "hi", "good evening"),
        "bye": ("bye", "good night", "see you"),
        "ok": ("okay", "sounds fine"),
        "very": ("very", "really"),
    },
    {
        "yes": ("ya", "yess", "ofc"),
        "no": ("nooo", "naur", "nvm no"),
        "laugh": ("xD", "loool", "rofl"),
        "wow": ("omgg", "wtf", "bruh"),
        "thanks": ("tyty", "thxx"),
        "friend": ("fam", "homie"),
        "good": ("pog", "epic", "based"),
        "bad": ("cringe", "pain", "sadge"),
        "hi": ("heyo", "ayy", "heya"),
        "bye": ("bb", "cyaa", "gnight"),
        "ok": ("oki", "kk", "aight"),
        "very": ("hella", "super", "so"),
    },
    {
        "yes": ("yup", "indeed so", "right"),
        "no": ("nope", "never", "doubt it"),
        "laugh": ("heh", "ha", "snort"),
        "wow": ("huh", "well well", "blimey"),
        "thanks": ("cheers", "much appreciated"),
        "friend": ("mate", "chief", "boss"),
        "good": ("solid", "decent", "neat"),
        "bad": ("grim", "ugly", "bleak"),
        "hi": ("evening", "hey there", "morning"),
        "bye": ("I'm off", "take care"),
        "ok": ("fine", "fair enough"),
        "very": ("quite", "fairly", "properly"),
    },
    {
        "yes": ("si", "yesss", "for sure"),
        "no": ("no no", "no way", "negative"),
        "laugh": ("jaja", "ahaha", "hihi"),
        "wow": ("wooow", "madre mia", "ooh"),
        "thanks": ("gracias", "thank you!!"),
        "friend": ("amigo", "team"),
        "good": ("super", "top", "fantastic"),
        "bad": ("a pity", "ay ay ay"),
        "hi": ("hola", "hellooo"),
        "bye": ("ciao", "adios"),
        "ok": ("vale", "okay"),
        "very": ("super", "so"),
    },
)
SLANG = (
    ("you", "u"),
    ("your", "ur"),
    ("are", "r"),
    ("because", "bc"),
    ("please", "plz"),
    ("people", "ppl"),
    ("tonight", "2nite"),
    ("going to", "gonna"),
    ("want to", "wanna"),
    ("have to", "gotta"),
    ("though", "tho"),
    ("minutes", "min"),
    ("tomorrow", "tmr"),
    ("about", "abt"),
    ("something", "smth"),
    ("right now", "rn"),
    ("them", "em"),
    ("and", "n"),
    ("thanks", "thx"),
    ("see you", "cya"),
    ("probably", "prolly"),
    ("with", "w/"),
    ("before", "b4"),
    ("really", "rlly"),
    ("what", "wat"),
    ("nothing", "nothin"),
    ("trying", "tryna"),
)
OPENERS = (
    "well,",
    "so",
    "honestly",
    "I mean",
    "look,",
    "okay so",
    "man,",
    "hmm,",
    "to be fair",
    "actually",
    "uh",
    "just saying,",
    "not gonna lie,",
    "listen,",
    "anyway,",
    "god,",
    "hey,",
    "oof,",
)
CLOSERS = (
    " haha",
    " though",
    " I guess",
    " for real",
    " again",
    " xd",
    ", you know",
    " imo",
    " :)",
    " :D",
    ", right",
    " lol",
    " btw",
    " honestly",
    " somehow",
    " :/",
)
EMOJI = (
    "😂",
    "🤣",
    "😅",
    "🙃",
    "😎",
    "🎮",
    "👍",
    "🥲",
    "😴",
    "🙏",
    "🤔",
    "👀",
    "🍕",
    "💪",
    "🤡",
    "🫠",
    "😤",
    "🎲",
    "❤️",
    "💯",
    "🍻",
    "😬",
    "🐢",
    "🌈",
)
PHRASES = (
    "classic me",
    "that's just physics",
    "story of my life",
    "trust the process",
    "I said what I said",
    "blame the %thing%",
    "bring back the %thing%",
    "as my grandma says",
    "science",
    "to the moon",
    "easy clap",
    "nothing personal",
    "we move",
    "send pizza",
    "the %thing% knows",
    "never again",
    "allegedly",
    "money well spent",
    "on a school night",
    "no regrets",
    "big brain time",
    "huge if true",
)
SAYINGS = (
    "[remember|never forget] the %thing%<, we lost good people>",
    "%mascot% the %animal% would be [proud|ashamed]",
    "[two|three|seven] %thing2%s out of ten",
    "[classic|peak] %goat% behavior",
    "put it on the %thing2% list",
    "this is how the %thing% thing started",
    "%hero% has [never|once] done that and [cried|lived]",
    "ask %mascot%<, %animal%s know>",
    "and people wonder why we banned the %thing3%",
    "that's a paddling, or a %thing3%",
)
JOKE_BANKS = (
    """
== first_joke : general raids life
-- what+
Q what [is|was] the story with the %thing%[ again|]?
Q why [does|did] everyone keep [mentioning|bringing up] the %thing%?
A %goat% [brought|took] a %thing% to {boss} and it [worked|exploded|got the last hit]
A we lost {big} {currency} and a %thing% at {place}, [never again|that's all]
A nobody knows, but %hero% still has the %thing% [in the vault|at home]
a and the %thing% [survived|is fine]?
a I [regret|love] that I asked
S it was a good %thing%
S the %thing% started it, [I was there|I have proof]
""",
    """
== mascot : general media games
-- tell+ img
Q saw %mascot% [at|near] {place} [today|again], [bigger|angrier] than ever
Q %mascot% the %animal% is [back|on my roof|in my base]
A tell %mascot% I [miss|fear] him [a lot|forever]
A did the %animal% [bite|rob] {who} [again|too]?
A [feed|offer] him {food}, quickly
a bitten and robbed, [a normal {day}|as always]
a he [ate|refused] the {food}
S %mascot% for president
S never turn your back on a %animal%
""",
    """
== rating : media games life
-- how+
Q how many %thing2%s does {film} get?
Q rate my {food} in %thing2%s, [please|be honest]
A {small} %thing2%s, [generous|would eat again|and I was kind]
A a full ten %thing2%s, [a first|frame it]
A half a %thing2%, [it's got heart|sorry]
a half? [fair|rude]
a ten! I'm [crying|telling %hero%]
S %hero% never gives more than {small} %thing2%s
""",
    """
== duty : general raids
-- complain+
Q who was on %thing3% duty [this week|last night]?
Q it's [%goat%'s|{who}'s] turn to [feed|clean|carry] the %thing3%
A %goat%, and they ran away
A I did it twice, [check|see] the list
A {who} [swapped|traded] it for {item}
a running from a %thing3%, [weak|typical]
a fine, but next {day} is yours
S abolish the %thing3%
S the %thing3% rota is [sacred|law]
""",
    """
== counter : general games
-- tell+
Q %goat% [died|got lost] in {place} again, that makes {big}
Q add one to the %goat% counter, [{place}|{boss}] this time
A {big}? I [had|thought] {big2}, [recount|check]
A in fairness {place} has [bad signs|no lights]
A we should [sell|get] %goat% a [map|leash|%thing%]
a a %thing%, [great|perfect] idea
a the signs are huge, {friend}
S %goat% is a natural wonder
S mark the calendar
""",
)
