"""Learn a byte-level BPE vocabulary from text.

    specials, the 256 bytes, then one token for each merge, in the order in which the merges were learned
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

from twofold.errors import ConfigError
from twofold.tokenizer.bpe import BPETokenizer
from twofold.tokenizer.pretokenizers import PATTERNS
from twofold.tokenizer.spelling import ALPHABET

__all__ = ["SPECIALS", "train_bpe"]

SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def train_bpe(
    texts: Iterable[str], vocab_size: int, pre: str = "qwen2", specials: Sequence[str] = SPECIALS
) -> BPETokenizer:
    """A tokenizer of at most `vocab_size` tokens (fewer when the text has no more pairs). The first special is bos and eos.

    Raises ConfigError for a vocabulary too small to hold the bytes, or an unknown pre-tokenizer.
    """
    if vocab_size < 256 + len(specials):
        raise ConfigError(
            f"a vocabulary of {vocab_size} cannot hold 256 bytes and {len(specials)} special tokens; "
            f"ask for at least {256 + len(specials)}"
        )
    if pre not in PATTERNS:
        raise ConfigError(f"the pre-tokenizer {pre!r} is not one of {', '.join(PATTERNS)}")
    engine = Tokenizer(models.BPE())
    cuts = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in PATTERNS[pre]]
    engine.pre_tokenizer = pre_tokenizers.Sequence(
        [*cuts, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(specials), initial_alphabet=list(ALPHABET), show_progress=False
    )
    engine.train_from_iterator(texts, trainer)
    merges = [tuple(merge) for merge in json.loads(engine.to_str())["model"]["merges"]]
    tokens = [*specials, *ALPHABET, *(left + right for left, right in merges)]
    first = 0 if specials else None
    return BPETokenizer(tokens, merges, pre, {name: i for i, name in enumerate(specials)}, first, first, bool(specials))
