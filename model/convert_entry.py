"""Runs llama.cpp's own converter in its own process and teaches it the tokenizers Mynah trains.

Started by `model/export.py` as `python -I convert_entry.py CONVERTER_DIR MODEL_DIR ...` (isolated:
model/tokenizers.py beside this file would hide the library of that name); the arguments after the
first are the converter's.

The converter knows tokenizers by the hash of what they make of one long string and refuses all
others. A tokenizer of ours says in its tokenizer_config.json which known way of splitting text it
was trained with ("mynah_pre_tokenizer": "qwen2"); for that tokenizer alone the answer is taken from
there, after its tokenizer.json was seen to split so. Every other gets the converter's own answer.
"""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

MARK = "mynah_pre_tokenizer"

# The last spelling is llama.cpp's own, the first Qwen2's (they differ for U+017F alone).
_CONTRACTIONS = (
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)",
    "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])",
)
_REST = r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}DIGITS| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_DIGITS = {"qwen2": "", "llama-bpe": "{1,3}"}
"""How many digits make a token at most: one, three in Llama 3's."""
SPLITS = {
    name: tuple(words + _REST.replace("DIGITS", digits) for words in _CONTRACTIONS)
    for name, digits in _DIGITS.items()
}
"""Per known way of splitting: the regular expressions that a tokenizer.json may spell it with."""

# llama.cpp normalises nothing. NFC (transformers puts it into every Qwen2 tokenizer that it saves)
# is harmless where text comes in NFC already.
_NORMALIZERS = (None, {"type": "NFC"})


def marked_pre_tokenizer(model_dir: Path) -> str | None:
    """The way of splitting that a tokenizer of ours declares; None for any other tokenizer.

    Raises ValueError where the tokenizer does not split as it declares.
    """
    config = model_dir / "tokenizer_config.json"
    if not config.is_file():
        return None
    mark = json.loads(config.read_text(encoding="utf-8")).get(MARK)
    if mark is None:
        return None
    if mark not in SPLITS:
        raise ValueError(f"{config} declares {MARK} = {mark!r}; known are: {', '.join(SPLITS)}")
    tokenizer = json.loads((model_dir / "tokenizer.json").read_text(encoding="utf-8"))
    if not set(_patterns(tokenizer.get("pre_tokenizer"))) & set(SPLITS[mark]):
        raise ValueError(f"{model_dir / 'tokenizer.json'} does not split text as {mark} does")
    if tokenizer.get("normalizer") not in _NORMALIZERS:
        raise ValueError(
            f"{model_dir / 'tokenizer.json'} normalises text in a way that llama.cpp would not"
        )
    return str(mark)


def _patterns(part: Any) -> list[str]:
    """Every regular expression in a tokenizer.json's pre-tokenizer."""
    if not isinstance(part, dict):
        return []
    found = [p for inner in part.get("pretokenizers", []) for p in _patterns(inner)]
    pattern = part.get("pattern")
    if isinstance(pattern, dict) and isinstance(pattern.get("Regex"), str):
        found.append(pattern["Regex"])
    return found


def _teach(base: Any) -> None:
    """Wrap the converter's `get_vocab_base_pre` on the class that has it."""
    own_answer = base.get_vocab_base_pre

    def get_vocab_base_pre(self: Any, tokenizer: Any) -> str:
        return marked_pre_tokenizer(Path(self.dir_model)) or str(own_answer(self, tokenizer))

    base.get_vocab_base_pre = get_vocab_base_pre


def main() -> None:
    converter_dir = Path(sys.argv[1]).resolve()
    sys.path[:0] = [str(converter_dir), str(converter_dir / "gguf-py")]
    from conversion.base import TextModel  # type: ignore[import-not-found]

    _teach(TextModel)
    script = converter_dir / "convert_hf_to_gguf.py"
    sys.argv = [str(script), *sys.argv[2:]]
    runpy.run_path(str(script), run_name="__main__")


if __name__ == "__main__":
    main()
