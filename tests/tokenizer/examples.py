"""A small text in several scripts, and a strategy for texts that meets the corners of the patterns."""

from __future__ import annotations

from hypothesis import strategies as st

TEXT = (
    "It's 1984! In 1984 the theory of the thing was that they'd thought it through, and that's that.\n"
    "The Congress of the United States shall meet; WE'LL see, they're here: I've 12,345.678 reasons.\r\n\r\n"
    "\tdef encode(text):\n\t\treturn text  # aaaaaaaaaaaaaaaa ------- ======= \n\n\n"
    "L'été à Genève, où l'on a 3½ heures. Ça va? Größe, Straße, naïve café.\n"
    "日本語の文章です。日本語の文章は長い。 Привет, привет, мир! שלום عليكم ١٢٣ 🙂🙂 👩‍👩‍👧 e\u0301 \u00a0\u3000x\n"
)

CORNERS = [
    "'s", "'S", "'ſ", "'re", "'lL", "'", "don't", " ", "  ", "\n", "\r\n", "\n\n", " \n", "\t", "\x0b", "\x85",
    "\u2028", "٣", "½", "x²", "日本", "é", "e\u0301", "🙂", "👩‍👩‍👧", "...", "--", " .", "0x1F", "1,234.56",
    "<|endoftext|>", "<|im_start|>", "\x00", "\u200d", "\ufeff", "the", " the", "The", "aaaa", "1984",
]  # fmt: skip

texts = st.lists(st.sampled_from(CORNERS) | st.text(max_size=6), max_size=15).map("".join)
