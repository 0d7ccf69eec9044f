"""`make`, the table of contents: text in, an assistant in two files out.

    text -> plan -> tokenizer -> tokens -> training -> measures -> conversations -> finetuning -> questions
         -> rewards, where there is time, and the same questions -> report

Each chapter leaves its result in the run's folder and is passed over when the result is there and still fits, so a
run that died goes on where it was.

    RUN/recipe.toml          all that decides the run          RUN/log.jsonl       what happened, step by step
    RUN/text, RUN/tokens     the corpus, cleaned; its ids      RUN/checkpoints     where to go on from
    RUN/base.gguf            the model that goes on with text  RUN/assistant       the same of its finetuning
    RUN/parameters.gguf      the first file                    RUN/results.json    what was reached
    RUN/run.py, RUN/run.c    the second file                   RUN/rewards         of its learning from rewards
    RUN/report.html          all of it, to look at
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

from twofold.atomic import atomic_write
from twofold.data.corpus import Corpus
from twofold.data.prepare import prepare
from twofold.data.tokens import tokenise
from twofold.engine import native_build
from twofold.errors import ConfigError
from twofold.evals.results import WORSE
from twofold.make import recipe as recipes
from twofold.make.examination import asked_both, suite_for
from twofold.make.finetune import teach
from twofold.make.observer import Observer, Silent
from twofold.make.places import ASSISTANT, BASE, REWARDS
from twofold.make.planning import WISHES, Wishes, planned, written
from twofold.make.pretrain import Trained, pretrain
from twofold.make.recipe import Recipe
from twofold.make.reinforce import reinforce
from twofold.make.report import write_report
from twofold.make.results import measured, two_files
from twofold.model.devices import pick_device
from twofold.tokenizer.bpe import BPETokenizer
from twofold.tokenizer.train import train_bpe
from twofold.train.distributed import join_group
from twofold.train.machine import Machine, measure
from twofold.tune.reinforce_settings import ReinforceSettings
from twofold.tune.settings import TuneSettings
from twofold.weights.locate import PARAMETERS
from twofold.weights.two_files import write_run_file

__all__ = ["Prepared", "make"]

_BASE_RESULTS = "base.json"  # of a run whose assistant is not made yet


def make(
    wishes: Wishes, folder: Path, observer: Observer, recipe: Recipe | None = None, prepared: Prepared | None = None,
    plan_only: bool = False,
) -> dict[str, Any]:
    """Make a model in `folder` as `wishes` say, or as `recipe` does when one is given; return the results.

    `prepared` text and tokenizer are taken as they are. With `plan_only`, prepare the text, make the plan and return
    it. Raises ConfigError when the folder holds a run that was begun with other wishes, GroupError, Interrupted.
    """
    prepared = prepared or Prepared()
    group = join_group(pick_device(recipe.machine.device if recipe else wishes.machine.device))
    observer = Silent() if group.rank else observer
    try:
        with group.leader_first():
            wanted = written(recipe or wishes)
            _refuse_other_wishes(wanted, folder)
            corpus = _text(wishes, recipe, prepared, folder, observer)
            atomic_write(folder / WISHES, wanted)
            recipe, machine = _plan(wishes, recipe, corpus, folder, observer)
            if plan_only:
                return {**_read(folder / "plan.json"), "recipe": recipe.to_dict()}
            Thread(target=native_build.library, daemon=True).start()  # run.c, for the samples; it takes some seconds
            tokenizer = prepared.tokenizer or _tokenizer(recipe, corpus, folder, observer)
            observer.stage("tokens", "encoding the text")
            store = tokenise(corpus, tokenizer, folder / "tokens", 0, observer.progress)

        results = _read(folder / _BASE_RESULTS)
        if not results:
            schedule = recipe.train.schedule
            observer.stage("training", f"{recipe.minutes:.3g} minutes" if recipe.minutes else f"{schedule.steps} steps")
            trained = pretrain(recipe, store, tokenizer, folder, machine, observer, group, _prompt(corpus))
            if group.rank:
                return {}
            recipe, results = _leave(recipe, trained, tokenizer, corpus, machine, folder, observer)
    finally:
        group.close()
    if group.rank:
        return {}
    if recipe.assistant:
        recipe, results["assistant"] = _assistant(recipe, recipe.assistant, folder, observer)
        results["files"] = results["assistant"]["files"]
    if recipe.assistant and recipe.rewards:
        recipe, results["rewards"] = _rewards(recipe, recipe.assistant, recipe.rewards, folder, observer)
        results["files"] = results["rewards"]["kept_files"]
    recipes.write(folder / "recipe.toml", recipe)
    atomic_write(folder / "results.json", json.dumps(results, indent=1))
    observer.stage("report", str(folder / "report.html"))
    write_report(folder)
    (folder / _BASE_RESULTS).unlink(missing_ok=True)
    return results


@dataclass(frozen=True)
class Prepared:
    """What was made before, by `twofold data` and `twofold tokenizer`."""

    text: Path | None = None
    tokenizer: BPETokenizer | None = None


def _text(wishes: Wishes, recipe: Recipe | None, prepared: Prepared, folder: Path, observer: Observer) -> Corpus:
    if prepared.text:
        corpus = Corpus.open(prepared.text)
        atomic_write(folder / "text" / "manifest.json", json.dumps(corpus.manifest))  # the report tells of it
        return corpus
    sources, settings = (recipe.sources, recipe.text) if recipe else (wishes.sources, wishes.text)
    observer.stage("text", f"reading {', '.join(sources)}")
    corpus = prepare(sources, folder / "text", settings, observer.progress)
    for warning in corpus.manifest["warnings"]:
        observer.note(warning)
    for step in corpus.manifest["waterfall"]:
        if step["reasons"] and step["name"] != "hold out":
            observer.note(_left_out(step))
    return corpus


def _left_out(step: dict[str, Any], most: int = 6) -> str:
    """What a step of the preparation left out, and why: some by name, and how many more; the report has the rest."""
    n = sum(count["documents"] for count in step["reasons"].values())
    named = [f"{one['id']} ({one['reason']})" for one in step["samples"][:most]]
    more = f" and {n - len(named):,} more" if n > len(named) else ""
    return f"left out of {step['source']}, {n:,} by {step['name']}: {', '.join(named)}{more}"


def _plan(
    wishes: Wishes, recipe: Recipe | None, corpus: Corpus, folder: Path, observer: Observer
) -> tuple[Recipe, Machine]:
    """The recipe that was given, or that the run was begun with, or a new one."""
    observer.stage("plan", "measuring this machine")
    path = folder / "recipe.toml"
    if recipe is None and path.exists():
        recipe = recipes.read(path)
    settings = recipe.machine if recipe else wishes.machine
    machine = measure(pick_device(settings.device), settings.threads, settings.dtype,
                      None if settings.compiled else False)
    if recipe is None:
        recipe, prediction = planned(wishes, machine, corpus)
        atomic_write(folder / "plan.json", json.dumps({**prediction, "machine": machine.to_dict()}, indent=1))
    recipes.write(path, recipe)
    model, train = recipe.model, recipe.train
    compiles = machine.compiles and recipe.machine.compiled
    without = "no compiler, so training runs at about 60 % of the speed" if settings.compiled and not machine.compiles \
        else "not compiled, which in so short a time would not pay" if settings.compiled else "not compiled"
    observer.note(f"{machine.peak / 1e9:.0f} GFLOP/s in {machine.dtype} on {machine.threads} threads"
                  + ("" if compiles else f"; {without}"))
    observer.note(
        f"{model.n_layers} layers of width {model.d_model}, {model.vocab_size:,} tokens, "
        f"{train.batch} rows of {train.context} a step, about {train.schedule.steps:,} steps"
    )
    return recipe, dataclasses.replace(machine, compiles=compiles)


def _leave(
    recipe: Recipe, trained: Trained, tokenizer: BPETokenizer, corpus: Corpus, machine: Machine, folder: Path,
    observer: Observer,
) -> tuple[Recipe, dict[str, Any]]:
    """Write what stays of the base model. The recipe is now the one that repeats it: its steps are known."""
    repeatable = dataclasses.replace(
        recipe, minutes=0.0, train=dataclasses.replace(recipe.train, schedule=trained.schedule)
    )
    path = folder / (BASE if recipe.assistant else PARAMETERS)
    observer.stage("two files", f"{path} and {folder / 'run.py'}")
    files, lineage = two_files(dataclasses.replace(repeatable, assistant=None), trained, tokenizer, corpus, path)
    observer.stage("measures", "bits per byte of all the held-out text")
    results = {"name": folder.name, "plan": _read(folder / "plan.json"), "files": files, "lineage": lineage,
               **measured(recipe, trained, corpus, machine, path, observer)}
    recipes.write(folder / "recipe.toml", repeatable)
    atomic_write(folder / _BASE_RESULTS, json.dumps(results, indent=1))
    return repeatable, results


def _assistant(
    recipe: Recipe, settings: TuneSettings, folder: Path, observer: Observer
) -> tuple[Recipe, dict[str, Any]]:
    """Teach the base model to answer, and ask it and what it was before the same questions."""
    base, place = folder / BASE, folder / ASSISTANT
    target = place if recipe.rewards else folder
    done = _read(place / "results.json") if (target / PARAMETERS).exists() else {}
    results = done or teach(str(base), settings, recipe.machine, place, observer, target)
    suite = suite_for(settings.data)
    if suite:
        observer.stage("questions", f"{len(suite.questions):,} that were held out, of the {suite.name} suite")
        results["questions"] = asked_both(suite, base, target / PARAMETERS, observer)
    repeatable = dataclasses.replace(settings, minutes=settings.minutes, **{
        name: results["settings"][name] for name in ("steps", "revisions", "context", "batch", "lr")})
    return dataclasses.replace(recipe, assistant=repeatable), results


def _rewards(
    recipe: Recipe, taught: TuneSettings, settings: ReinforceSettings, folder: Path, observer: Observer
) -> tuple[Recipe, dict[str, Any]]:
    """Let the assistant learn from being right, and keep what came of it where no kind of question became worse."""
    before, place = folder / ASSISTANT, folder / REWARDS
    results = _read(place / "results.json") or reinforce(
        str(before / PARAMETERS), settings, recipe.machine, place, observer)
    suite = suite_for(taught.data)
    if suite:
        observer.stage("questions", "the same ones, after learning from rewards")
        results["questions"] = asked_both(suite, before / PARAMETERS, place / PARAMETERS, observer)
    worse = [name for name, one in results.get("questions", {}).get("groups", {}).items() if one["verdict"] == WORSE]
    kept = before if worse else place
    observer.note(f"kept as it was before the rewards, which made it worse at: {', '.join(worse)}" if worse else
                  "kept as it is after the rewards, which made it worse at nothing")  # fmt: skip
    results |= {"worse": worse, "kept_files": _read(kept / "results.json")["files"]}
    atomic_write(folder / PARAMETERS, (kept / PARAMETERS).read_bytes())
    write_run_file(folder)
    return dataclasses.replace(recipe, rewards=dataclasses.replace(settings, steps=results["steps"])), results


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return content


def _refuse_other_wishes(wanted: str, folder: Path) -> None:
    path = folder / WISHES
    if path.exists() and path.read_text(encoding="utf-8") != wanted:
        raise ConfigError(
            f"{folder} holds a run that was begun with other wishes (see {path}); "
            "choose another folder with --out, or give the same wishes to go on with that run"
        )


def _tokenizer(recipe: Recipe, corpus: Corpus, folder: Path, observer: Observer) -> BPETokenizer:
    """The one that was trained for this text and recipe before, or a new one."""
    observer.stage("tokenizer", f"learning {recipe.tokenizer.vocab_size:,} tokens")
    path, mark = folder / "tokenizer.json", folder / "tokenizer.key"
    key = f"{corpus.manifest['content']} {recipe.tokenizer.vocab_size} {recipe.tokenizer.pre}"
    if path.exists() and mark.exists() and mark.read_text(encoding="utf-8") == key:
        return BPETokenizer.from_json(path)
    texts = (document.text for document in corpus.documents("train"))
    tokenizer = train_bpe(texts, recipe.tokenizer.vocab_size, recipe.tokenizer.pre)
    atomic_write(path, tokenizer.to_json())
    atomic_write(mark, key)
    return tokenizer


def _prompt(corpus: Corpus) -> str:
    """The first words of a held-out document: what samples during training begin with."""
    for document in corpus.documents("val"):
        return " ".join(document.text.split()[:4])
    return "The"
