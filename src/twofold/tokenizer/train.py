"""Learn a byte-level BPE vocabulary from text: join the commonest pair of neighbours into a token, again and again.

    vocabulary = specials, the 256 bytes, then one token for each merge, in the order in which they were learned

The same merges as `reference.py` in the same order, some thousand times faster: pieces are counted once, all places of
a pair are joined at once, and only the counts that a merge touches are renewed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush

import numpy as np

from twofold.errors import ConfigError
from twofold.tokenizer.bpe import BPETokenizer
from twofold.tokenizer.chain import Chain, grouped
from twofold.tokenizer.pretokenizers import PATTERNS, cut
from twofold.tokenizer.spelling import ALPHABET, spell, unspell

__all__ = ["SPECIALS", "check_wishes", "train_bpe"]

SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
BASE = 1 << 32  # a pair of ids as one number: first · BASE + second


def train_bpe(
    texts: Iterable[str], vocab_size: int, pre: str = "qwen2", specials: Sequence[str] = SPECIALS
) -> BPETokenizer:
    """A tokenizer of `vocab_size` tokens, or fewer when no pair occurs twice any more.

    Among equally common pairs the one with the smaller ids goes first. The first special is bos and eos, and add_bos is
    True. Raises ConfigError for a vocabulary that cannot hold the bytes, and for an unknown pre-tokenizer.
    """
    check_wishes(vocab_size, pre, specials)
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(cut(text, pre))
    pairs = _merges({piece.encode(): n for piece, n in counts.items()}, vocab_size - len(specials))
    merges = [(spell(left), spell(right)) for left, right in pairs]
    made = dict.fromkeys(left + right for left, right in merges)
    first = 0 if specials else None
    return BPETokenizer(
        tokens=[*specials, *ALPHABET, *made],
        merges=merges,
        pre=pre,
        specials={name: i for i, name in enumerate(specials)},
        bos_id=first,
        eos_id=first,
        add_bos=bool(specials),
    )


def check_wishes(vocab_size: int, pre: str, specials: Sequence[str] = SPECIALS) -> None:
    """Raises ConfigError for what no training can give, before any text is read."""
    if pre not in PATTERNS:
        raise ConfigError(f"the pre-tokenizer {pre!r} is not one of {', '.join(PATTERNS)}")
    if vocab_size < 256 + len(specials):
        raise ConfigError(
            f"a vocabulary of {vocab_size} cannot hold 256 bytes and {len(specials)} special tokens; "
            f"the smallest is {256 + len(specials)}"
        )


def _merges(words: Mapping[bytes, int], vocab_size: int) -> list[tuple[bytes, bytes]]:
    """The merges that bring the 256 bytes to `vocab_size` tokens, from words and how often each occurs."""
    tokens = [unspell(letter) for letter in ALPHABET]
    ids = {token: i for i, token in enumerate(tokens)}
    chain = Chain(list(words), np.array([ids[bytes([byte])] for byte in range(256)]))
    weight = np.repeat(np.array(list(words.values()), dtype=np.int64), [len(word) for word in words])
    count: defaultdict[int, int] = defaultdict(int)
    where: defaultdict[int, list[np.ndarray]] = defaultdict(list)

    def by_pair(positions: np.ndarray) -> list[tuple[int, np.ndarray]]:
        first, second = chain.pairs(positions)
        return list(grouped(first.astype(np.int64) * BASE + second, positions))

    def appear(positions: np.ndarray) -> set[int]:
        pairs = by_pair(positions)
        for pair, found in pairs:
            where[pair].append(found)
            count[pair] += int(weight[found].sum())
        return {pair for pair, _ in pairs}

    def vanish(positions: np.ndarray) -> set[int]:
        pairs = by_pair(positions)
        for pair, found in pairs:
            count[pair] -= int(weight[found].sum())
        return {pair for pair, _ in pairs}

    queue = [(-count[pair], pair) for pair in appear(chain.all_pairs())]
    heapify(queue)
    merges: list[tuple[bytes, bytes]] = []
    while queue and len(tokens) < vocab_size:
        negative, pair = heappop(queue)
        if count[pair] != -negative:
            continue  # the count has changed since, and a newer entry says so
        if count[pair] < 2:
            break
        first, second = divmod(pair, BASE)
        made = tokens[first] + tokens[second]
        merges.append((tokens[first], tokens[second]))
        if ids.setdefault(made, len(tokens)) == len(tokens):
            tokens.append(made)
        places = chain.places(where.pop(pair), first, second)
        touched = vanish(chain.around(places))
        touched |= appear(chain.join(places, ids[made]))
        for changed in touched:
            heappush(queue, (-count[changed], changed))
    return merges
