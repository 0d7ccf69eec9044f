"""Text to tokens and back: byte-level BPE, its training, and the chat template."""
