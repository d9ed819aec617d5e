"""Labelled chat lines: personal data planted in chat, and lines that only look like it.

Every value is invented: documentation ranges, test numbers, or drawn with a fixed seed so that its
checksum holds. Secrets are put together here and stand nowhere in full. The set is cut in two by
the hash of each line: patterns are made on TUNE, and HELD_OUT says what they are worth.
"""

from __future__ import annotations

import base64
import hashlib
import random
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import cycle

TUNE = "tune"
HELD_OUT = "held out"
LOWER = string.ascii_lowercase
UPPER = string.ascii_uppercase
DIGITS = string.digits
ALNUM = string.ascii_letters + DIGITS
HEX = "0123456789abcdef"
URL_SAFE = ALNUM + "-_"


@dataclass(frozen=True)
class Planted:
    """A line with one planted value between `before` and `after`."""

    kind: str
    """The placeholder's word: email, phone, ..."""
    before: str
    secret: str
    after: str

    @property
    def text(self) -> str:
        return self.before + self.secret + self.after

    @property
    def half(self) -> str:
        return half_of(self.text)


def half_of(text: str) -> str:
    """TUNE or HELD_OUT, by the line's hash."""
    return HELD_OUT if hashlib.sha256(text.encode("utf-8")).digest()[0] & 1 else TUNE


@cache
def planted() -> tuple[Planted, ...]:
    """Every planted line, the same ones on every call."""
    rng = random.Random(20261121)
    lines: dict[str, Planted] = {}
    for kind, make in _MAKERS.items():
        for frame, secret in make(rng):
            before, after = frame.split("{}")
            one = Planted(kind, before, secret, after)
            lines[one.text] = one
    return tuple(lines.values())


@cache
def near_misses() -> tuple[str, ...]:
    """Lines that must stay as they are."""
    rng = random.Random(77)
    made = [line for line in NEAR_MISSES.splitlines() if line.strip()]
    return tuple(dict.fromkeys([*made, *_drawn_near_misses(rng)]))


def _draw(rng: random.Random, letters: str, length: int) -> str:
    return "".join(rng.choice(letters) for _ in range(length))


def _shape(rng: random.Random, shape: str) -> str:
    """# a digit, A a capital, a a small letter, h a hex digit, x a letter or digit."""
    letters = {"#": DIGITS, "A": UPPER, "a": LOWER, "h": HEX, "x": ALNUM}
    return "".join(rng.choice(letters[c]) if c in letters else c for c in shape)


def _valid(rng: random.Random, module: str, shape: str) -> str:
    """The shape filled until python-stdnum's module finds it valid."""
    check = import_module(f"stdnum.{module}").is_valid
    while not check(found := _shape(rng, shape)):
        pass
    return found


def _framed(frames: str, secrets: list[str]) -> Iterator[tuple[str, str]]:
    """Each secret in the next frame, each frame at least once."""
    lines = [line for line in frames.splitlines() if line.strip()]
    count = max(len(lines), len(secrets))
    turns = zip(cycle(lines), cycle(secrets), strict=False)
    yield from (pair for pair, _ in zip(turns, range(count), strict=False))


EMAIL_FRAMES = """
mail me at {} when you get home
{}
my email is {} pls no spam
send the invoice to {}, thanks!
anyone got {}? he never answers there
paypal is {} if you want to chip in
schreib mir an {} dann schick ich dir die bilder
contact: {}
log in with {} and the usual pw
<{}> is the list admin
add me: {} :)
you can reach my boss under {}.
hit me up on {} or here
(mine's {})
mon mail c'est {} si tu veux
mi correo es {} por si acaso
Cc {} too pls
lol who is {}
ok forwarding to {} now
escribe a {}
"""


def _emails(rng: random.Random) -> Iterator[tuple[str, str]]:
    users = ["mira.k", "bob", "dove+spam", "kai_92", "h.harrow1961", "x-quill", "j.o.e", "pétra"]
    hosts = ["example.com", "example.org", "mail.example.net", "example.co.uk", "firma.example"]
    hosts += ["uni-stadt.example", "a-b.example.com"]
    plain = [f"{user}@{host}" for user in users for host in hosts][::2]
    rng.shuffle(plain)
    plain[3] = plain[3].upper()
    yield from _framed(EMAIL_FRAMES, plain[:30])
    hidden = ["kai at example dot com", "mira.k [at] example [dot] org", "bob(at)example(dot)net"]
    hidden += ["quill_3 AT example DOT com", "dove {at} mail {dot} example.com".replace("{", "<")]
    hidden += ["petra.s at mail dot example dot org", "tom[at]example.com", "jo (at) example.co.uk"]
    hidden += ["ann99 at example dot co dot uk", "h.harrow at example dot de", "sam @ example.com"]
    hidden += ["lena at example punkt de", "rob -at- example -dot- com", "vik [at] example.org"]
    hidden += ["nora42 at gmail dot com", "finn.o at gmail.com", "ole AT posteo DOT de"]
    hidden = [one.replace("<at}", "{at}").replace("<dot}", "{dot}") for one in hidden]
    frames = """
my mail: {}
write to {} (no bots please)
{} works best for me
email me, {} ok?
you can get me at {}
send it to {}
meine mail ist {}
contact {} for the tickets
{}
"""
    yield from _framed(frames, hidden)


