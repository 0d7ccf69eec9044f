"""`twofold digits`: a network learns to read handwritten digits, and one sees how well, and what it does not do."""

from __future__ import annotations

import os
import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twofold.cli.options import ApiKey, AsJson
from twofold.cli.output import console, note, print_json

if TYPE_CHECKING:
    from twofold.neuron.experiment import Plan

__all__ = ["digits"]


def digits(
    images: Annotated[str, typer.Option(
        help="mnist (5,000 images), quick (1,797 small ones), or a folder with MNIST's own files.")] = "mnist",
    quick: Annotated[bool, typer.Option("--quick", help="The small images: --images quick.")] = False,
    loss: Annotated[str | None, typer.Option(
        help="squared (the default), or cross-entropy after a softmax.", show_default=False)] = None,
    activation: Annotated[str | None, typer.Option(
        help="Of the hidden neurons: sigmoid (the default) or relu.", show_default=False)] = None,
    initialisation: Annotated[str | None, typer.Option(
        help="Of the weights: normal (the default), xavier or he.", show_default=False)] = None,
    hidden: Annotated[str | None, typer.Option(
        metavar="16,16", help="Neurons in each hidden layer.", show_default=False)] = None,
    convolution: Annotated[bool, typer.Option("--convolution", help="A small convolutional network instead.")] = False,
    momentum: Annotated[float | None, typer.Option(
        help="How much of a step goes on in the next.  [default: 0; 0.9 with --convolution]",
        show_default=False)] = None,
    shift: Annotated[int | None, typer.Option(
        help="Pixels by which images are moved at random.  [default: 0; 2 with --convolution, 0 for small images]",
        show_default=False)] = None,
    decay: Annotated[float | None, typer.Option(
        help="Pull of all weights towards 0.  [default: 0; 0.0002 with --convolution]", show_default=False)] = None,
    learning_rate: Annotated[float | None, typer.Option(
        help="Length of a step; what suits the choices if not given.", show_default=False)] = None,
    batch: Annotated[int | None, typer.Option(
        help="Images in a step.  [default: 10; 32 with --convolution]", show_default=False)] = None,
    epochs: Annotated[int | None, typer.Option(help="How often every image is seen.  [default: 30]",
                                               show_default=False)] = None,
    seed: Annotated[int, typer.Option(help="Of all that is random.")] = 0,
    out: Annotated[Path | None, typer.Option(
        help="The run's folder; runs/digits if not given. An unfinished run there goes on. With --serve: a folder "
        "whose network can be chosen on the page, beside those in runs.")] = None,
    serve: Annotated[bool, typer.Option("--serve", help="A page to draw digits on, and to watch learning.")] = False,
    host: Annotated[str, typer.Option(help="With --serve: where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="With --serve; 0 takes any that is free.", min=0, max=65535)] = 8080,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Train a network that reads handwritten digits, and see what it learned.

    \b
    twofold digits                                     the lecture's network, 784-16-16-10
    twofold digits --loss cross-entropy --activation relu --initialisation he
    twofold digits --convolution                       looks at small patches first
    twofold digits --serve                             draw a digit in the browser

    Without options everything is as in the lecture: sigmoids, squared error, weights drawn at random. A fifth of the
    images is held out, by a hash of the image. Ctrl-C saves; the same command goes on. When it ends, the folder holds
    network.npz, results.json and report.html.
    """
    _one_thread()
    source = "quick" if quick else images
    if serve:
        from twofold.serve.digits import listen

        listen(source, host=host, port=port, api_key=api_key, seed=seed, folder=out, as_json=as_json)
        return

    from twofold.cli.digits_live import Live
    from twofold.cli.digits_result import show
    from twofold.interrupts import Interrupted
    from twofold.make.report_digits import write_report
    from twofold.neuron import experiment
    from twofold.neuron.images import load

    chosen = {"loss": loss, "activation": activation, "initialisation": initialisation, "hidden": _widths(hidden)}
    settings = {"learning_rate": learning_rate, "batch": batch, "epochs": epochs, "momentum": momentum, "decay": decay,
                "shift": shift, "seed": seed}  # fmt: skip
    known = load(source)
    if convolution and shift is None:
        settings["shift"] = known.side // 14  # 2 of 28; in 8 × 8 a pixel is too much
    plan = _plan(convolution, chosen, settings)
    named = (Path("runs") / (f"digits-{number}" if number > 1 else "digits") for number in count(1))
    folder = out or next(place for place in named if experiment.is_free(place, plan, known))
    try:
        with Live(console(stderr=True), plan, known) as live:
            outcome = experiment.run(plan, known, folder, live.step)
    except Interrupted:
        note(f"saved; to go on: the same command with --out {folder}")
        raise typer.Exit(130) from None
    write_report(folder, plan, known, outcome)
    if as_json:
        print_json({"folder": folder, **experiment.figures(plan, known, outcome)})
    else:
        show(console(), folder, plan, known, outcome)


def _one_thread() -> None:
    """Products this small are quicker on one core: two threads took seven times as long here. NumPy reads the wish when
    it is imported; who has said how many threads there are to be is heeded."""
    if "numpy" not in sys.modules and "OMP_NUM_THREADS" not in os.environ:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _plan(convolution: bool, chosen: dict[str, Any], settings: dict[str, Any]) -> Plan:
    """What was chosen, None standing for what is usual."""
    from dataclasses import replace

    from twofold.errors import ConfigError
    from twofold.neuron.experiment import CONVOLUTIONAL, Plan, usual_rate

    plan = CONVOLUTIONAL if convolution else Plan()
    for name, value in chosen.items():
        own = getattr(plan, name)
        if convolution and value not in (None, own):
            raise ConfigError(f"--{name} {value!r} does not go with --convolution, which brings its own: {own!r}")
    given = {name: value for name, value in settings.items() if value is not None}
    plan = replace(plan, **{name: value for name, value in chosen.items() if value is not None},
                   settings=replace(plan.settings, **given))  # fmt: skip
    if "learning_rate" not in given:
        plan = replace(plan, settings=replace(plan.settings, learning_rate=usual_rate(plan)))
    return plan


def _widths(hidden: str | None) -> tuple[int, ...] | None:
    from twofold.errors import ConfigError

    try:
        return None if hidden is None else tuple(int(width) for width in hidden.split(",") if width.strip())
    except ValueError:
        raise ConfigError(f"--hidden {hidden!r} is not of the form 16,16: the neurons of each hidden layer") from None
