"""How the next token is chosen: llama.cpp's own samplers, chained in its own order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

REPEAT_WINDOW_TOKENS = 64
RANDOM_SEED = 0xFFFFFFFF
"""LLAMA_DEFAULT_SEED: llama.cpp draws a seed of its own."""


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen, and how many at most."""

    temperature: float = 0.7
    """0.0 takes the likeliest token always; nothing else below but the penalty then matters."""
    top_k: int = 40
    """0 switches it off."""
    top_p: float = 0.95
    """1.0 switches it off."""
    min_p: float = 0.05
    """0.0 switches it off."""
    repeat_penalty: float = 1.0
    """1.0 switches it off. Looks at the reply's own last 64 tokens, never at others' words."""
    max_tokens: int = 120
    seed: int = -1
    """-1: another one each time, or the engine's own where it was loaded with one."""


def make_chain(llama: Any, vocab: Any, sampling: Sampling, seed: int) -> Any:
    """llama.cpp's chain: penalties, top-k, top-p, min-p, temperature, draw. The caller frees it
    with `llama_sampler_free`, which frees its links too."""
    chain = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
    for link in _links(llama, vocab, sampling, seed):
        llama.llama_sampler_chain_add(chain, link)
    return chain


def _links(llama: Any, vocab: Any, sampling: Sampling, seed: int) -> list[Any]:
    links = []
    if sampling.repeat_penalty != 1.0:
        size = llama.llama_vocab_n_tokens(vocab)
        penalties = (REPEAT_WINDOW_TOKENS, sampling.repeat_penalty, 0.0, 0.0)
        links.append(llama.llama_sampler_init_penalties(size, *penalties))
    if sampling.temperature <= 0.0:
        return [*links, llama.llama_sampler_init_greedy()]
    if sampling.top_k > 0:
        links.append(llama.llama_sampler_init_top_k(sampling.top_k))
    if sampling.top_p < 1.0:
        links.append(llama.llama_sampler_init_top_p(sampling.top_p, 1))
    if sampling.min_p > 0.0:
        links.append(llama.llama_sampler_init_min_p(sampling.min_p, 1))
    links.append(llama.llama_sampler_init_temp(sampling.temperature))
    return [*links, llama.llama_sampler_init_dist(seed)]
