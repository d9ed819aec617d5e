"""Measures an import: a folder of exports into a home; database and all.

The home is temporary, or kept where --home names one: a new one, for a fair measurement.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.importers.importing import import_paths
from scripts.edge import add_json, ending_in_a_sentence
from scripts.peak_memory import peak_rss_mb
from storage.database import Database
from storage.paths import Home, find_home
from storage.records import Origin


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="file or folder")
    parser.add_argument("--home", metavar="DIR", help="keep it there (default: a temporary one)")
    parser.add_argument("--again", action="store_true", help="import twice; measure the second")
    add_json(parser, "one object on the last line")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mynah-bench-") as folder:
        home = (find_home(arguments.home) if arguments.home else Home(Path(folder))).ensure()
        with Database.open(home.database, backups=home.backups) as db:
            for _ in range(2 if arguments.again else 1):
                cpu_s = time.process_time()
                summary = import_paths(
                    db, arguments.paths, origin=Origin.EXPORT, quarantine=home.quarantine
                )
                cpu_s = time.process_time() - cpu_s
    result = {
        "messages": summary.messages,
        "seconds": round(summary.seconds, 2),
        "messages_per_s": round(summary.messages / summary.seconds) if summary.seconds else 0,
        "cpu_seconds": round(cpu_s, 2),
        "messages_per_cpu_s": round(summary.messages / cpu_s) if cpu_s else 0,
        "peak_rss_mb": round(peak_rss_mb()),
    }
    if arguments.json:
        print(json.dumps(result))
    else:
        print(
            f"{result['messages']:,} messages in {result['seconds']} s: "
            f"{result['messages_per_s']:,} a second, "
            f"{result['messages_per_cpu_s']:,} a CPU second, peak {result['peak_rss_mb']} MB"
        )
    return 0


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