def _phones(rng: random.Random) -> Iterator[tuple[str, str]]:
    def n(shape: str) -> str:
        return _shape(rng, shape)

    apart = [n("+1 202-555-01##"), n("(415) 555-01##"), n("212-555-01##"), n("+1 (312) 555-01##")]
    apart += [n("+44 7700 900###"), n("+44 20 7946 0###"), n("020 7946 0###"), n("0117 496 0###")]
    apart += [n("07700 900###"), n("+49 30 23125 ###"), n("030 23125 ###"), n("0171 39200##")]
    apart += [n("+4917139200##"), n("0171/39200##"), n("+33 1 99 00 ## ##"), n("06 39 98 ## ##")]
    apart += [n("+33639980###"), n("01.99.00.##.##"), n("+61 491 570 ###"), n("0491 570 ###")]
    apart += [n("(02) 5550 ####"), n("+46 70 174 06 ##"), n("070-174 06 ##"), n("08-465 004 ##")]
    apart += [
        n("+34 612 34 5# ##"),
        n("+34 91 123 4# ##"),
        n("+39 333 123 4###"),
        n("+39 06 123 4###"),
    ]
    apart += [n("+48 512 345 ###"), n("+31 6 1234 5###"), n("06-123456##"), n("020-12345##")]
    apart += [
        n("+55 11 98765-4###"),
        n("(11) 98765-4###"),
        n("+52 55 1234 5###"),
        n("+81 90-1234-5###"),
    ]
    apart += [
        n("090-1234-5###"),
        n("+91 98765 43###"),
        n("+90 532 123 4# ##"),
        n("+7 912 345-##-67"),
    ]
    apart += [n("1-202-555-01##"), n("202.555.01##"), n("+1.646.555.01##"), n("+12025550###")]
    apart += [
        n("0049 171 39200##"),
        n("+49 (0)171 39200##"),
        n("(202)555-01##"),
        n("+353 20 91# ####"),
    ]
    frames = """
{}
{} call me after six
so the plumber is {}, tell him i sent you
my new one: {}
{} (mira)
ok it's {} but only in emergencies
bruder hat {} , schreib ihm da
yes {}, ask for dave
dm me or {}
hier: {}
c'est le {} pour la salle
grandma moved, {} now
"""
    yield from _framed(frames, apart)
    spoken = [n("20255501##"), n("555-01##"), n("0770090####"), n("01713920###"), n("063998####")]
    spoken += [n("612 345 ###"), n("61234567#"), n("512 345 ###"), n("512345###"), n("98765 43###")]
    spoken += [
        n("98765432##"),
        n("333 1234###"),
        n("3331234###"),
        n("55 1234 56##"),
        n("0612345###"),
    ]
    spoken += [
        n("555 01##"),
        n("1202555####"),
        n("491570###"),
        n("0532 123 4# ##"),
        n("89161234##"),
    ]
    frames = """
my number is {}
call me on {} tonight
text {} when you are outside
phone: {}
whatsapp {}
mein handy ist {}
Tel. {}
mon numéro c'est {}
mi número es {}
cell is {}
ring {} if the door is shut
il mio numero è {}
meu zap é {}
moje číslo: {}
mobile {}
sms to {} works too
my phone number changed to {}
handynummer {}
signal me, {} is my number
ruf mich an {}
"""
    yield from _framed(frames, spoken)


def _ips(rng: random.Random) -> Iterator[tuple[str, str]]:
    found = [_shape(rng, s) for s in ("192.0.2.1##", "198.51.100.2#", "203.0.113.#", "192.0.2.#")]
    found += [_shape(rng, s) for s in ("198.51.100.1##", "203.0.113.1##", "81.2.69.1##")]
    found += ["78.94.101.23", "24.118.7.66", "213.47.88.9", "5.61.32.18", "187.45.6.201"]
    found += ["2001:db8::1", "2001:db8:85a3::8a2e:370:7334", "2001:db8:0:0:1:0:0:1"]
    found += [
        "2001:0db8:0000:0000:0000:ff00:0042:8329",
        "2001:db8:1:2::beef",
        "2a02:8108:9c0:1b::5",
    ]
    found += ["fe80::1ff:fe23:4567:890a", "::ffff:192.0.2.128", "2001:DB8::A:1"]
    frames = """
join {} before eight
server moved to {} everyone
{}
my ip is {} dont ddos me lol
ping {} says timeout
{}: connection refused
can someone check if {} is up
ssh pi@{} then reboot
he logged in from {} last night
curl http://{}/status gives 502
banned {} again
the box at {}, port closed
whois {} pls
router gave me {} today
meine ip war {} gestern
[{}] is what the log says
allow from {} only
inet {} scope global
connected to {}.
host={} user=pi
DNS A record -> {}
"""
    values = [v for v in found if ":" not in v] + [v for v in found if ":" in v]
    for at, (frame, value) in enumerate(_framed(frames, values + values[:14])):
        if ":" in value and ("http://" in frame or "@" in frame or frame.startswith("{}:")):
            frame = "ping6 {} works"
        yield frame, value if at < len(values) else _other_ip(rng, value)


def _other_ip(rng: random.Random, like: str) -> str:
    if ":" in like:
        return f"2001:db8::{rng.randint(1, 9)}:{rng.randint(0x100, 0xFFFF):x}"
    return f"{rng.choice(('192.0.2', '198.51.100', '203.0.113'))}.{rng.randint(2, 254)}"


