"""Measures what the demo's fine-tuning did, in a home where the demo has run.

    python scripts/bench_demo.py --home DIR --json

NLL (mean nats a token of the reply) of base and tuned model, both as Q4_K_M, on The Lantern's
held-out replies and on another invented community's; and sampled replies, through engine and guard
as served: how many would speak for somebody else before guard, and after it.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bot.compose import compose
from bot.generate import sampling
from bot.guard import guard
from bot.messages import Allowed
from data.dataset import FILES, DatasetOptions, make_dataset
from data.examples import Example, read_examples
from data.importers.importing import import_paths
from data.personas import PersonaText
from data.samples.community import write_exports
from data.samples.others import other_community
from data.split import VALIDATION
from data.windows import WindowOptions
from model.chat_format import (
    Said,
    Tokenizer,
    clean_name,
    encode,
    layout_of,
    persona_text,
    render_example,
)
from model.evaluate import gguf_nll
from model.inference import Engine
from model.tokenizers import VocabularyFile
from scripts.edge import ending_in_a_sentence
from storage.database import Database
from storage.model_registry import ModelRegistry, RegistryError
from storage.paths import DEMO_BASE_DIR, Home, find_home
from storage.records import Origin
from storage.settings import Settings

OTHER_SEED = 9_001
"""Neither the base nor the tuned model has read this community."""


@dataclass(frozen=True)
class Losses:
    """Mean nats a token of the replies."""

    base_lantern: float
    tuned_lantern: float
    base_other: float
    tuned_other: float


@dataclass(frozen=True)
class Replies:
    """Of the sampled drafts."""

    texts: tuple[str, ...]
    """What guard let out."""
    refused: int
    """Drafts of which guard let nothing out."""
    spoke_for_other_before_guard: int
    """Drafts with a line that begins as a member's line does."""
    spoke_for_other: int
    """The same among `texts`."""


def losses(home: Home, tuned: Path, *, examples: int, other_exports: Sequence[Path] = ()) -> Losses:
    """NLL of both models on up to `examples` replies of each community.

    The other community is an invented one, or what `other_exports` hold.
    """
    base = base_gguf()
    with VocabularyFile(base) as vocabulary:
        lantern = encoded(lantern_examples(home)[:examples], vocabulary.tokenizer)
        other = encoded(
            other_examples(vocabulary.tokenizer, other_exports)[:examples], vocabulary.tokenizer
        )
    values = [gguf_nll(file, rows).mean for rows in (lantern, other) for file in (base, tuned)]
    return Losses(*(round(value, 4) for value in values))


def sample_replies(home: Home, gguf: Path, *, count: int, settings: Settings) -> Replies:
    """Draft a reply to each of `count` held-out contexts, as the pipeline would, and guard it."""
    with Database.open(home.database, backups=home.backups) as database:
        members = [member.nickname for member in database.members()]
    contexts = lantern_examples(home)
    begins_as_a_member = re.compile(
        rf"^\s*(?:{'|'.join(map(re.escape, members))})\s*:", re.IGNORECASE | re.MULTILINE
    )
    texts: list[str] = []
    before = 0
    with Engine.load(gguf, context_tokens=settings.whole("context_tokens")) as engine:
        for number in range(count):
            example = contexts[number % len(contexts)]
            prompt = compose(
                example.persona,
                example.turns,
                engine.tokenizer,
                context_tokens=engine.context_tokens,
                max_reply_tokens=settings.whole("max_reply_tokens"),
            )
            names = {*prompt.names, *members}
            draft = engine.generate_blocking(
                prompt.ids,
                sampling=sampling(settings, seed=number),
                stop_ids=[engine.tokenizer.control_id(layout_of(engine.tokenizer).end)],
                stop_texts=[f"\n{clean_name(name)}:" for name in prompt.names],
            ).text
            before += begins_as_a_member.search(draft) is not None
            said = [turn for turn in example.turns if isinstance(turn, Said)]
            verdict = guard(draft, asked=said[-1].text, names=names, persona_name="Mynah")
            if isinstance(verdict, Allowed):
                texts.append(verdict.text)
    after = sum(begins_as_a_member.search(text) is not None for text in texts)
    return Replies(tuple(texts), count - len(texts), before, after)


def lantern_examples(home: Home) -> list[Example]:
    return list(read_examples(home.datasets / "demo" / FILES[VALIDATION]))


def other_examples(tokenizer: Tokenizer, exports: Sequence[Path]) -> list[Example]:
    """Examples of a community that nobody has trained on, made the same way and thrown away."""
    with tempfile.TemporaryDirectory(prefix="mynah-bench-") as folder:
        home = Home(Path(folder)).ensure()
        files = list(exports) or write_exports(
            other_community(OTHER_SEED), home.messages, OTHER_SEED, 4_000
        )
        origin = Origin.EXPORT if exports else Origin.SAMPLE
        with Database.open(home.database) as database:
            import_paths(database, files, origin=origin, quarantine=home.quarantine)
            database.record_declaration("bench_demo", "measured only: nothing is trained on it", 1)
            persona = PersonaText("Mynah", lantern_persona())
            options = DatasetOptions(WindowOptions(max_tokens=256))
            make_dataset(database, home.datasets / "other", tokenizer, persona, options)
        return [e for name in FILES.values() for e in read_examples(home.datasets / "other" / name)]


def lantern_persona() -> str:
    """The persona as the demo trains it, for both communities: it must not tell them apart."""
    return persona_text(Settings().text("persona"), name="Mynah", server="The Lantern")


def encoded(examples: list[Example], tokenizer: Tokenizer) -> list[tuple[list[int], list[bool]]]:
    return [encode(render_example(e.persona, e.turns, e.reply), tokenizer) for e in examples]


def base_gguf() -> Path:
    return next(DEMO_BASE_DIR.glob("*.gguf"))


def tuned_gguf(home: Home) -> Path:
    """The deployed tuned version's file. Raises RegistryError."""
    with Database.open(home.database, backups=home.backups) as database:
        registry = ModelRegistry(database, home)
        version = registry.deployed()
        if version is None or version.kind != "tuned":
            raise RegistryError("No tuned version is deployed there: run the demo in this home.")
        return registry.path(version)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", help="home folder (default: MYNAH_HOME, else the program's)")
    parser.add_argument(
        "--other",
        nargs="+",
        type=Path,
        default=(),
        metavar="PATH",
        help="exports of the other community (default: an invented one)",
    )
    parser.add_argument("--examples", type=int, default=300, help="replies a community for NLL")
    parser.add_argument("--replies", type=int, default=500, help="replies to sample")
    parser.add_argument("--json", action="store_true", help="one object on the last line")
    arguments = parser.parse_args()
    home = find_home(arguments.home)
    tuned = tuned_gguf(home)
    nll = losses(home, tuned, examples=arguments.examples, other_exports=arguments.other)
    replies = sample_replies(home, tuned, count=arguments.replies, settings=Settings())
    result = {
        **asdict(nll),
        "sampled": arguments.replies,
        "refused": replies.refused,
        "spoke_for_other_before_guard": replies.spoke_for_other_before_guard,
        "spoke_for_other": replies.spoke_for_other,
    }
    if arguments.json:
        print(json.dumps(result))
    else:
        print("\n".join(f"{name}: {value}" for name, value in result.items()))
    return 0


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
