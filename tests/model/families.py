"""Tiny bases of the other families: Llama 3 and Gemma 3, random weights, tokenizers of their kind.

Hidden 256, so that their GGUFs are quantised as real ones are. Two layers; of Gemma six, as every
sixth sees all of the text (llama.cpp takes that for granted), the others a window of 32 tokens.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from model.chat_format import GEMMA3, LLAMA3
from model.convert_entry import MARK, SPLITS
from tests.model.tiny import made_up_text, made_up_words

LLAMA_VOCABULARY = 640
GEMMA_VOCABULARY = 768
CONTEXT = 2048
WINDOW = 32
LLAMA_CONTROLS = (
    LLAMA3.begin,
    "<|end_of_text|>",
    LLAMA3.start,
    LLAMA3.header_end,
    LLAMA3.end,
)
_USER_DEFINED = ("<table>", "\n\n", "▁▁")
"""Pieces of Gemma's that are taken whole wherever they stand in a text, and are words."""


def llama3_base(folder: Path) -> Path:
    """A folder of transformers as Meta's is: byte-level BPE whose merges whole words pass by."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLITS["llama-bpe"][0]), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=LLAMA_VOCABULARY - len(LLAMA_CONTROLS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(), trainer)
    tokenizer.add_special_tokens(list(LLAMA_CONTROLS))
    begin = tokenizer.token_to_id(LLAMA3.begin)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{LLAMA3.begin} $A", special_tokens=[(LLAMA3.begin, begin)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=LLAMA3.begin, eos_token=LLAMA3.end
    )
    fast.save_pretrained(folder)
    _mark(folder, **{MARK: "llama-bpe"})
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        bos_token_id=begin,
        eos_token_id=fast.eos_token_id,
        **_SHAPE,
    )
    return _with_weights(LlamaForCausalLM, config, folder)


def gemma3_base(folder: Path) -> Path:
    """A folder of transformers as Google's is: SentencePiece's BPE with bytes to fall back on."""
    from transformers import Gemma3ForCausalLM

    _gemma_tokenizer(folder)
    return _with_weights(Gemma3ForCausalLM, gemma3_config(), folder)


def gemma3_config() -> Any:
    from transformers import Gemma3TextConfig

    return Gemma3TextConfig(
        vocab_size=GEMMA_VOCABULARY,
        head_dim=64,
        query_pre_attn_scalar=64,
        sliding_window=WINDOW,
        bos_token_id=2,
        eos_token_id=1,
        pad_token_id=0,
        **{**_SHAPE, "num_hidden_layers": 6},
    )


_SHAPE: dict[str, Any] = {
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": CONTEXT,
    "tie_word_embeddings": True,
    "initializer_range": 0.08,
}


def _gemma_tokenizer(folder: Path) -> None:
    import sentencepiece
    from transformers import GemmaTokenizer
    from transformers.tokenization_utils_sentencepiece import SentencePieceExtractor

    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "tokenizer.model"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(_texts()),
        model_prefix=str(file.with_suffix("")),
        model_type="bpe",
        vocab_size=GEMMA_VOCABULARY,
        byte_fallback=True,
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        split_digits=True,
        user_defined_symbols=[GEMMA3.start, GEMMA3.end, *_USER_DEFINED],
        pad_id=0,
        eos_id=1,
        bos_id=2,
        unk_id=3,
        pad_piece="<pad>",
        eos_piece="<eos>",
        bos_piece="<bos>",
        minloglevel=2,
    )
    file.with_suffix(".vocab").unlink()
    vocab, _, merges = SentencePieceExtractor(str(file)).extract()
    fast = GemmaTokenizer(vocab=vocab, merges=merges, mask_token=None)
    fast.add_special_tokens({"additional_special_tokens": [GEMMA3.start, GEMMA3.end]})
    fast.add_tokens(list(_USER_DEFINED))
    fast.save_pretrained(folder)
    specials = ("<pad>", "<eos>", "<bos>", "<unk>", GEMMA3.start, GEMMA3.end)
    added = {vocab[word]: word in specials for word in (*specials, *_USER_DEFINED)}
    pieces = {n: word for word, n in vocab.items()}
    decoder = {
        str(n): {"content": pieces[n], "special": special} for n, special in sorted(added.items())
    }
    _mark(folder, added_tokens_decoder=decoder)


def _texts() -> list[str]:
    words = [" ".join(made_up_words(line, 8)) for line in range(500)]
    return [
        *made_up_text(1, 1000),
        *words,
        "user system model assistant: 2026 12:30 100% ok?! <b> Ümläut",
    ]


def _mark(folder: Path, **more: Any) -> None:
    """Further keys of tokenizer_config.json."""
    file = folder / "tokenizer_config.json"
    config = {**json.loads(file.read_text(encoding="utf-8")), **more}
    file.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _with_weights(kind: Any, config: Any, folder: Path) -> Path:
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(7)
    kind(config).to(torch.bfloat16).save_pretrained(folder)
    return folder
