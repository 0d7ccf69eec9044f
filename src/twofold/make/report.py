"""A run on one page: `report.html`, which holds all it shows and asks for nothing from anywhere.

    recipe.toml  results.json  log.jsonl  text/manifest.json   ->   sections of page/page.html   ->   report.html

Text from samples and documents is a stranger's: it is escaped where a tag is made (report_html), the data stands in a
block that no sign in it can end, and the page's own policy lets the browser run the one script whose hash it names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twofold.atomic import atomic_write
from twofold.make import report_assistant, report_opening, report_sources, report_training
from twofold.make.report_data import Run, number_at, read_run
from twofold.make.report_html import Html, code, join, page, tag

__all__ = ["render", "write_report"]


def write_report(folder: Path) -> Path:
    """Write `folder`/report.html from the files of the run in `folder`, whichever of them are there."""
    path = folder / "report.html"
    atomic_write(path, render(read_run(folder)).encode("utf-8", "replace"))
    return path


def render(run: Run) -> str:
    made = run.results.get("made")
    parts = dict(
        name=join([run.name]), made=tag("span", f" · {made[:10]}") if isinstance(made, str) else Html(),
        version=_version(run), context=Html(f"{number_at(run.results, 'context') or _context(run):.0f}"),
        headline=report_opening.headline(run), facts=report_opening.facts(run), reached=report_opening.reached(run),
        explained=report_assistant.explained(), answers=report_assistant.answers(run),
        taught=report_assistant.before_and_after(run),
        samples=report_opening.samples(run), course=report_opening.course(run),
        learned=report_training.learned(run), plan=report_training.plan(run), speed=report_training.speed(run),
        waterfall=report_sources.waterfall(run), parameters=report_sources.parameters(run),
        run_it=report_sources.run_it(run), lineage=report_sources.lineage(run), **_codes(),
    )
    title = f"{run.name} · {'an assistant' if run.part('assistant') else 'a language model'} in two files"
    return page("page", parts, title=title, heading=run.name, data=run.for_page())


def _codes() -> dict[str, Html]:
    """The third depth of each explanation: the functions themselves."""
    return {
        "code_reached": code("evals/bits_per_byte.py:bits_per_byte", "evals/bits_per_byte.py:bootstrap"),
        "code_learned": code("train/losses.py:surprise", "train/loop.py:run_steps", "train/schedule.py:Schedule.scale"),
        "code_plan": code("train/planner.py:plan", "train/planner.py:bits_per_byte"),
        "code_text": code("data/holdout.py:hold_out", "data/waterfall.py:step"),
        "code_parameters": code("model/count.py:count"),
        "code_speed": code("model/count.py:flops_per_token", "train/machine.py:matmul_flops"),
    }


def _context(run: Run) -> Any:
    return run.recipe.train.context if run.recipe else 0


def _version(run: Run) -> Html:
    version = run.results.get("code_version")
    return Html(tag("span", f" {version}")) if isinstance(version, str) else Html()
