"""What the calculator brings a model that was never taught to use one, and what it costs elsewhere.

    python benchmarks/calculator.py [MODEL] [--sums 100] [--capitals 50]

Contenders, on the same questions, likeliest token each time:
    alone    without a tool
    told     the system message tells of the calculator and how to call it
    shown    … and seven examples follow, four of them calls, as turns of a conversation
Each against "alone" in pairs. Capitals (asked alike, with nothing to compute) are the control.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from twofold.agent.calculator import calculator
from twofold.agent.loop import Step, answer
from twofold.agent.tool import Tool
from twofold.contracts import Sampling
from twofold.engine.open import open_model
from twofold.engine.service import Service
from twofold.evals.almanac_suite import almanac
from twofold.evals.arithmetic_suite import arithmetic
from twofold.evals.asking import ask
from twofold.evals.results import compare, verdict

CONTENDERS: dict[str, tuple[Tool, ...]] = {
    "alone": (), "told": (replace(calculator, examples=()),), "shown": (calculator,),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="smollm2")
    parser.add_argument("--sums", type=int, default=100)
    parser.add_argument("--capitals", type=int, default=50)
    given = parser.parse_args()
    capitals = replace(almanac(given.capitals), name="capitals")
    capitals = replace(capitals, questions=tuple(one for one in capitals.questions if one.group == "capital"))
    engine = open_model(given.model)
    with Service(engine, slots=8) as service:
        for suite in (arithmetic(given.sums), capitals):
            print(f"\n{suite.name}, {len(suite.questions)} questions")
            alone = None
            for name, tools in CONTENDERS.items():
                steps: list[Step] = []

                def write(messages: Sequence[Mapping[str, Any]], tools: Sequence[Tool] = tools,
                          steps: list[Step] = steps) -> str:  # fmt: skip
                    greedy = Sampling(temperature=0)
                    return answer(service, messages, tools, n=64, sampling=greedy, tell=steps.append).text

                results = ask(suite, engine, write, model=name)
                one, alone = results.overall, alone or results
                change = compare(alone, results)[next(reversed(results.groups()))]
                print(f"{name:6} {one.share:6.1%}  ({one.low:.1%} to {one.high:.1%})  {len(steps):4} calls  "
                      f"{results.seconds:5.1f} s  {100 * change.share:+.1f} points  p {change.p:.2g}  "
                      f"{verdict(change)}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
