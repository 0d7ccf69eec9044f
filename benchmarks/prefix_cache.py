"""What the prefix cache saves: the time to the first token of a chat's second question.

    python benchmarks/prefix_cache.py [MODEL] [--rounds 5]

A chat of one long question and its answer goes on with a short question. Contenders, interleaved, medians: a service
that keeps what it read, and one that keeps nothing (prefix_bytes=0). Each round has a text of its own, so that nothing
is known from the round before.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pydoc_data.topics import topics

from twofold.contracts import Sampling
from twofold.engine.conversation import chat_prompt, turn_ends
from twofold.engine.open import Engine, open_model
from twofold.engine.service import Request, Service, Usage

SETTINGS = Sampling(temperature=0)


def ask(service: Service, engine: Engine, messages: list[dict[str, str]], n: int) -> tuple[str, Usage]:
    request = Request(tuple(chat_prompt(engine, messages)), n, SETTINGS, stop_ids=turn_ends(engine))
    pieces = list(service.stream(request))
    assert pieces[-1].usage is not None, pieces[-1].error
    return "".join(piece.text for piece in pieces), pieces[-1].usage


def second_question(service: Service, engine: Engine, text: str) -> Usage:
    chat = [{"role": "user", "content": f"What is this text about?\n\n{text}"}]
    chat.append({"role": "assistant", "content": ask(service, engine, chat, 32)[0]})
    chat.append({"role": "user", "content": "And in three words?"})
    return ask(service, engine, chat, 1)[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="smollm2-135m")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--characters", type=int, default=4000, help="of the text that is asked about")
    given = parser.parse_args()
    engine = open_model(given.model)
    texts = [text for text in topics.values() if len(text) > given.characters][: given.rounds]
    seconds: dict[str, list[float]] = {"kept": [], "nothing kept": []}
    counts = []
    with Service(engine) as keeping, Service(engine, prefix_bytes=0) as forgetting:
        for text in texts:
            for name, service in (("kept", keeping), ("nothing kept", forgetting)):
                usage = second_question(service, engine, text[: given.characters])
                seconds[name].append(usage.prompt_seconds)
                if name == "kept":
                    counts.append((usage.prompt_tokens, usage.cached_tokens))
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    print(json.dumps({
        "model": given.model, "backend": engine.backend.name,
        "prompt_tokens": statistics.median(prompt for prompt, _ in counts),
        "of_these_known": statistics.median(known for _, known in counts),
        "seconds_to_first_token": medians, "times_as_quick": medians["nothing kept"] / medians["kept"],
    }, indent=2))  # fmt: skip


if __name__ == "__main__":
    main()