def _cards(rng: random.Random) -> Iterator[tuple[str, str]]:
    test = ["4111111111111111", "5555555555554444", "378282246310005", "6011111111111117"]
    test += ["3530111333300000", "30569309025904", "4012888888881881", "5105105105105100"]
    test += ["4242424242424242", "371449635398431", "6011000990139424", "2223003122003222"]
    test += ["38520000023237", "5200828282828210", "4000056655665556", "6200000000000005"]
    test += ["4917610000000000", "6759649826438453", "4716190207394368", "5425233430109903"]
    luhn = import_module("stdnum.luhn")
    drawn = [_draw(rng, DIGITS, 14) for _ in range(12)]
    drawn = [f"4{d}{luhn.calc_check_digit('4' + d)}" for d in drawn]
    styles: list[Callable[[str], str]] = [lambda d: d, _in_fours, lambda d: _in_fours(d, "-")]
    written = [styles[at % 3](digits) for at, digits in enumerate(test + drawn)]
    frames = """
my card is {} lol jk
{} exp 12/29
put it on {} please
just use mum's visa {}
wtf i pasted {} into the wrong window
kreditkarte {}
card number {}, cvv on the back
they charged {} twice
amex {}
{}
ma carte: {}
tarjeta {}
dont send {} in chat!!
is {} a real mastercard
order #1 paid with {}
"""
    yield from _framed(frames, written)


def _in_fours(digits: str, by: str = " ") -> str:
    if len(digits) == 15:
        return by.join((digits[:4], digits[4:10], digits[10:]))
    if len(digits) == 14:
        return by.join((digits[:4], digits[4:10], digits[10:]))
    return by.join(digits[at : at + 4] for at in range(0, len(digits), 4))


IBANS = (
    "DE89370400440532013000 GB82WEST12345698765432 FR1420041010050500013M02606 "
    "ES9121000418450200051332 NL91ABNA0417164300 IT60X0542811101000000123456 "
    "CH9300762011623852957 AT611904300234573201 BE68539007547034 PL61109010140000071219812874 "
    "SE4550000000058398257466 NO9386011117947 DK5000400440116243 FI2112345600000785 "
    "PT50000201231234567890154 IE29AIBK93115212345678 BR1800360305000010009795493C1 "
    "SA0380000000608010167519 CZ6508000000192000145399 HU42117730161111101800000000 "
    "LU280019400644750000 GR1601101250000000012300695 HR1210010051863000160 "
    "RO49AAAA1B31007593840000"
).split()


def _ibans(rng: random.Random) -> Iterator[tuple[str, str]]:
    styles: list[Callable[[str], str]] = [
        lambda i: i,
        lambda i: " ".join(i[at : at + 4] for at in range(0, len(i), 4)),
        lambda i: i.lower(),
        lambda i: "-".join(i[at : at + 4] for at in range(0, len(i), 4)),
    ]
    order = (0, 1, 1, 0, 2, 1, 3)
    drawn = []
    mod_97 = import_module("stdnum.iso7064.mod_97_10")
    for _ in range(10):
        bban = _draw(rng, DIGITS, 18)
        drawn.append(f"DE{mod_97.calc_check_digits(bban + 'DE')}{bban}")
    written = [styles[order[at % 7]](iban) for at, iban in enumerate([*IBANS, *drawn])]
    frames = """
{}
my iban is {} thx
überweis auf {} bitte
transfer it to {}, reference raid snacks
iban: {}
konto {} (mira)
kasse: {} danke euch
mon iban {}
rent goes to {} now
{} is the club account
bonifico su {}
20€ an {} und fertig
wrong one, use {}!
rekening {}
"""
    yield from _framed(frames, written)


