"""run.py reads what others write, and says in one line what is wrong with what it cannot read."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twofold.run import run
from twofold.weights.parameters import save

from ..weights.models import small_tokenizer, tiny_parameters

gguf = pytest.importorskip("gguf")
FORMS = {"F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 8, "BF16": 30}
ALONE = Path(run.__file__)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """A parameters file."""
    path = tmp_path_factory.mktemp("run") / "parameters.gguf"
    one = tiny_parameters("llama", small_tokenizer())
    save(path, one.config, one.state, one.tokenizer, dtype="Q8_0")
    return path


def call(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(ALONE), *map(str, arguments)], capture_output=True, encoding="utf-8")


@pytest.mark.parametrize("form", FORMS)
def test_numbers_of_every_form_are_unpacked_as_the_gguf_package_does(tmp_path, form):
    kind = gguf.GGMLQuantizationType[form]
    numbers = np.random.default_rng(0).standard_normal((6, 96), np.float32)
    packed = gguf.quants.quantize(numbers, kind)
    writer = gguf.GGUFWriter(tmp_path / "w.gguf", "llama")
    writer.add_tensor("w", packed, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    here = run.GGUF(str(tmp_path / "w.gguf")).tensor("w", 6, 96)
    np.testing.assert_array_equal(here, gguf.quants.dequantize(packed, kind))


def test_metadata_of_every_type_is_read_as_it_was_written(tmp_path):
    values = {"a.u8": 200, "a.i8": -3, "a.u16": 60000, "a.i16": -3000, "a.u32": 4 * 10**9, "a.i32": -(2**31),
              "a.u64": 2**63, "a.i64": -(2**62), "a.f32": 0.5, "a.f64": 0.1}  # fmt: skip
    adders = {"u8": "uint8", "i8": "int8", "u16": "uint16", "i16": "int16", "u32": "uint32", "i32": "int32",
              "u64": "uint64", "i64": "int64", "f32": "float32", "f64": "float64"}  # fmt: skip
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama")
    for key, value in values.items():
        getattr(writer, f"add_{adders[key[2:]]}")(key, value)
    writer.add_string("a.text", "Zürich 😀")
    writer.add_bool("a.yes", True)
    writer.add_array("a.numbers", [1, 2, 3])
    writer.add_array("a.texts", ["", "é"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    read = run.GGUF(str(tmp_path / "m.gguf")).metadata
    assert {key: read[key] for key in values} == values
    assert (read["a.text"], read["a.yes"]) == ("Zürich 😀", True)
    assert (read["a.numbers"], read["a.texts"]) == ((1, 2, 3), ["", "é"])


@pytest.mark.slow
@pytest.mark.parametrize(("content", "says"), [
    (b"", "cannot read"),
    (b"GG", "is not a GGUF file"),
    (b"PK\x03\x04 a zip archive", "is not a GGUF file"),
    (b"GGUF\x00\x00\x00\x03 other byte order", "is not a GGUF file of version 2 or 3"),
    (b"GGUF\x03\x00\x00\x00", "truncated"),
    (b"GGUF\x03\x00\x00\x00" + b"\xff" * 16, "truncated"),
])  # fmt: skip
def test_a_foreign_file_gets_one_line_and_exit_code_2(tmp_path, content, says):
    (tmp_path / "x.gguf").write_bytes(content)
    done = call(tmp_path / "x.gguf", "Once")
    assert done.returncode == 2
    assert done.stdout == ""
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_missing_file_and_a_folder_get_one_line_and_exit_code_2(tmp_path):
    for path in (tmp_path / "none.gguf", tmp_path):
        done = call(path, "Once")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def open_all(path: Path) -> None:
    file = run.GGUF(str(path))
    tokenizer, model = run.Tokenizer(file), run.Model(file)
    for token in run.generate(model, tokenizer.encode("hello the") or [0], 2, tokenizer.last):
        tokenizer.decode([token])


@pytest.mark.slow
def test_a_file_cut_anywhere_is_a_problem(small, tmp_path):
    whole = small.read_bytes()
    for size in np.random.default_rng(0).integers(0, len(whole) - 1, 30):
        (tmp_path / "cut.gguf").write_bytes(whole[:size])
        with pytest.raises(run.Problem):
            open_all(tmp_path / "cut.gguf")


@pytest.mark.slow
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4), st.booleans())
def test_a_file_with_bytes_changed_runs_or_is_a_problem_but_never_another_error(small, tmp_path, changes, early):
    whole = bytearray(small.read_bytes())
    for where, value in changes:
        whole[int(where * (len(whole) // (20 if early else 1) - 1))] = value
    (tmp_path / "changed.gguf").write_bytes(whole)
    with np.errstate(all="ignore"), suppress(run.Problem):
        open_all(tmp_path / "changed.gguf")


def test_run_py_has_at_most_400_lines_and_needs_numpy_only():
    lines = ALONE.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 400
    imports = {line.split()[1].split(".")[0] for line in lines if line.startswith(("import ", "from "))}
    assert imports - sys.stdlib_module_names == {"numpy"}


@pytest.mark.slow
def test_the_same_seed_gives_the_same_text_and_another_seed_another(small):
    first, again, other = (call(small, "hello the", "-n", 30, "--seed", seed) for seed in (1, 1, 2))
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("hello the")
    assert first.stdout == again.stdout != other.stdout


@pytest.mark.slow
def test_text_past_the_context_goes_on_and_a_prompt_past_it_is_refused(small):
    done = call(small, "hello the", "-n", 150, "--top-k", 0, "--top-p", 1, "--min-p", 0, "--seed", 3)
    assert done.returncode == 0
    refused = call(small, "hello " * 200)
    assert refused.returncode == 2
    assert "its context; this is" in refused.stderr


@pytest.mark.parametrize("option", ["--temperature -1", "--top-p 1.5", "--min-p nan", "-n x", "--seed -1"])
def test_an_option_that_cannot_be_is_refused(small, option):
    done = call(small, "hello", *option.split())
    assert done.returncode == 2
    assert option.split()[0] in done.stderr


def test_help_teaches_with_an_example():
    done = call("--help")
    assert done.returncode == 0
    assert 'python run.py parameters.gguf "Once"' in done.stdout and "talks" in done.stdout
