"""What `twofold evaluate --suite` does: asks one model or two, shows what came of it, and keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twofold.cli.output import console, note, print_json
from twofold.errors import ConfigError

if TYPE_CHECKING:
    from twofold.evals.questions import Suite
    from twofold.evals.results import Results

__all__ = ["evaluate_suite"]


def evaluate_suite(
    models: Sequence[str], suite: str, *, n: int, limit: int | None, tools: str, plain: bool,
    out: Path | None, backend: str, device: str, as_json: bool,
) -> None:
    """Ask each model; the first is measured, and a second one is what it is compared with."""
    from twofold.evals.results import compare, markdown

    if out is not None and out.suffix not in (".json", ".md"):
        raise ConfigError(f"--out writes a .json or an .md file, not {out.name}")
    asked = _suite(suite)
    if limit is not None:
        asked = asked.some(limit)
    results, *others = [_measured(model, asked, n, tools, plain, backend, device) for model in models]
    against = others[0] if others else None
    figures = results.figures()
    if against is not None:
        changes = {name: vars(one) for name, one in compare(against, results).items()}
        figures |= {"against": against.figures(), "differences": changes}
    if out is not None:
        _keep(out, figures, markdown(results, against))
    if as_json:
        print_json(figures)
    else:
        _show(results, against)


def _suite(name: str) -> Suite:
    """A built-in suite by its name, or a file."""
    from twofold.evals.almanac_suite import almanac
    from twofold.evals.arithmetic_suite import arithmetic
    from twofold.evals.questions import read

    return almanac() if name == "almanac" else arithmetic() if name == "arithmetic" else read(Path(name))


def _measured(
    model: str, suite: Suite, n: int, tools: str, plain: bool, backend: str, device: str
) -> Results:
    from twofold.make.examination import examine

    with console(stderr=True).status(f"reading {model}") as status:
        return examine(model, suite, n=n, tools=tools, plain=plain, backend=backend, device=device, tell=note,  # type: ignore[arg-type]
                       progress=lambda done, of: status.update(f"asking {model}: {done} of {of}"))  # fmt: skip


def _keep(out: Path, figures: Mapping[str, Any], page: str) -> None:
    import json

    from twofold.atomic import atomic_write

    atomic_write(out, page if out.suffix == ".md" else json.dumps(figures, indent=1, ensure_ascii=False) + "\n")
    note(f"kept in {out}")


def _show(results: Results, against: Results | None) -> None:
    from rich.table import Table

    from twofold.evals.results import compare, verdict

    table = Table(box=None, pad_edge=False, header_style="bold")
    names = ["questions", "right", "share", "95 % interval", "chance", "says it does not know"]
    if against is not None:
        names += ["against", "difference", "95 % interval", ""]
    for name in names:
        table.add_column(name, justify="left" if name in ("questions", "") else "right")
    changes = compare(against, results) if against is not None else {}
    for name, one in results.groups().items():
        row = [name, f"{one.right} of {one.n}", f"{one.share:.1%}", f"{one.low:.1%} to {one.high:.1%}",
               f"{one.chance:.1%}", str(one.refused)]  # fmt: skip
        if against is not None:
            change = changes[name]
            row += [f"{against.groups()[name].share:.1%}", f"{100 * change.share:+.1f} points",
                    f"{100 * change.low:+.1f} to {100 * change.high:+.1f}", verdict(change)]  # fmt: skip
        table.add_row(*row)
    screen = console()
    screen.print(table)
    called = f" with {', '.join(results.tools)}" if results.tools else ""
    words = f"{results.suite}, asked of {results.model}{called} in {results.seconds:.1f} s. Intervals: Wilson"
    if against is not None:
        words += f"; against {against.model}: Bonett–Price, judged by McNemar's exact test at 5 %"
    screen.print(f"{words}.")
