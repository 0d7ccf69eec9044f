"""A small model made from nothing for a benchmark of what comes after: a tokenizer, random parameters, conversations.

It goes the way that a user goes: a parameters file, conversations as JSON lines, `finetune`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from twofold.data.conversations import Conversation, write
from twofold.make.finetune import finetune
from twofold.make.observer import Silent
from twofold.make.recipe import MachineSettings
from twofold.model.config import ModelConfig
from twofold.model.decoder import Decoder, initialise
from twofold.tokenizer.chat import TEMPLATE, render
from twofold.tokenizer.train import train_bpe
from twofold.tune.settings import TuneSettings
from twofold.weights.parameters import save
from twofold.weights.torch_state import from_decoder

__all__ = ["start"]


def start(
    folder: Path, conversations: Iterable[Conversation], steps: int, machine: MachineSettings, *, seed: int = 0,
    d_model: int = 128, n_layers: int = 2, context: int = 128, vocabulary: int = 512, batch: int = 8, lr: float = 0.02,
) -> Path:
    """A model that has learned of `conversations` for so many steps of `batch` rows, in folder/assistant."""
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "assistant" / "parameters.gguf").exists():
        return folder / "assistant"
    data = folder / "conversations.jsonl"
    made = list(conversations)
    write(data, made)
    texts = [render([message.to_dict() for message in one.messages]) for one in made[:2000]]
    tokenizer = train_bpe(texts, vocabulary)
    config = ModelConfig(tokenizer.vocab_size, n_layers, d_model, d_model // 32, context)
    model = initialise(Decoder(config), seed)
    save(folder / "parameters.gguf", config, from_decoder(model), tokenizer, dtype="F32", chat_template=TEMPLATE)
    settings = TuneSettings((str(data),), steps=steps, context=context, batch=batch, lr=lr, held_out=0.02, seed=seed)
    finetune(str(folder), settings, machine, folder / "assistant", Silent())
    return folder / "assistant"
