"""The page's middle: how the model learned, the plan and what came of it, the speed."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twofold.make.report_data import Run, mapping, number_at, texts
from twofold.make.report_html import Html, cell, figure, join, note, plot, row, table, tag
from twofold.make.report_opening import training_seconds
from twofold.units import duration, metric

__all__ = ["learned", "overall", "plan", "speed"]


def learned(run: Run) -> Html:
    if not run.log["step"]:
        return note("There is no log of this run, so its course cannot be shown.")
    measured = {source for each in run.evaluations for source in each["bits_per_byte"]} | run.evaluation.keys()
    held = [source for source in run.sources if source in measured]
    caption = ("Surprise at the next token. Faint grey: the batch of each step; grey line: its mean over a fortieth of "
               "the run. ")
    if held:
        caption += ("Open marks: a fixed part of the held-out text, measured on the way; filled marks at the end: all "
                    "of it, with the 95 % interval. ")
    caption += "In nats per token only the training curve is shown, since a token is not as long in every text."
    if run.recipe and run.recipe.train.bigram_steps:
        caption += (" The curve begins low because the model was fitted to the counts of pairs of tokens before its "
                    "first step.")
    if run.every > 1:
        caption += f" Every {run.every}th of {run.logged:,} steps is drawn; log.jsonl holds all of them."
    plots = [plot("curve", "Bits per byte along training", 340, caption, _controls(run), _legend(held))]
    if _known(run, "scale"):
        plots.append(plot("rate", "Learning rate along training", 150, _schedule(run)))
    if _known(run, "gradient_norm"):
        clip = run.recipe.train.clip if run.recipe else 0
        plots.append(plot("norm", "Norm of the gradient along training", 150,
                           "How steep the loss was: the norm of the gradient at each step (faint) and its mean"
                           + (f", before it is clipped to {clip:g}." if clip else ".")))
    return join(plots)


def _known(run: Run, column: str) -> bool:
    return any(value is not None for value in run.log[column])


def _controls(run: Run) -> Html:
    axes = [("seconds", "time"), ("step", "steps")]
    if run.tokens_per_step:
        axes += [("tokens", "tokens"), ("flops", "FLOPs")]
    log = tag("label", tag("input", type="checkbox", name="log"), " logarithmic")
    units = [("bits_per_byte", "bits per byte"), ("loss", "nats per token")]
    return tag("div", _radios("x", "Against", axes), log, _radios("y", "In", units), class_="controls")


def _radios(name: str, legend: str, choices: Iterable[tuple[str, str]]) -> Html:
    return tag("fieldset", tag("legend", legend), *(
        tag("label", tag("input", type="radio", name=name, value=value, checked=i == 0), text)
        for i, (value, text) in enumerate(choices)))


def _legend(held: list[str]) -> Html:
    """What each line and mark is; the script, which knows the marks' shapes, draws the pictures."""
    names: list[tuple[str | None, str]] = [(None, "training text"), *((source, source) for source in held)]
    return tag("ul", *(tag("li", tag("svg", data_source=source, aria_hidden="true", viewBox="0 0 24 12"), text)
                       for source, text in names), class_="legend")


def _schedule(run: Run) -> str:
    said = ["The learning-rate schedule: what the peak learning rates are multiplied by at each step."]
    if run.recipe:
        own = run.recipe.train.optimiser
        kind = {"muon": "Muon for matrices and AdamW for the rest", "adamw": "AdamW"}[own.kind]
        said.append(f"The peaks, with {kind}: {own.lr:g} for matrices, {own.embedding_lr:g} for the embedding, "
                    f"{own.unembedding_lr:g} for the unembedding, {own.gain_lr:g} for gains.")
    first = number_at(run.results, "plan", "steps")
    path = [f"{each['steps']:,} (at step {each['step']:,})"
            for each in run.revisions if isinstance(each.get("steps"), int)]
    if path:
        path = ([f"{first:,.0f}"] if first else []) + path
        shown = path if len(path) <= 4 else [path[0], "…", *path[-2:]]
        said.append(f"To end on time, the number of steps was revised as the run went: {' → '.join(shown)}.")
    return " ".join(said)


