"""Byte-pair encoding in plain Python: the thing to read, and the oracle that the fast one is tested against.

    1. Text is UTF-8 bytes; there are 256 of them, so no text is ever out of the vocabulary.
    2. A pre-tokenizer cuts the text into pieces, roughly words. No merge crosses a cut.
    3. Training: count the pairs of neighbours in all pieces, join the commonest pair into a new token, repeat.
    4. Encoding: in each piece join the pair that was learned earliest, repeat. What is left are the tokens.

Sennrich et al. 2016, arXiv:1508.07909 (algorithm 1); over bytes: Radford et al. 2019, section 2.2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from twofold.tokenizer.pretokenizers import cut
from twofold.tokenizer.spelling import ALPHABET, unspell

__all__ = ["ReferenceBPE", "join", "neighbours"]

Pair = tuple[bytes, bytes]

BYTES = [unspell(letter) for letter in ALPHABET]


def neighbours(word: Sequence[bytes]) -> Iterator[Pair]:
    return zip(word, word[1:], strict=False)


def join(word: Sequence[bytes], pair: Pair) -> list[bytes]:
    """Join each occurrence of `pair`, from the left: (a, a) in [a, a, a] gives [aa, a]."""
    joined: list[bytes] = []
    i = 0
    while i < len(word):
        if tuple(word[i : i + 2]) == pair:
            joined.append(word[i] + word[i + 1])
            i += 2
        else:
            joined.append(word[i])
            i += 1
    return joined


class ReferenceBPE:
    """`tokens` in id order: the specials, the 256 bytes, then what each merge made."""

    def __init__(self, merges: Sequence[Pair], pre: str = "qwen2", specials: Sequence[str] = ()) -> None:
        self.pre = pre
        self.merges = list(merges)
        self.rank = {pair: i for i, pair in enumerate(self.merges)}
        made = dict.fromkeys(left + right for left, right in self.merges)
        self.tokens = [*(name.encode() for name in specials), *BYTES, *made]
        self.ids = {token: len(specials) + i for i, token in enumerate(self.tokens[len(specials) :])}

    @classmethod
    def train(
        cls, texts: Iterable[str], vocab_size: int, pre: str = "qwen2", specials: Sequence[str] = ()
    ) -> ReferenceBPE:
        """Join the commonest pair until there are `vocab_size` tokens or no pair occurs twice.

        Among equally common pairs the one with the smaller ids (of its left, then of its right half) goes first.
        """
        pieces = Counter(piece for text in texts for piece in cut(text, pre))
        words = [([bytes([byte]) for byte in piece.encode()], count) for piece, count in pieces.items()]
        ids = {token: i for i, token in enumerate(BYTES)}
        merges: list[Pair] = []
        while len(ids) < vocab_size - len(specials):
            counts: Counter[Pair] = Counter()
            for word, count in words:
                for pair in neighbours(word):
                    counts[pair] += count
            best = min(counts, key=lambda pair: (-counts[pair], ids[pair[0]], ids[pair[1]]), default=None)
            if best is None or counts[best] < 2:
                break
            merges.append(best)
            ids.setdefault(best[0] + best[1], len(ids))
            words = [(join(word, best), count) for word, count in words]
        return cls(merges, pre, specials)

    def encode(self, text: str) -> list[int]:
        return [self.ids[token] for piece in cut(text, self.pre) for token in self.encode_piece(piece.encode())]

    def encode_piece(self, piece: bytes) -> list[bytes]:
        """Join the pair of the earliest merge, the leftmost of its occurrences first, until no pair has a merge."""
        if self.pre == "llama-bpe" and piece in self.ids:  # llama.cpp takes a whole piece that is a token as it is
            return [piece]
        word = [bytes([byte]) for byte in piece]
        while True:
            ranked = [(self.rank[pair], i) for i, pair in enumerate(neighbours(word)) if pair in self.rank]
            if not ranked:
                return word
            _, i = min(ranked)
            word[i : i + 2] = [word[i] + word[i + 1]]

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        return b"".join(self.tokens[i] for i in ids)
