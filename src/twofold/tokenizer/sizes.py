"""How big a vocabulary should be: what each size makes of a text, at the price of training only the largest.

    bytes per token = UTF-8 bytes of the text / tokens of the text

A vocabulary is learned merge by merge, so the smaller one is the beginning of the larger one.
"""

from __future__ import annotations

from collections.abc import Iterable

from twofold.errors import ConfigError
from twofold.tokenizer.bpe import BPETokenizer

__all__ = ["bytes_per_token", "shrink"]


def shrink(tokenizer: BPETokenizer, vocab_size: int) -> BPETokenizer:
    """The tokenizer that training on the same text would have given for `vocab_size`: the last tokens are taken away.

    Raises ConfigError when bytes or special tokens would have to go.
    """
    tokens = tokenizer.tokens[:vocab_size]
    kept = set(tokens)
    base = tokenizer.vocab_size - len({left + right for left, right in tokenizer.merges})
    if vocab_size < base or not kept.issuperset(tokenizer.specials):
        raise ConfigError(f"a vocabulary of {vocab_size} cannot hold the {base} tokens that no merge makes")
    merges = [(left, right) for left, right in tokenizer.merges if left + right in kept]
    return BPETokenizer(
        tokens, merges, tokenizer.pre, tokenizer.specials, tokenizer.bos_id, tokenizer.eos_id, tokenizer.add_bos
    )


def bytes_per_token(tokenizer: BPETokenizer, texts: Iterable[str]) -> float:
    """Over all `texts` together, bos not counted; nan when there is no text."""
    texts = list(texts)
    tokens = sum(map(len, tokenizer.encode_batch(texts)))
    return sum(len(text.encode("utf-8", "replace")) for text in texts) / tokens if tokens else float("nan")
