"""A parameters file in memory that holds a Decoder's parameters as they are now: how run.c runs a model in training.

The file is laid out once. After that, taking the parameters as they have become is one copy into their places (6M
parameters: 24 MB) and run.c's own repacking.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from twofold.tokenizer.bpe import BPETokenizer
from twofold.weights import gguf
from twofold.weights.layout import GGUF_NAMES, pack, stored
from twofold.weights.parameters import save
from twofold.weights.torch_state import from_decoder, whole

if TYPE_CHECKING:
    from twofold.model.decoder import Decoder

__all__ = ["LivingFile"]


class LivingFile:
    """`data` is the whole file, uint8. Everything is float32, so that nothing is lost."""

    def __init__(self, model: Decoder, tokenizer: BPETokenizer) -> None:
        self.model = model
        with tempfile.TemporaryDirectory(prefix="twofold-") as folder:
            path = Path(folder) / "parameters.gguf"
            save(path, model.config, from_decoder(model), tokenizer, dtype="F32")
            places = gguf.read(path).tensors  # its map of the file ends here, before the folder does
            self.data = np.fromfile(path, np.uint8)
        self._views = []
        for one in stored(model.config, GGUF_NAMES[model.config.architecture]):
            info = places[one.name]
            numbers = self.data[info.offset : info.offset + info.n_bytes].view(np.float32)
            self._views.append((one, numbers.reshape(info.shape)))

    def update(self) -> np.ndarray:
        """Take the parameters as they are now; the data."""
        state = {name: one.numpy() for name, one in whole(self.model).items()}
        for one, view in self._views:
            view[...] = pack(one, state)
        return self.data
