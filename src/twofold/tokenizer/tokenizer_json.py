"""Hugging Face's tokenizer.json, out and in, for byte-level BPE: the format that `tokenizers` and transformers load.

What a file says is checked before it is believed: types, ids without gaps, and that its steps are ones whose result is
known here. Two things are read loosely: a normaliser to NFC is not applied (prepared text is in NFC, and llama.cpp does
not apply it either), and every added token is a special one, so that none is parsed out of a text unasked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twofold.errors import FileFormatError
from twofold.tokenizer.pretokenizers import CONTRACTION, PATTERNS

__all__ = ["parse", "render"]

LARGEST = 100 << 20  # bytes; the largest in the field have 33 MB
ENDS = ("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>")  # tokenizer.json has no field for the role

_FOLDED = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"  # the same but for ſ, which here and in llama.cpp is not an s

_BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
_GPT2 = _BYTES | {"use_regex": True}
_STEPS: dict[str, list[dict[str, Any]]] = {
    "gpt-2": [_GPT2],
    "smollm": [{"type": "Digits", "individual_digits": True}, _GPT2],
} | {
    name: [{"type": "Split", "pattern": {"Regex": PATTERNS[name][0]}, "behavior": "Isolated", "invert": False}, _BYTES]
    for name in ("qwen2", "llama-bpe")
}


def render(
    tokens: Sequence[str], merges: Sequence[tuple[str, str]], pre: str, specials: Mapping[str, int], bos_id: int | None
) -> str:
    """The file's text. With a `bos_id` the tokenizer that loads it puts that token in front of every text."""
    steps = _STEPS[pre]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    added = [{"id": i, "content": name, **flags} for name, i in sorted(specials.items(), key=lambda item: item[1])]
    document = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": steps[0] if len(steps) == 1 else {"type": "Sequence", "pretokenizers": steps},
        "post_processor": None if bos_id is None else _begins_with(tokens[bos_id], bos_id),
        "decoder": _GPT2,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": pre == "llama-bpe",
            "vocab": {token: i for i, token in enumerate(tokens)},
            "merges": [list(pair) for pair in merges],
        },
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def parse(source: str | Path) -> dict[str, Any]:
    """The parts of a BPETokenizer, from a file (Path) or from the JSON itself (str). Raises FileFormatError."""
    try:
        document = _object(json.loads(_read(source)), "the file")
        model = _object(document.get("model"), "model")
        _refuse_unknown(document, model)
        specials = _added(document.get("added_tokens") or [])
        pre = _pre_tokenizer(document.get("pre_tokenizer"))
        if bool(model.get("ignore_merges")) != (pre == "llama-bpe"):
            raise FileFormatError(f"ignore_merges={model.get('ignore_merges')} does not go with pre-tokenizer {pre}")
        bos_id = _bos(document.get("post_processor"), specials)
        end = next((specials[name] for name in ENDS if name in specials), bos_id)
        return {
            "tokens": _tokens(_object(model.get("vocab"), "model.vocab"), specials),
            "merges": [_pair(merge) for merge in _list(model.get("merges"), "model.merges")],
            "pre": pre,
            "specials": specials,
            "bos_id": end if bos_id is None else bos_id,
            "eos_id": end,
            "add_bos": bos_id is not None,
        }
    except RecursionError as error:
        raise FileFormatError("it is nested too deeply to be read") from error
    except ValueError as error:  # not JSON, not UTF-8, a number of thousands of digits
        raise FileFormatError(f"it is not JSON that can be read ({error!s:.200})") from error


def _read(source: str | Path) -> str | bytes:
    if isinstance(source, str):
        return source
    try:
        size = source.stat().st_size
        if size > LARGEST:
            raise FileFormatError(f"{size} bytes are more than a tokenizer has ({LARGEST})")
        return source.read_bytes()
    except OSError as error:
        raise FileFormatError(f"the file cannot be read ({error.strerror})") from error


