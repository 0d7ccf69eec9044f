"""Play the guide's lessons: `python docs/generate_guide.py`. Writes their pictures and what their code printed.

A lesson is docs/guide/NN-name.md. Its ```python blocks run from the top to the bottom in one namespace, in a folder of
their own; what a block prints stands in the ```output block after it. ```console blocks with `$ twofold neuron …` are
run too. Files that a lesson leaves in pictures/ belong into docs/guide/pictures. A test fails when any of it is stale.

    python docs/generate_guide.py 01 02        only these lessons
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

GUIDE = Path(__file__).with_name("guide")
LESSONS = sorted(GUIDE.glob("[0-9][0-9]-*.md"))
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```\n(?:\n```output\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)


def play(lesson: Path, folder: Path) -> str:
    """The lesson's text with what its blocks print now; they run in `folder`, which gets the pictures."""
    (folder / "pictures").mkdir(exist_ok=True)
    text, names = lesson.read_text("utf-8"), {"__name__": lesson.stem}

    def again(block: re.Match[str]) -> str:
        kind, code = block[1], block[2]
        if kind == "console":
            return f"```console\n{''.join(_console(code))}```\n" + block[0].partition("\n```\n")[2]
        line = text.count("\n", 0, block.start()) + 1
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile("\n" * line + code, str(lesson), "exec"), names)  # so that errors name the lesson's line
        output = f"\n```output\n{printed.getvalue()}```\n" if printed.getvalue() else ""
        return f"```python\n{code}```\n{output}"

    before = os.getcwd()
    os.chdir(folder)
    try:
        return BLOCK.sub(again, text)
    finally:
        os.chdir(before)


def _console(code: str) -> Iterator[str]:
    from twofold.cli.main import main

    for command in re.split(r"^(?=\$ )", code, flags=re.MULTILINE):
        if not command.startswith("$ twofold neuron"):
            yield command
            continue
        line = command.splitlines()[0]
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
            main(shlex.split(line[2:])[1:])
        yield f"{line}\n{printed.getvalue()}"


if __name__ == "__main__":
    for lesson in LESSONS:
        if sys.argv[1:] and lesson.name[:2] not in sys.argv[1:]:
            continue
        with tempfile.TemporaryDirectory() as folder:
            fresh = play(lesson, Path(folder))
            lesson.write_text(fresh, "utf-8")
            for picture in sorted((Path(folder) / "pictures").iterdir()):
                (GUIDE / "pictures").mkdir(exist_ok=True)
                (GUIDE / "pictures" / picture.name).write_bytes(picture.read_bytes())
        print(f"played {lesson}")