def plan(run: Run) -> Html:
    promises = [promise for promise in _promises(run) if promise[1] is not None or promise[2] is not None]
    if not promises:
        return note("There is no plan to compare with.")
    rows = [row(what, cell(planned, form(planned)), cell(came, form(came)), cell(_apart(planned, came)))
            for what, planned, came, form in promises]
    caption = ("What was expected before training and what came. Bits per byte over all held-out text, every source "
               "with the weight of its bytes. The clock counts everything: compiling, measuring and saving too.")
    if number_at(run.results, "minutes") == 0:
        caption += " The number of steps was given, so it was not the plan that decided how long to train."
    reasons = texts(run.part("plan").get("reasons"))
    why = tag("ul", *(tag("li", reason) for reason in reasons), class_="measure reasons") if reasons else None
    return join([why, figure(table(["", "plan", "outcome", "apart"], tag("tbody", *rows)), caption)])


Promise = tuple[str, float | None, float | None, Callable[[float | None], str]]


def _promises(run: Run) -> list[Promise]:
    """What was planned, what came, and how such a figure is written."""
    results, asked = run.results, number_at(run.results, "minutes")
    planned, rate = run.part("plan"), "tokens_per_second"
    return [
        ("time of training", 60 * asked if asked else None, training_seconds(run), _time),
        ("bits per byte", number_at(planned, "bits_per_byte"), overall(run), _fine),
        ("tokens per second, median", number_at(planned, rate), number_at(results, "speed", rate), _whole),
        ("steps", number_at(planned, "steps"), number_at(results, "steps") or run.logged or None, _whole),
        ("tokens read", number_at(planned, "tokens"), number_at(results, "tokens"), _whole),
    ]


def _fine(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _whole(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _time(value: float | None) -> str:
    return "" if value is None else duration(value)


def overall(run: Run) -> float | None:
    """Bits per byte of all sources together, each weighing as many bytes as it has."""
    known = [(one["bits_per_byte"], number_at(one, "bytes") or 0) for one in run.evaluation.values()]
    weights = sum(weight for _, weight in known)
    return sum(bits * weight for bits, weight in known) / weights if weights else None


def _apart(planned: float | None, came: float | None) -> str | None:
    return f"{100 * (came / planned - 1):+.0f} %".replace("-", "−") if planned and came is not None else None


def speed(run: Run) -> Html:
    machine, plots = run.part("machine"), []
    if _known(run, "tokens_per_second"):
        caption = ("Tokens per second at each step (faint) and their mean; on the right the same as a share of the "
                   "measured matrix-product peak. Pauses for measuring and saving are not in it.")
        plots = [plot("rapid", "Tokens per second along training", 170, caption)]
    flops, rate = mapping(machine.get("flops")), number_at(run.results, "speed", "tokens_per_second")
    tokens, mfu = number_at(run.results, "tokens"), number_at(run.results, "speed", "mfu")
    products = [(f"matrix product in {name}, measured", metric(value, "FLOP/s"))
                for name in flops if (value := number_at(flops, name)) is not None]
    per_token = run.flops_per_token
    known = [
        ("processor", machine.get("processor")), ("device", machine.get("device")), ("threads", machine.get("threads")),
        ("precision", machine.get("dtype")), *products,
        ("compiled", {True: "yes", False: "no"}.get(bool(machine["compiles"])) if "compiles" in machine else None),
        ("operations to train on a token", metric(per_token, "FLOP") if per_token else None),
        ("all of the training", metric(tokens * per_token, "FLOP") if tokens and per_token else None),
        ("tokens per second, median", f"{rate:,.0f}" if rate else None),
        ("MFU, median", f"{100 * mfu:.1f} %" if mfu else None),
    ]
    rows = [row(name, cell(value, class_="words")) for name, value in known if value]
    caption = "The machine, as it was measured in the seconds before training, and what training got out of it."
    return join([*plots, figure(tag("table", tag("tbody", *rows)), caption) if rows else None])
