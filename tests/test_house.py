"""What holds in every room of the house."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import twofold
from twofold import errors

HOUSE = Path(twofold.__file__).parent
MODULES = sorted(path for path in HOUSE.rglob("*.py") if path.name not in ("__init__.py", "__main__.py"))
LONGEST = 450

every_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(HOUSE).as_posix())


@every_module
def test_a_module_says_what_it_is_and_stays_readable(path):
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a module opens with what it is"
    assert "from __future__ import annotations" in text
    assert text.count("\n") <= LONGEST, f"a file past {LONGEST} lines is asking to be two"


@every_module
def test_all_is_sorted_and_complete(path):
    tree = ast.parse(path.read_text("utf-8"))
    listed = next((ast.literal_eval(node.value) for node in tree.body if _assigns_all(node)), None)
    assert listed is not None, "no __all__"
    assert listed == sorted(listed, key=_constants_then_classes_then_functions)
    made = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)]
    assert [name for name in made if not name.startswith("_") and name not in listed] == []
    module = importlib.import_module(".".join(("twofold", *path.relative_to(HOUSE).with_suffix("").parts)))
    assert [name for name in listed if not hasattr(module, name)] == []


def test_a_rooms_door_holds_nothing_but_its_name():
    for path in HOUSE.rglob("__init__.py"):
        if path.parent not in (HOUSE, HOUSE / "neuron"):
            body = ast.parse(path.read_text("utf-8")).body
            assert len(body) == 1 and isinstance(body[0].value, ast.Constant), path


def test_the_first_room_has_its_names_at_the_door_for_who_follows_the_lecture():
    door = importlib.import_module("twofold.neuron")
    assert door.__all__ == sorted(door.__all__, key=_constants_then_classes_then_functions)
    assert [name for name in door.__all__ if not hasattr(door, name)] == []


def test_the_tree_of_errors_is_drawn_as_it_is():
    def draw(kind, depth):
        yield depth, kind.__name__
        for child in kind.__subclasses__():
            if child.__module__ == errors.__name__:
                yield from draw(child, depth + 1)

    drawing = [line for line in errors.__doc__.splitlines() if line.startswith("    ")]
    drawn = [(len(line) // 2 - len(line.lstrip()) // 2 - 2, line.split()[0]) for line in drawing]
    assert drawn == list(draw(errors.TwofoldError, 0))
    codes = {line.split()[0]: int(line.split("exit code ")[1][0]) for line in drawing if "exit code" in line}
    assert codes == {"TwofoldError": 1, "UserError": 2}
    defined = [name for name, one in vars(errors).items() if inspect.isclass(one) and issubclass(one, Exception)]
    assert sorted(defined) == sorted(name for _, name in drawn)
    for kind in (getattr(errors, name) for name in defined):
        nearest = next(one.__name__ for one in kind.__mro__ if one.__name__ in codes)
        assert kind.exit_code == codes[nearest], kind


IMPORT_EVERYTHING = """
import importlib, os, random, sys
names = sys.argv[1:]
for name in names:                      # once for what others do when they are imported
    importlib.import_module(name)
import numpy, torch
for name in [name for name in sys.modules if name.split(".")[0] == "twofold"]:
    del sys.modules[name]
did = []
def watch(event, arguments):
    writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if writes or event.split(".")[0] in ("socket", "subprocess", "shutil") or event in (
            "os.mkdir", "os.remove", "os.rename", "os.system", "os.putenv", "os.chdir", "tempfile.mkstemp"):
        did.append((event, str(arguments)[:80]))
def state():
    return (dict(os.environ), os.getcwd(), torch.get_num_threads(), torch.get_default_dtype(), random.getstate(),
            numpy.random.get_state()[1].tolist(), torch.get_rng_state().tolist())
before = state()
sys.addaudithook(watch)
for name in names:
    importlib.import_module(name)
assert not did, did
assert state() == before, "an import changed the state of the process"
"""


@pytest.mark.slow
def test_nothing_happens_at_import():
    """No network, no files written, no programs started, no threads or seeds or environment set."""
    names = [".".join(("twofold", *path.relative_to(HOUSE).with_suffix("").parts)) for path in MODULES]
    done = subprocess.run([sys.executable, "-B", "-c", IMPORT_EVERYTHING, *names], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _assigns_all(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets)


def _constants_then_classes_then_functions(name: str) -> tuple[bool, bool, str]:
    return (not name.isupper(), not name[0].isupper(), name)
