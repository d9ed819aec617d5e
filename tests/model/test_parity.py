"""What an export is refused for, each with the first token that differs; what agrees passes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model import evaluate, export, forge, parity
from model.chat_format import Own, Said, turns_to_json
from model.evaluate import ExampleNll, Nll
from model.export import FTYPES, ExportError
from model.gguf_check import check
from model.tokenizers import VocabularyFile
from storage import manifest
from storage.paths import Home
from tests.model import tiny

PERSONA = "You are Mynah."


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sets") / "small"
    folder.mkdir()
    lines = tiny.made_up_text(5, 60)
    for name, count in (("training_data.jsonl", 2), ("validation_data.jsonl", 20)):
        rows = [
            {
                "persona": PERSONA,
                "turns": turns_to_json([Said("bob", lines[n]), Own("lol")]),
                "reply": lines[n + 20],
            }
            for n in range(count)
        ]
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    manifest.write_manifest(folder, "dataset", {}, {})
    return folder


@pytest.fixture(scope="module")
def hf_tokenizer(hf_dir: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(hf_dir)


class Other:
    """A tokenizer that takes one token for another one."""

    def __init__(self, inner: Any, *, text: int | None = None, control: str = "") -> None:
        self.inner, self.text, self.control = inner, text, control

    def control_id(self, token: str) -> int:
        found: int = self.inner.control_id(token)
        return found - 1 if token == self.control else found

    def text_ids(self, text: str) -> list[int]:
        return [i + 1 if i == self.text else i for i in self.inner.text_ids(text)]


def test_several_types_of_one_model_lie_beside_each_other(
    hf_dir: Path,
    f16_gguf: Path,
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The F16 file is made for each call and goes again; a bound takes the best that fits, and asks
    nothing anew once the sizes are known."""
    # The converter made this file of the same weights; it starts torch each time.
    monkeypatch.setattr(export, "convert_to_gguf", lambda _, out, **__: shutil.copy(f16_gguf, out))
    run = forge.Run.at(Home(tmp_path), "small")
    shutil.copytree(hf_dir, run.merged_dir)
    manifest.write_manifest(run.merged_dir, "merged", {}, {})
    made = []
    for ftype in ("Q4_K_M", "Q8_0"):
        one, is_made = forge.export_gguf(replace(run, ftype=ftype), hf_dir, dataset)
        assert is_made
        made.append(one)
    assert len({one.gguf_sha256() for one in made}) == 2
    figures = manifest.verify_manifest(made[1].gguf_dir).counts
    assert figures["examples"] == 20
    assert figures["greedy_f16"] > 0.99
    assert figures["bits_per_weight"] == pytest.approx(8.5, abs=0.1)
    assert "nll_adapter" not in figures
    assert not (run.merged_dir.parent / "f16").exists()

    monkeypatch.setattr(parity, "check", None)  # nothing is made from here on
    sizes = figures["sizes"]
    most = (sizes["Q8_0"] + 1) / 1e9
    assert forge.export_gguf(run, hf_dir, dataset, max_size_gb=most) == (made[1], False)
    with pytest.raises(ExportError, match="No type fits into"):
        forge.export_gguf(run, hf_dir, dataset, max_size_gb=1e-6)


def test_the_first_token_that_differs_is_named(
    hf_tokenizer: Any, q4_gguf: Path, dataset: Path
) -> None:
    file = dataset / "validation_data.jsonl"
    with VocabularyFile(q4_gguf) as vocabulary:
        same = parity.read_alike(file, hf_tokenizer, vocabulary.tokenizer)
        assert len(same) == 20
        parity.refuse_other_controls(hf_tokenizer, vocabulary.tokenizer)
        [bob] = vocabulary.tokenizer.text_ids("bob")[:1]
        word, other = (hf_tokenizer.decode([i]) for i in (bob, bob + 1))
        at = same[0][0].index(bob) + 1
        with pytest.raises(ExportError) as refused:
            parity.read_alike(file, hf_tokenizer, Other(vocabulary.tokenizer, text=bob))
        assert f"token {at} of line 1" in str(refused.value)
        assert f"{word!r} ({bob}) in the model and {other!r} ({bob + 1})" in str(refused.value)
        assert "<|im_start|>user\\n'" in str(refused.value)
        changed = Other(vocabulary.tokenizer, control="<|im_end|>")
        with pytest.raises(ExportError, match=r"control token <\|im_end\|> is \d+ in the model"):
            parity.refuse_other_controls(hf_tokenizer, changed)


def test_another_chat_template_names_the_token(hf_tokenizer: Any, q4_gguf: Path) -> None:
    header = check(q4_gguf)
    parity.refuse_other_template(hf_tokenizer, header)
    ours = hf_tokenizer.chat_template

    def with_template(text: str) -> Any:
        return replace(header, metadata={**header.metadata, "tokenizer.chat_template": text})

    parity.refuse_other_template(hf_tokenizer, with_template("{# other words #}" + ours))
    other = ours.replace("<|im_end|>", "<|endoftext|>", 1)
    with pytest.raises(ExportError, match=r"it has '<\|endoftext\|>' .* of '<\|im_end\|>'"):
        parity.refuse_other_template(hf_tokenizer, with_template(other))
    with pytest.raises(ExportError, match="chat template is another one"):
        parity.refuse_other_template(hf_tokenizer, with_template("{{ raise_exception('no') }}"))


def test_what_computes_something_else_is_refused(
    hf_dir: Path,
    f16_gguf: Path,
    q4_gguf: Path,
    dataset: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = evaluate.gguf_nll

    def check_with(change: dict[str, float], ftype: str = "Q4_K_M") -> dict[str, float]:
        def changed(path: Path, encoded: Any, threads: int = 1) -> Nll:
            found = before(path, encoded)
            return replace(found, mean=found.mean + change.get(path.name, 0.0))

        monkeypatch.setattr(evaluate, "gguf_nll", changed)
        return parity.check(None, hf_dir, f16_gguf, q4_gguf, dataset, hf_dir, ftype=ftype)

    assert check_with({})["examples"] == 20
    with pytest.raises(ExportError, match="F16 GGUF does not compute what the merged model"):
        check_with({f16_gguf.name: 0.2})
    with pytest.raises(ExportError, match="Quantising to Q4_K_M cost too much"):
        check_with({q4_gguf.name: 0.5})
    with pytest.raises(ExportError, match="Quantising to Q4_K_M cost too much"):
        check_with({q4_gguf.name: float("nan")})


def test_every_type_has_its_bound() -> None:
    bounds = [parity.quantised_tolerance(ftype) for ftype in FTYPES]
    assert bounds == sorted(bounds)


def test_agreement_counts_tokens() -> None:
    one = Nll(1.0, 3, (ExampleNll(1.0, 2, (5, 6)), ExampleNll(1.0, 1, (7,))))
    other = Nll(1.0, 3, (ExampleNll(1.0, 2, (5, 9)), ExampleNll(1.0, 1, (7,))))
    assert parity.greedy_agreement(one, other) == pytest.approx(2 / 3)
