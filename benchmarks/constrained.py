"""What constrained output costs a token.

    python benchmarks/constrained.py [MODEL] [--rounds 5] [--tokens 96]

Contenders, interleaved, medians of milliseconds per token at batch 1:
    free       no form
    any text   the form is any text at all: every token pays for the parser and the mask, and nothing else changes
    json       a JSON schema, whose forced parts are guessed and read together
    json, not guessed   the same without that
and the matcher alone: milliseconds to compute and apply a mask and follow a token.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

from twofold.contracts import Sampling
from twofold.engine.constrained import Constraint, Matcher
from twofold.engine.conversation import chat_prompt
from twofold.engine.open import open_model
from twofold.engine.service import Request, Service

SCHEMA = {
    "type": "array", "minItems": 20,
    "items": {
        "type": "object", "required": ["first_name", "family_name", "age", "occupation"], "additionalProperties": False,
        "properties": {
            "first_name": {"type": "string", "maxLength": 12}, "family_name": {"type": "string", "maxLength": 12},
            "age": {"type": "integer", "minimum": 0, "maximum": 99},
            "occupation": {"enum": ["farmer", "teacher", "sailor", "none"]},
        },
    },
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="smollm2-135m")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=96)
    given = parser.parse_args()
    engine = open_model(given.model)
    prompt = tuple(chat_prompt(engine, [{"role": "user", "content": "Make up some people, as a JSON list."}]))
    forms = {"free": None, "any text": Constraint.regex(r"(.|\n)*"), "json": Constraint.json_schema(SCHEMA)}
    forms["json, not guessed"] = forms["json"]
    times: dict[str, list[float]] = {name: [] for name in forms}
    guesses = Matcher.forced
    with Service(engine) as service:
        for seed in range(given.rounds + 1):
            for name, form in forms.items():
                Matcher.forced = guesses if name != "json, not guessed" else lambda self: []  # type: ignore[method-assign]
                request = Request(prompt, given.tokens, Sampling(seed=seed), constraint=form, ignore_eos=form is None)
                usage = list(service.stream(request))[-1].usage
                assert usage is not None
                if seed and usage.completion_tokens > 1:  # the first round warms up
                    times[name].append(1000 * usage.completion_seconds / (usage.completion_tokens - 1))
    Matcher.forced = guesses  # type: ignore[method-assign]
    medians = {name: statistics.median(each) for name, each in times.items()}
    print(json.dumps({
        "model": given.model, "backend": engine.backend.name, "milliseconds_per_token": medians,
        "cost_of_the_form": medians["any text"] / medians["free"] - 1,
        "json_against_free": medians["json"] / medians["free"] - 1,
        "matcher_alone_milliseconds": alone(engine, forms["json"], prompt),
    }, indent=2))  # fmt: skip


def alone(engine, form, prompt) -> float:  # type: ignore[no-untyped-def]
    scores = engine.backend.step([(engine.backend.new_cache(len(prompt)), list(prompt))])[0]
    matcher, spent = form.matcher(engine), []
    for u in (0.1, 0.5, 0.9) * 10:
        begun = time.perf_counter()
        masked = matcher.mask(scores)
        middle = time.perf_counter()
        chosen, _ = engine.backend.draw(masked, Sampling(), u, ())
        again = time.perf_counter()
        matcher.accept(chosen)
        spent.append(1000 * (time.perf_counter() - again + middle - begun))
    return statistics.median(spent)


if __name__ == "__main__":
    main()
