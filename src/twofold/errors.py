"""Every exception that twofold raises on purpose.

    TwofoldError                    exit code 1: the work failed
      Diverged                      what was to fall has run away; the message names a smaller step
      UserError                     exit code 2: the input was wrong, and the message says what to do
        ConfigError                 a shape, recipe or option that cannot be
        SourceError                 text that is missing, unreadable or empty
        FileFormatError             a parameters file, header, tokenizer or config that is not what it claims
        MissingExtra                an optional dependency is not installed
        DiskFull                    there is no room to write
        NetworkError                a remote source cannot be reached
        GroupError                  several processes were launched but cannot form a group

A message says what was wrong, with the value, and the way out. The command line prints it without a traceback.
"""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = [
    "ConfigError",
    "DiskFull",
    "Diverged",
    "FileFormatError",
    "GroupError",
    "MissingExtra",
    "NetworkError",
    "SourceError",
    "TwofoldError",
    "UserError",
    "require",
]


class TwofoldError(Exception):
    exit_code = 1


class Diverged(TwofoldError):
    pass


class UserError(TwofoldError):
    exit_code = 2


class ConfigError(UserError):
    pass


class SourceError(UserError):
    pass


class FileFormatError(UserError):
    pass


class MissingExtra(UserError):
    pass


class DiskFull(UserError):
    pass


class NetworkError(UserError):
    pass


class GroupError(UserError):
    pass


def require(module: str, extra: str, purpose: str) -> ModuleType:
    """Import `module`, or raise MissingExtra that names the extra which brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtra(
            f"{purpose} needs the package {module.split('.')[0]!r}, which is not installed ({error}); "
            f"install it with: pip install 'twofold[{extra}]'"
        ) from error