def _ids(rng: random.Random) -> Iterator[tuple[str, str]]:
    def v(module: str, shape: str) -> str:
        return _valid(rng, module, shape)

    yield "my ssn is {}", _shape(rng, "536-90-####")
    yield "SSN: {} and they lost it", _shape(rng, "21#-6#-43##")
    yield "social security number {}", _shape(rng, "536 22 #1##")
    yield "they wanted my social, {} , for a phone contract", _shape(rng, "40#-33-#8##")
    yield "ssn {}", _shape(rng, "53690####")
    yield "last time i wrote {} on that form", _shape(rng, "51#-6#-43##")
    for frame in (
        "my NI number is {}",
        "nino {}",
        "{} is on the payslip",
        "national insurance: {}",
    ):
        yield frame, _shape(rng, rng.choice(("JG ## ## ## C", "AB######A", "CE ## ## ## D")))
    for frame in ("nhs number {}", "my NHS no. is {} i think"):
        yield frame, v("gb.nhs", rng.choice(("### ### ####", "9#########")))
    for frame in (
        "meine steuer-id ist {}",
        "Steueridentifikationsnummer: {}",
        "tax id {}",
        "IdNr {}",
    ):
        yield frame, v("de.idnr", "###########")
    for frame in ("mon numéro de sécu: {}", "{} c'est le sien", "nir {}", "secu {}"):
        yield (
            frame,
            v("fr.nir", rng.choice(("1 8# 0# 75 116 ### ##", "28#0175116###00"[:13] + "##"))),
        )
    for frame in ("mi dni es {}", "dni {}", "{} es el mio", "DNI: {} gracias"):
        yield frame, v("es.dni", rng.choice(("5#######A", "4#######-A")))
    for frame in ("nie {}", "mi NIE: {}", "le pusieron {} en la tarjeta"):
        yield frame, v("es.nie", rng.choice(("X#######A", "Y-#######-A")))
    codes = ["RCCMNL83S18D969H", "rccmnl83s18d969h", "MRTMTT91D08F205J"]
    for frame, code in zip(("codice fiscale {}", "il mio cf è {}", "{}"), codes, strict=True):
        yield frame, code
    for frame in ("mijn bsn is {}", "BSN: {}", "bsn {} zei ze", "burgerservicenummer {}"):
        yield frame, v("nl.bsn", rng.choice(("#########", "####.##.###")))
    for frame in ("meu cpf é {}", "{} é o cpf dele", "CPF {}", "cpf: {} ok?", "manda pra {}"):
        yield frame, v("br.cpf", "###.###.###-##")
    for frame in ("cpf {}", "meu CPF: {}"):
        yield frame, v("br.cpf", "###########")
    for frame in ("my aadhaar is {}", "aadhar no {}", "Aadhaar card: {} pls check"):
        yield frame, v("in_.aadhaar", rng.choice(("#### #### ####", "############")))
    for frame in ("pan {}", "my PAN card number is {}"):
        yield frame, v("in_.pan", "AAAPA####A")
    for frame in ("mój pesel to {}", "pesel: {}", "PESEL {} jakby co"):
        yield frame, v("pl.pesel", "#####1#####")
    for frame in ("my sin is {}", "social insurance number {}"):
        yield frame, v("ca.sin", rng.choice(("###-###-###", "### ### ###")))
    for frame in ("my tfn: {}", "tax file number {}"):
        yield frame, v("au.tfn", rng.choice(("### ### ###", "#########")))
    for frame in ("mitt personnummer är {}", "{} är mitt", "pnr {}"):
        yield frame, v("se.personnummer", rng.choice(("8#0#1#-####", "19900#1#-####")))
    for frame in ("mit cpr er {}", "cpr-nummer: {}"):
        yield frame, v("dk.cpr", "1#0#8#-####")
    for frame in ("fødselsnummer {}", "mitt fnr er {}"):
        yield frame, v("no.fodselsnummer", "1#0#8######")
    for frame in ("hetu {}", "henkilötunnus on {}", "{}"):
        yield frame, v("fi.hetu", rng.choice(("1#0#8#-###A", "2#0#8#-####")))
    for frame in ("rijksregisternummer {}", "mon numéro national: {}", "{} staat erop"):
        yield frame, v("be.nn", "8#.0#.1#-###.##")
    for frame in ("AHV {}", "meine ahv-nummer ist {}", "{}"):
        yield frame, v("ch.ssn", "756.####.####.##")
    for frame in ("cnp {}", "CNP-ul meu: {}"):
        yield frame, v("ro.cnp", "1#20#1#######")
    for frame in ("rodné číslo {}", "moje rč: {}", "{}"):
        yield frame, v("cz.rc", "8#0#1#/####")
    for frame in ("tc kimlik no: {}", "tckn {}"):
        yield frame, v("tr.tckimlik", "###########")
    for frame in ("my rsa id number is {}", "ID no. {}"):
        yield frame, v("za.idnr", "8#0#1#5###08#")
    for frame in ("my pps is {}", "pps number {}"):
        yield frame, v("ie.pps", "#######A")
    for frame in ("curp {}", "mi CURP es {}", "{}"):
        yield frame, v("mx.curp", "BOXA8#0#1#HNERXN0#")
    for frame in ("mi rut es {}", "rut {}", "{} es"):
        yield frame, v("cl.rut", "1#.###.###-#")
    for frame in ("cuit {}", "mi cuil: {}"):
        yield frame, v("ar.cuit", "20-########-#")
    for frame in ("내 주민번호 {}", "rrn {}"):
        yield frame, v("kr.rrn", "8#0#1#-1######")
    for frame in ("身份证 {}", "my chinese id {}", "{}"):
        yield frame, v("cn.ric", "1101051#9#0#1####X"[:6] + "198#0#1####X")
    for frame in ("passport number {}", "passport no: {} expires in may", "reisepass nr {}"):
        yield frame, _shape(rng, rng.choice(("C01X##T##", "5########", "X#######")))
    for frame in ("driver's license number is {}", "führerschein nr {}"):
        yield frame, _shape(rng, rng.choice(("D#######", "B072RRE2I##")))


