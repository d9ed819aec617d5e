"""Says whether a file is a model that Mynah can answer with: a GGUF whose header is sound."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model.gguf_check import GgufError, check
from scripts.edge import ending_in_a_sentence, home_and_json

EXAMPLES = """\
example:
  python scripts/check_model.py ~/Downloads/model-q4_k_m.gguf

Reads the header alone, within bounds; the weights are not loaded.
Exit status: 0 it can be used, 2 it cannot, with the reason.
"""


def look_at_model(path: Path) -> dict[str, Any]:
    """What the header says. Raises GgufError with a sentence."""
    try:
        header = check(path)
    except GgufError as error:
        raise GgufError(f"{error}. Choose another file.") from error
    return {
        "path": str(path),
        "name": header.name or path.stem,
        "architecture": header.architecture,
        "size_bytes": header.size_bytes,
        "parameters": header.parameter_count,
        "context_tokens": header.context_length,
    }


def main() -> int:
    """See EXAMPLES for the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=EXAMPLES,
        parents=[home_and_json()],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("path", type=Path, help="a .gguf file")
    arguments = parser.parse_args()
    found = look_at_model(arguments.path.expanduser().absolute())
    if getattr(arguments, "json", False):
        print(json.dumps(found, ensure_ascii=False))
    else:
        print(
            f"{found['name']}: {found['architecture']}, {found['size_bytes'] / 1e6:,.0f} MB, ",
            end="",
        )
        print(f"{found['parameters'] / 1e6:,.0f} million parameters.")
    return 0


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
