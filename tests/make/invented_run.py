"""The folder of a run that never took place, with every file that a report reads."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

from twofold.make import recipe as recipes
from twofold.make.recipe import Recipe, TokenizerSettings
from twofold.model.config import ModelConfig
from twofold.model.count import count, flops_per_token
from twofold.train.schedule import Schedule
from twofold.train.settings import TrainSettings

STEPS, BATCH, CONTEXT, BYTES_A_TOKEN = 320, 16, 256, 3.6
PEAK = 870e9

RECIPE = Recipe(
    ("almanac",), ModelConfig(4096, 6, 384, 6, CONTEXT), minutes=5.0, tokenizer=TokenizerSettings(4096),
    train=TrainSettings(batch=BATCH, context=CONTEXT, schedule=Schedule(STEPS)),
)


def _fall(source: str, name: str, into: tuple[int, int], out: tuple[int, int], reasons: dict | None = None,
          samples: list[dict] | None = None) -> dict:
    tally = [dict(zip(("documents", "bytes"), each, strict=True)) for each in (into, out)]
    reasons = {reason: dict(zip(("documents", "bytes"), lost, strict=True)) for reason, lost in (reasons or {}).items()}
    return {"source": source, "name": name, "into": tally[0], "out": tally[1], "reasons": reasons,
            "samples": samples or []}


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)> & \"'`<!--"
WATERFALL = [
    _fall("sotu", "read", (249, 12_185_751), (249, 12_185_751)),
    _fall("sotu", "hold out", (249, 12_185_751), (238, 11_800_652), {"held out": (11, 385_099)}),
    _fall("notes", "read", (47, 9_119_100), (29, 8_370_700), {"damaged": (3, 161), "no text": (15, 748_239)},
          [{"id": "bad.parquet", "reason": "damaged: no Parquet", "snippet": ""}]),
    _fall("notes", "filter", (29, 8_370_700), (27, 6_306_000), {"endless runs": (2, 2_064_700)},
          [{"id": HOSTILE, "reason": "endless runs: 100%", "snippet": HOSTILE}]),
    _fall("notes", "hold out", (27, 6_306_000), (25, 6_106_000), {"held out": (2, 200_000)}),
]
FILES = {
    "train": {"sotu": {"documents": 238, "bytes": 11_800_652}, "notes": {"documents": 25, "bytes": 6_106_000}},
    "val": {"sotu": {"documents": 11, "bytes": 385_099}, "notes": {"documents": 2, "bytes": 200_000}},
}
COURSE = [
    "They the of and to in the a of,, the. and that of",
    "They have been and the people of the States, and of the nation to be in the world of the country",
    "They have been the result of the American people, and I am confident that the Congress will be able to",
    "They have met the challenge of our time, and the people of the United States will not fail to see that the",
]


def invent(folder: Path, steps: int = STEPS) -> Path:
    """Write all the files; return the folder."""
    (folder / "text").mkdir(parents=True, exist_ok=True)
    recipes.write(folder / "recipe.toml", RECIPE)
    log, seconds = _log(steps)
    (folder / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in log), "utf-8")
    warning = "notes: in the step 'filter', 'endless runs' took 2,064,700 of 8,370,700 bytes"
    for name, content in {
        "wishes.json": {"sources": ["almanac"], "minutes": 5.0, "mix": {}},
        "text/manifest.json": {"waterfall": WATERFALL, "warnings": [warning], "files": FILES},
        "results.json": _results(folder.name, steps, seconds),
    }.items():
        (folder / name).write_text(json.dumps(content, indent=1), "utf-8")
    return folder


def _log(steps: int) -> tuple[list[dict], float]:
    chance, entries, total = random.Random(1), [], 0.0
    flops = flops_per_token(RECIPE.model, CONTEXT)
    rate = 0.55 * PEAK / flops
    for step in range(steps):
        falling = 3.6 * (step / 6 + 1) ** -0.62 + 1.1 * math.exp(-step / 5) - 0.35 * step / steps
        loss = 2.35 + falling + chance.gauss(0, 0.07)
        bits = loss / math.log(2) / BYTES_A_TOKEN
        speed = rate * chance.gauss(1, 0.03) * (0.2 if step == 0 else 1)
        elapsed = BATCH * CONTEXT / speed + (12 if step == 0 else 0) + (1.5 if step % 54 == 0 else 0)
        total += elapsed
        entries.append({
            "event": "step", "step": step, "loss": loss,
            "gradient_norm": 0.4 + 2 / (1 + step / 8) + chance.random() / 5,
            "scale": min(1, (step + 1) / 5) * min(1, (1 - step / steps) / 0.6), "seconds": BATCH * CONTEXT / speed,
            "bits_per_byte": bits, "tokens_per_second": speed, "elapsed": elapsed, "mfu": speed * flops / PEAK,
        })
        if step and step % (steps // 6 + 1) == 0:
            text = COURSE[min(len(COURSE) - 1, step * len(COURSE) // steps)]
            held = {"sotu": bits + 0.21, "notes": bits - 0.19}
            entries += [{"event": "evaluation", "step": step, "bits_per_byte": held},
                        {"event": "sample", "step": step, "prompt": "They", "text": text}]
    entries.insert(12, {"event": "revision", "step": 10, "steps": steps})
    return entries, total


def _results(name: str, steps: int, seconds: float) -> dict:
    tokens = steps * BATCH * CONTEXT
    return {
        "name": name, "code_version": "0.1.0", "made": "2026-11-24T09:12:44+00:00", "minutes": 5.0,
        "training_seconds": seconds, "tokens": tokens, "steps": steps,
        "parameters": count(RECIPE.model).held, "context": CONTEXT,
        "plan": {"bits_per_byte": 1.09, "tokens_per_second": 10_400.0, "steps": steps + 24,
                 "tokens": (steps + 24) * BATCH * CONTEXT,
                 "reasons": ["width 384 and 6 layers: a wider model would read too little text in 5 minutes",
                             "vocabulary 4,096: a larger one would spend a third of the work on the head"]},
        "machine": {"device": "cpu", "threads": 2, "dtype": "bfloat16", "flops": {"float32": 2.0e11, "bfloat16": PEAK},
                    "compiles": True, "processor": "AMD EPYC"},
        "evaluation": {
            "sotu": {"bits_per_byte": 1.214, "low": 1.187, "high": 1.246, "bytes": 385_099, "tokens": 98_221,
                     "documents": 11, "baselines": {"xz": 2.214, "bytes": 4.32}},
            "notes": {"bits_per_byte": 0.688, "low": 0.641, "high": 0.731, "bytes": 200_000, "tokens": 60_222,
                      "documents": 2, "baselines": {"xz": 1.405, "bytes": 4.98}},
        },
        "samples": [
            {"prompt": "The people", "seed": 1, "temperature": 0.8,
             "text": " of the United States have always been the first to see that the law is for all of them, and I "
                     "am glad to report that the Congress has met the need of the hour with courage."},
            {"prompt": "Capital", "seed": 2, "temperature": 0.8,
             "text": ":\n- name: Bridgetown\n- geographic coordinates: 13 06 N, 59 37 W\n- time difference: UTC-4"},
        ],
        "speed": {"tokens_per_second": 11_020.0, "mfu": 0.55},
        "files": {"parameters.gguf": {"bytes": 27_412_480, "sha256": "0f" * 32},
                  "run.py": {"bytes": 21_877, "sha256": "a3" * 32}},
        "lineage": {"recipe": "5b" * 32, "text": "c7" * 32, "sources": ["almanac"], "code": "0.1.0", "parents": [],
                    "tokens": tokens},
    }