ADDRESSES = """
42 Maple Street|send it to {} pls
1600 Elm Ave, Springfield, IL 62704|{}
742 Evergreen Terrace|lol who lives at {}
221B Baker Street, London NW1 6XE|address is {}
10 Downing St, London|we met outside {}
9 Tern Court, Saltby|parcel to {} thanks
350 5th Ave, New York, NY 10118|{} is the office
12 elm road|i moved to {}
77 oak lane apt 4|come to {} at 8
33 high street|pizza to {} please
1428 Elm St.|party at {} tonight
15 N. Harbor Dr, Suite 200|the firm is at {}
8 The Crescent|our house is {}, blue door
500 West Madison Street|{} has parking
2 Church Walk, Oxford OX2 6LY|we live at {}
Hauptstraße 5, 10115 Berlin|wohne in der {}
Musterweg 12a|komm zu {}
Am Markt 7, 04109 Leipzig|adresse: {}
Bahnhofstr. 23, 80335 München|paket an {}
Goethestrasse 14|treffen {} um acht
Lindenallee 3, 50968 Köln|{} (klingeln bei mira)
Unter den Linden 77, 10117 Berlin|{}
12 rue de la Paix, 75002 Paris|j'habite {}
5 avenue des Champs, 69003 Lyon|envoie au {}
27 bis rue Victor Hugo|on est au {} ce soir
3 place du Marché, 31000 Toulouse|rdv {}
14 chemin des Vignes|la maison c'est {}
Calle Mayor 5, 28013 Madrid|vivo en {}
Avenida de América 12, 3º B|mándalo a {}
C/ Alcalá 45, 28014 Madrid|dirección: {}
Plaza de España 2|nos vemos en {}
Via Roma 10, 00184 Roma|abito in {}
Corso Garibaldi 22, 20121 Milano|spedisci a {}
Piazza Dante 4|siamo in {}
Viale Trieste 18|{} terzo piano
Keizersgracht 123, 1015 CJ Amsterdam|ik woon op {}
Dorpsstraat 8|stuur naar {}
Kerkweg 21, 3512 JC Utrecht|adres {}
ul. Marszałkowska 10, 00-590 Warszawa|mieszkam {}
ul. Długa 7/3|wpadnij na {}
Rua Augusta, 1500|moro na {}
Av. Paulista 1000, São Paulo|manda pra {}
Rua das Flores 22, 1200-195 Lisboa|a minha morada é {}
PO Box 1234|mail goes to {}
P.O. Box 88, Riverton|send the zine to {}
17 Kings Road, Brighton|meet at {} ok
6 Wellington Parade|{} in brisbane
120 MG Road, Bengaluru 560001|office: {}
4 Rosewood Close|round mine, {}, bring crisps
1 Infinite Loop|who put {} as billing address
Storgatan 12, 111 23 Stockholm|jag bor på {}
Vesterbrogade 45|bor på {}
2211 N 1st St|ship it to {}
19 Orchard Grove|{} is for sale btw
88 Sunset Blvd Apt 12|crashing at {}
61 Station Rd, Harrow HA1 2TY|taxi to {} please
3010 county highway 14|turn left at {} and you see us
905 Pine Hill Dr|kids are at {}
14 mill lane, cambridge|he lives on {}
Karl-Marx-Allee 90|bin in der {}
Schillerplatz 1|vor {} warten
44 rue nationale|le colis va au {}
calle luna 16|mi casa, {}
"""


def _addresses(rng: random.Random) -> Iterator[tuple[str, str]]:
    for line in ADDRESSES.split("\n"):
        if line:
            address, frame = line.split("|")
            yield frame, address


def _keys(rng: random.Random) -> Iterator[tuple[str, str]]:
    def d(letters: str, length: int) -> str:
        return _draw(rng, letters, length)

    def url_safe(value: str) -> str:
        return base64.urlsafe_b64encode(value.encode()).decode().rstrip("=")

    head = url_safe('{"alg":"HS256","typ":"JWT"}')
    claims = ((d(LOWER, 6), "15" + d(DIGITS, 8)) for _ in range(3))
    bodies = [url_safe(f'{{"sub":"{who}","iat":{at}}}') for who, at in claims]
    jwts = [f"{head}.{body}.{d(URL_SAFE, 43)}" for body in bodies]
    discord = [
        f"{url_safe(d(DIGITS, 18))}.{d(ALNUM, 6)}.{d(URL_SAFE, 38)}",
        f"{url_safe(d(DIGITS, 19))}.{d(ALNUM, 6)}.{d(URL_SAFE, 38)}",
        f"{url_safe(d(DIGITS, 18))}.{d(ALNUM, 6)}.{d(URL_SAFE, 27)}",
        "mfa" + "." + d(URL_SAFE, 84),
    ]
    shaped = [
        *("AK" + "IA" + d(UPPER + "234567", 16) for _ in range(3)),
        "AS" + "IA" + d(UPPER + "234567", 16),
        *("gh" + kind + "_" + d(ALNUM, 36) for kind in "pos"),
        "github" + "_pat_" + d(ALNUM, 22) + "_" + d(ALNUM, 59),
        "gl" + "pat-" + d(URL_SAFE, 20),
        *("xox" + f"{k}-{d(DIGITS, 12)}-{d(DIGITS, 12)}-{d(ALNUM, 24)}" for k in "bp"),
        *("s" + "k-" + d(ALNUM, 48) for _ in range(3)),
        "s" + "k-proj-" + d(URL_SAFE, 60),
        "s" + "k-ant-api03-" + d(URL_SAFE, 90),
        *("s" + f"k_{mode}_" + d(ALNUM, 24) for mode in ("live", "test")),
        *("AI" + "za" + d(URL_SAFE, 35) for _ in range(3)),
        "ya" + "29." + d(URL_SAFE, 60),
        *jwts,
        *discord,
        "h" + "f_" + d(ALNUM, 34),
        "np" + "m_" + d(ALNUM, 36),
        "S" + "G." + d(URL_SAFE, 22) + "." + d(URL_SAFE, 43),
        d(DIGITS, 10) + ":AA" + d(URL_SAFE, 33),
        "dop" + "_v1_" + d(HEX, 64),
        "-".join(d(UPPER + DIGITS, 4) + "7" for _ in range(5)),
    ]
    frames = """
{}
lol i committed {} again
is {} still valid?
use {} for now
try with {} and tell me
oops {} pls delete
here you go {}
{} rotate it tomorrow
why does {} give 401
export KEY={}
the bot runs on {}
header: {}
"""
    yield from _framed(frames, shaped)
    for kind in ("RSA", "OPENSSH", "EC", ""):
        name = f"{kind} PRIVATE KEY".strip()
        body = "\n".join(d(ALNUM + "+/", 64) for _ in range(4))
        dashes = "-" * 5
        key = f"{dashes}BEGIN {name}{dashes}\n{body}\n{dashes}END {name}{dashes}"
        yield "my id_rsa is broken:\n{}\nwhat now", key
    cut = "-" * 5 + "BEGIN RSA PRIVATE KEY" + "-" * 5 + "\n" + d(ALNUM, 64) + "\n" + d(ALNUM, 50)
    yield "it starts with {}", cut
    named = """
api_key = {}
api key: {}
my token is {}
the secret is {} but dont tell
SECRET_KEY="{}"
token={}
client_secret: {}
access token = {}
aws_secret_access_key = {}
auth_token: '{}'
apikey {}
bot token: {}
Authorization: Bearer {}
private key = {}
der api-key ist {}
app secret {}
curl -H "X-Api-Key: {}"
?api_key={}
encryption key: {}
refresh_token={}
"""
    kinds = [ALNUM, HEX, URL_SAFE, ALNUM + "+/", HEX]
    lengths = (32, 32, 43, 40, 64, 24, 20)
    yield from _framed(named, [d(kinds[at % 5], lengths[at % 7]) for at in range(40)])


