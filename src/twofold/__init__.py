"""twofold: a language model in two files, and the whole craft of making one."""

__version__ = "0.1.0"