def _refuse_unknown(document: Mapping[str, Any], model: Mapping[str, Any]) -> None:
    if model.get("type", "BPE") != "BPE":
        raise FileFormatError(f"the model is {model['type']!r:.40}; only byte-level BPE can be read")
    for name in ("byte_fallback", "dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(name):
            raise FileFormatError(f"the model has {name}={model[name]!r:.40}, which byte-level BPE does not use")
    normaliser = document.get("normalizer")
    if normaliser not in (None, {"type": "NFC"}):
        raise FileFormatError(f"the normaliser {json.dumps(normaliser):.60} is neither NFC nor none")


def _added(entries: Any) -> dict[str, int]:
    added: dict[str, int] = {}
    for entry in _list(entries, "added_tokens"):
        content, i = _object(entry, "an added token").get("content"), entry.get("id")
        if not isinstance(content, str) or not content or type(i) is not int:
            raise FileFormatError(f"an added token has content {content!r:.40} and id {i!r:.40}")
        if added.setdefault(content, i) != i:
            raise FileFormatError(f"the added token {content!r:.40} has two ids")
    return added


def _tokens(vocab: Mapping[str, Any], specials: Mapping[str, int]) -> list[str]:
    ids = {**vocab, **specials}
    moved = next((name for name, i in specials.items() if vocab.get(name, i) != i), None)
    if moved is not None:
        raise FileFormatError(f"the token {moved!r:.40} has two ids")
    by_id = {i: token for token, i in ids.items() if type(i) is int and 0 <= i < len(ids)}
    if len(by_id) != len(ids):
        raise FileFormatError(f"the ids of the {len(ids)} tokens are not the numbers from 0 to {len(ids) - 1}")
    return [by_id[i] for i in range(len(ids))]


def _pair(merge: Any) -> tuple[str, str]:
    parts = merge.split(" ") if isinstance(merge, str) else merge
    if not isinstance(parts, list) or len(parts) != 2 or not all(isinstance(part, str) for part in parts):
        raise FileFormatError(f"the merge {merge!r:.60} is not a pair of tokens")
    return (parts[0], parts[1])


def _pre_tokenizer(value: Any) -> str:
    """llama.cpp's name for the pre-tokenizer in the file."""
    wanted = _essence(value)
    for name, steps in _STEPS.items():
        if wanted == _essence({"type": "Sequence", "pretokenizers": steps}):
            return name
    raise FileFormatError(
        f"the pre-tokenizer {json.dumps(value):.120} is not one that can be used here; known are those of "
        f"{', '.join(_STEPS)}"
    )


def _essence(value: Any) -> list[object]:
    """The steps without what does not change the pieces; [None] where there is something else."""
    if not isinstance(value, dict):
        return [None]
    kind = value.get("type")
    if kind == "Sequence":
        return [step for part in _list(value.get("pretokenizers"), "pretokenizers") for step in _essence(part)]
    if kind == "ByteLevel" and value.get("add_prefix_space") is False:
        return ["gpt-2"] if value.get("use_regex", True) else []
    if kind == "Digits" and value.get("individual_digits") is True:
        return ["digits"]
    if kind == "Split" and isinstance(value.get("pattern"), dict):
        isolated = (value.get("behavior"), value.get("invert")) in (("Isolated", False), ("Removed", True))
        expression = str(value["pattern"].get("Regex"))
        return [expression.replace(_FOLDED, CONTRACTION)] if isolated else [None]
    return [None]


def _begins_with(name: str, i: int) -> dict[str, Any]:
    bos, text = {"SpecialToken": {"id": name, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}
    second = {"Sequence": {"id": "B", "type_id": 0}}
    return {
        "type": "TemplateProcessing",
        "single": [bos, text],
        "pair": [bos, text, second],
        "special_tokens": {name: {"id": name, "ids": [i], "tokens": [name]}},
    }


def _bos(processor: Any, specials: Mapping[str, int]) -> int | None:
    """The id that the file's post-processor puts in front of a text."""
    if processor is None:
        return None
    kind = _object(processor, "post_processor").get("type")
    if kind == "ByteLevel":
        return None
    if kind == "Sequence":
        found = [_bos(part, specials) for part in _list(processor.get("processors"), "processors")]
        return next((i for i in found if i is not None), None)
    if kind == "TemplateProcessing":
        single = [_object(part, "a part of the template") for part in _list(processor.get("single"), "single")]
        kinds = [next(iter(part), None) for part in single]
        if kinds == ["Sequence"]:
            return None
        if kinds == ["SpecialToken", "Sequence"]:
            name = _object(single[0]["SpecialToken"], "a special token").get("id")
            if isinstance(name, str) and name in specials:
                return specials[name]
    raise FileFormatError(f"the post-processor {json.dumps(processor):.120} is not one that can be used here")


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FileFormatError(f"{what} is {type(value).__name__}, not an object")
    return value


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise FileFormatError(f"{what} is {type(value).__name__}, not a list")
    return value