PASSWORDS = """
hunter2|my pw is {}
Tr0ub4dor&3|password: {}
geheim123|passwort ist {}
swordfish|my pass is {}
correct-horse-battery|the password is {}
lantern99!|pw: {}
P@ssw0rd1|pass={}
qwertz2020|mein pw ist {} bitte ändern
Sommer2026!|Passwort: {}
azerty99|mon mot de passe c'est {}
soleil1987|mot de passe : {}
MiGato_22|mi contraseña es {}
perro2019|contraseña: {}
flamengo81|minha senha é {}
senha.forte9|senha: {}
juventus1|la mia password è {}
lokomotywa7|hasło to {}
hasl0!x|hasło: {}
fiets-123|mijn wachtwoord is {}
kaas4ever|wachtwoord: {}
qwerty123|login with bob and password {}
dragon!!77|use pw {} for the minecraft server
letmein|pwd: {}
zxcvbn|password={}
monkey|its the usual, my password is {}
bl4ckb1rd|wifi password is {}
GuestWifi2026|wifi pw: {}
net-gast-77|wlan passwort: {}
kingfisher|passphrase: {}
s3cr3t-sauce|the passphrase is {}
1234|my pin is {}
9042|pin: {}
4711|meine pin ist {}
blueberry7|server password is {}, dont share
iloveyou2|lol my old password was {}
toor55|root password: {}
x9$kLm|admin pass: {}
trustno1|username kai password {}
ABcd1234|pass is {} all caps first
babydoll|her netflix password is {}
fuzzy bunny 22|password: "{}"
pa55word|PASSWORD IS {}
Winter!26|the new pw is {}
raspberry|ssh pi@host, password: {}
hunter3|pw = {}
test1234|Password - {}
grün-baum-5|das passwort lautet {}
parola22|parola è {}
lösen0rd|lösenordet är {}
P4rool|парoль: {}
mustang67|пароль: {}
tiger!9|my password's {}
oneTwo3|changed the password to {}
snoopy88|set my password to {}
pikachu25|my acc pw is {} if you wanna play
a1b2c3d4|login: kai / pw: {}
Gandalf|the door code is mellon, password is {}
"""


def _passwords(rng: random.Random) -> Iterator[tuple[str, str]]:
    for line in PASSWORDS.split("\n"):
        if line:
            password, frame = line.split("|")
            yield frame, password
    for scheme in ("https", "postgres", "ftp", "mongodb+srv"):
        host = "@db.example.com/raid"
        yield f"{scheme}://{{}}{host}", f"kai:{_draw(rng, ALNUM, 12)}"


def _webhooks(rng: random.Random) -> Iterator[tuple[str, str]]:
    def hook(host: str, version: str = "") -> str:
        secret = _draw(rng, URL_SAFE, 67) + "x"
        return f"https://{host}/api{version}/webhooks/{_draw(rng, '123456789', 18)}/{secret}"

    hooks = [hook("discord.com"), hook("discordapp.com"), hook("canary.discord.com")]
    hooks += [hook("ptb.discord.com", "/v10"), hook("discord.com", "/v9"), hook("discord.com")]
    hooks += [hook("discord.com") + "/slack", hook("discord.com") + "?wait=true"]
    slack = "https://hooks.sla" + "ck.com/services/T%s/B%s/%s"
    for _ in range(4):
        parts = _draw(rng, UPPER + DIGITS, 8), _draw(rng, UPPER + DIGITS, 8), _draw(rng, ALNUM, 24)
        hooks.append(slack % parts)
    hooks += [hook("discord.com") for _ in range(8)]
    frames = """
{}
post it to {} please
webhook is {} , spam away
curl -X POST {} -d hi
WEBHOOK={}
i set {} in the config
<{}>
try {}
someone leaked {} in #general
[hook]({})
"""
    yield from _framed(frames, hooks)


_MAKERS: dict[str, Callable[[random.Random], Iterator[tuple[str, str]]]] = {
    "email": _emails,
    "phone": _phones,
    "ip": _ips,
    "card": _cards,
    "iban": _ibans,
    "id": _ids,
    "address": _addresses,
    "key": _keys,
    "password": _passwords,
    "webhook": _webhooks,
}


NEAR_MISSES = """
lol
won 21-15 21-18 yesterday
2024-05-03 10:22:11
3.5.2024 20:15
03/05/2024 at 7pm
id 1059842068316160000 or 123456789012345678
snowflake 981234567890123456 is the message
4111 1111 1111 1112
version 2.6.24 of 10.0.1
firefox 1.5.0.4 crashes here
kernel 2.6.12.3 boots fine
v4.3.2.1 is out
openoffice 2.0.4.1 rc
upgrade to 10.0.19045.3803 and it works
driver version 31.0.15.4601
localhost is 127.0.0.1
127.0.1.1 in hosts
bind to 0.0.0.0
mask 255.255.255.0
netmask 255.255.255.252 obviously
::1 is localhost
std::vector at 12:30:45
foo::bar2 is private
1024 768 1280 1024
it cost 10,000,000 gold
1 000 000 subs omg
12 345 678 views already
that is a 2 way street
20 minutes drive from here
5 minute walk, 2 hours drive
80 GB Hard Drive for sale
2 Hard Drive bays
3 Way tie in the finals
1 Direction was better than 5 Seconds
don't @ me @mira
@everyone raid at 20:00
https://example.com/4111111111111111/212-555-0123 see
commit 9fceb02d0ae598e95dc970b74767f19372d61af8
sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
md5sum d41d8cd98f00b204e9800998ecf8427e
git checkout a1b2c3d
00:1a:2b:3c:4d:5e is the mac of the printer
port 25565 is open
listen on :8080 and :8443
ports 6881-6889 forwarded
my password is wrong
the password is not working
password: required
forgot my password again
password is case sensitive
what's the password
the pw is in the pins
pw in dms
passwort vergessen
password reset mail never came
enter your password: then press enter
is there a password for the server?
no password needed
the password is the same as before
type your password
pass the salt
i will pass on that
pass me the 2nd controller
pass is expensive this season
my pass is expired
battle pass is 950 coins
season pass: worth it?
the boarding pass is lost
key is under the mat
the key to winning is timing
press any key
keys: w a s d
key: C minor
what key is it in? c# minor
hotkey = ctrl+shift+f5
the token economy is weird
token = get_token(user)
api_key = os.environ["API_KEY"]
secret = load_secret()
token: required
secret santa is on friday
the secret is butter
my secret is lots of garlic
secret: none
access key lost in the couch
key=value pairs
primary key is user_id
token ring networks lol
skill issue
sk-8 board
sk-learn-contrib-projects is nice
task-management-software-for-teams
risk-adjusted-returns-are-a-myth-anyway
AKIA is a band?
eyJust kidding
xoxo gossip girl
xoxo-love-from-all-of-us
ghp is what again
AIzawa sensei
call me maybe
call 911
dial 112 in europe
text me when you are home
ring ring
phone died at 3 percent
my number is 7
lucky number is 13
number is 4 8 15 16 23 42
phone has 128 gb and 8 gb ram
mobile gpu 4070 with 8188 MiB
cell 12 of the spreadsheet
my number one song of 2023
call of duty 2 from 2005
call me in 10-15 minutes
text size 12 14 16 18
ring 3 of 10 done
telefon kaputt seit 2024-05-03
handy für 599 euro
ranking 1-2-3-4-5
lotto 4 8 15 16 23 42
pi is 3.14159265358979
e is 2.718281828459045
phi 1.6180339887498948482
0.1 + 0.2 = 0.30000000000000004
1234567890
12345678
987654321
1700000000
1700000000000 is ms
unix time 1699999999 rolled over
order 100045678123 shipped
tracking 00340434161094042557
isbn 978-3-16-148410-0
isbn 9783161484100
ean 4006381333931
error 0x80070005
0xdeadbeef at 0x7fff5fbff8c0
exit code 3221225477
#1234567 is a ticket
bug 1234567 is fixed
launchpad bug #203984
ticket 2024-001-0345
room 404 at 4.04
score 3-2-1
score was 110-108 113-107
10-4 good buddy
1-2-3 go
2-1 3-0 1-1 4-2
555 timer chip
4x100m relay
1080p60 vs 1440p144
3840x2160@60
fps 144/120/98/75
rtx 4090 24gb ddr5-6000
i7-13700k with 2x16gb
usb 3.2 gen 2x2
wpa2 or wpa3
sha256 or md5
ipv4 and ipv6
10.0.1 is newer than 9.9.12
python 3.11.7 and 3.12.1
1.2.3-rc.4+build.5
react@18.2.0
npm i @angular/core@15.0.1
icon@2x.png is blurry
git@github.com:mynah/mynah.git
meet me at the docks
look at ubuntu dot com
see you at eight dot dot dot
it is at launchpad dot net
me at 3am: dot dot dot
good at math dot com jokes
at the end of the day
@ me when it's up
user@localhost
root@raspberrypi:~#
pi@raspberrypi ~ $
@mira@bob stop it
a @ b @ c
love u @ 5
12:30-13:45 lunch
mon-fri 9-17
8/10 would raid again
1/2 cup sugar 3/4 tsp salt
12/25 is christmas
25.12. ist weihnachten
24.12.2023, 18 uhr
am 01.02.2003 um 04:05
2023-12-25T18:00:00Z
20231225
2023/12/25 18:00:00
1999-12-31 23:59:59.999
05-06-07 was a good date
01 02 03 04 05 06
$1,234.56 for that?
1.234,56 € ist viel
€ 49,99 im angebot
£3.50
rs 1,00,000
100.000.000 damage
99,999,999 crit
3.141.592 downloads
dps 1.234.567 on boss 3
hp 12345678/12345678
+1
+100
+1 +1 +1
-1 for that
+5 strength +10 agility
+12 -3
+++
x += 1234567
a[12][34] = 5678
for (i = 0; i < 1000000; i++)
rgb(255, 128, 0)
#ff8800 is orange
rgba 255 255 255 0.5
width: 1200px; height: 800px
margin 0 auto 10px 20px
lat 52.5200 lon 13.4050
52°31'12"N 13°24'18"E
coords -1234 64 5678
tp 1024 70 -2048
seed 8675309
seed -4530634556500121041
world seed is 3257840388504953787
x: 1284 y: 63 z: -920
9 out of 10 dentists
24/7
7-11
9-5 job
50-50 chance
3-4 people
20-30 min
1990s 2000s 2010s
from 1914-1918 to 1939-1945
route 66
highway to hell
broadway was fun
abbey road is the best album
penny lane is in my ears
wall street is down 500
sesame street season 54
downing street said no
the road to 100
2 roads diverged
street fighter 6
street fighter 2 turbo hd
e street band live 1975
10 lanes wide
1 way or another
5 star drive-in
a 3 day drive
only 2 close calls
12 angry men
7 Up and 3 Musketeers
4 Square is a kids game
500 Days of Summer
21 Jump Street
9 to 5
8 Mile Road trip movie night
101 Dalmatians
5 Court cases today
2 St Bernards
weg 3 ist kürzer
platz 1 für uns
platz 4 von 10
straße gesperrt
via 3 hops
via roma we flew
calle te lol
rue the day
rua is street in portuguese
place 2 bets
place du what
plaza 3 stories tall
po box full
avenue q is a musical
am markt war viel los
card 3 of 5
ace of spades 10 9 8 7
gift card 25$
sd card 128gb
graphics card 3080 12gb
business card 85x55
iban what?
ibanez rg550
DE 2024 GB 2023 FR 2022
GB 16 RAM 32 GB DDR4
NL 1 BE 2
SE 3 DLC
IT department ticket 4500
de_dust2 16-14
pan is hot
sin is fun
sin(30) = 0.5
sin 0.5235987
ssn is a submarine
rut i am stuck in
nie 1234567
cpr training on 12.06.
hetu what
nino rota
personal best 123456789
id 123456789
ID: 4815162342
my id is 12345
steam id 76561198012345678
player id 123-456-789
uuid 550e8400-e29b-41d4-a716-446655440000
guid {6B29FC40-CA47-1067-B31D-00DD010662DA}
passport stamps from 12 countries
license plate AB 123 CD
license: GPL-3.0-or-later
license mit 2024
zip file 12345 kb
pin it to the board
pin 7 is ground
pins 12 and 13
pinned 3 messages
pinout 1-8
gpio pin 18
webhook is down
webhooks are cool
https://discord.com/channels/123456789012345678/234567890123456789
https://discord.gg/abcdEF12
https://cdn.discordapp.com/attachments/123456789012345678/234567890123456789/cat.png
https://api.example.com/webhooks
https://youtu.be/dQw4w9WgXcQ?t=43
https://www.youtube.com/watch?v=dQw4w9WgXcQ
https://open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC
https://gist.github.com/mira/9fceb02d0ae598e95dc970b74767f193
http://paste.ubuntu.com/12345678/
https://example.com/?session=12345&page=2
magnet:?xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a
ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ public key
gpg key 0x437D05B5
key id 40976EAF437D05B5
gpg --recv-keys 437D05B5
RSA key fingerprint is 2048 SHA256 something
aGVsbG8gd29ybGQ= is base64
AAAAAAAAAAAAAAAAAAAAAAAA
aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
HAHAHAHAHAHAHAHAHAHAHAHAHAHAHA
jdkfghjkdfhgjkdfhgkjdfhgkjhdf
KEY_ROW_2_DOWN = 17
keymap = "us-intl-altgr-2"
<:blob:123456789012345678> hi
:wave: :100: :1234:
░▒▓ 1234 ▓▒░
¯\\_(ツ)_/¯ 404
4.2.0-16-generic #19-Ubuntu SMP
linux-image-2.6.32-21-generic
/dev/sda1 8 1 102400
-rw-r--r-- 1 root root 1024 2006-06-01 12:00 x
drwxr-xr-x 12 kai kai 4096
[ 12.345678] usb 1-1: new device
00:1f.2 IDE interface: Intel
8086:2415 rev 02
eth0 up 1000Mbps
0 upgraded, 0 newly installed, 0 to remove and 12 not upgraded
E: Sub-process returned error code (1)
deb http://archive.example.com/ubuntu dapper main
chmod 755 and chown 1000:1000
rm -rf / lol
sudo !! and password prompt
sudo asks for your password, not the root password
root password is disabled by default
passwd 2.4.3 in repos
password hashing with sha512
mysql -u root -p
"""


def _drawn_near_misses(rng: random.Random) -> Iterator[str]:
    for _ in range(6):
        yield f"see message {rng.randint(10**17, 10**18)} in #raid"
        yield f"<@{rng.randint(10**17, 10**18)}> look"
        yield f"reverted {_draw(rng, HEX, 40)}"
        yield f"build {_draw(rng, HEX, 12)} is red"
        yield f"it took {rng.randint(10**6, 10**8)} ns"
        yield f"{rng.randint(1000, 9999)} {rng.randint(1000, 9999)} {rng.randint(1000, 9999)}"
        yield f"{rng.randint(1, 12)}/{rng.randint(1, 28)}/{rng.randint(2018, 2026)} works"
        yield f"between {rng.randint(1, 9)}.{rng.randint(0, 9)}.{rng.randint(0, 99)} and 10"
        yield f"res {rng.randint(800, 4000)}x{rng.randint(600, 2200)} at {rng.randint(30, 240)} hz"
