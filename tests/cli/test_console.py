"""What is printed: one line, without control characters, and never at the cost of the work."""

import os
import re

import pytest
from failing import error_of

from ctrkit.cli import main
from ctrkit.cli.console import say, show
from ctrkit.cli.errors import one_line
from ctrkit.cli.streams import lossy
from ctrkit.options import printable

HOSTILE = "a\x1b[2Jb\nc\rd\x9b31m\u202e.csv"


@pytest.mark.parametrize(
    "words",
    [
        ["prepare", HOSTILE, "--out", "x", "--format", "criteo"],
        ["predict", HOSTILE, "x.csv", "--out", "y.csv"],
        ["evaluate", HOSTILE, "x.csv"],
        ["train", "--like", HOSTILE, "--out", "x"],
        ["train", "x.csv", "--out", "x", f"--{HOSTILE}"],
        ["train", "x.csv", "--out", "x", "--epochs", HOSTILE],
        ["prepare", "x.csv", "--out", "x", "--config", HOSTILE],
        [HOSTILE],
    ],
)
def test_names_reach_the_terminal_without_control_characters(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = error_of(words, capsys)
    assert printable(said) == said
    assert "b\\n" in said or HOSTILE[0] in said


def test_plain_text_is_printed_as_it_is():
    assert printable("Größe 東京 – 3 %") == "Größe 東京 – 3 %"


def test_bytes_that_are_no_text_are_printed_as_escapes():
    assert printable(os.fsdecode(b"a\xff")) == "a\\udcff"


def test_a_full_standard_output_is_an_error(monkeypatch):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr("sys.stdout", full)
        with pytest.raises(OSError, match="cannot write to standard output: No space left"):
            show("a result")
        monkeypatch.undo()
        with pytest.raises(OSError, match="No space"):
            full.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())


@pytest.mark.parametrize("target", ["/dev/full", "closed"])
def test_a_message_is_lost_where_standard_error_takes_none(target):
    descriptor = os.open("/dev/null" if target == "closed" else target, os.O_WRONLY)
    stream = lossy(descriptor, "utf-8")
    if target == "closed":
        os.close(descriptor)
    print("a message", file=stream, flush=True)
    print("and another", file=stream, flush=True)
    if target != "closed":
        os.close(descriptor)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        MemoryError("Unable to allocate 3. GiB for an array"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp] . DefaultCPUAllocator: can't allocate memory"
        ),
        RuntimeError("CUDA out of memory. Tried to allocate 20 MiB"),
        RuntimeError("can't start new thread"),
    ],
)
def test_memory_that_is_used_up_is_said_in_one_line(error):
    assert one_line(error).startswith("there is not enough memory")


def test_an_error_that_no_input_should_cause_asks_for_a_report():
    said = one_line(KeyError("x"))
    assert said == (
        "KeyError: 'x'. This is a bug in ctrkit: please report it with what --traceback shows"
    )


def test_an_error_of_several_lines_is_printed_in_one(capsys):
    say(one_line(ValueError("one\ntwo")))
    assert capsys.readouterr().err == "one\\ntwo\n"
    assert len(one_line(ValueError("x" * 10_000))) == 2000


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--lr", "1"], "did you mean '--learning-rate'?"),
        (["--zzz", "1"], "choose from"),
        (["--batch", "1"], "did you mean '--batch-size'?"),
        (["--batch", "1", "--model", "dcnv2"], "did you mean '--batch-size' or '--batch-norm'?"),
        (["--epoch", "1"], "did you mean '--epochs'?"),
        (["--orders", "39", "39"], "are written with commas: --orders 39,39"),
        (["--hidden-dims", "3", "4", "5", "--model=dcnv2"], "--hidden-dims 3,4,5"),
    ],
)
def test_a_slip_in_the_options_gets_the_right_hint(words, hint, capsys):
    assert hint in error_of(["train", "x.csv", "--out", "x", *words], capsys)


def test_options_and_inputs_may_come_in_any_order(tmp_path, capsys):
    words = ["train", "--out", str(tmp_path / "x"), "one.csv", "--epochs", "1", "two.csv"]
    assert "one.csv does not exist" in error_of(words, capsys)


def test_after_two_dashes_every_word_is_an_input(tmp_path, capsys):
    words = ["prepare", "--out", str(tmp_path / "x"), "--format", "criteo", "--", "--no-file"]
    assert "--no-file does not exist" in error_of(words, capsys)


def test_traceback_raises_the_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        main(["prepare", "none.csv", "--out", str(tmp_path / "x"), "--traceback"])


@pytest.mark.parametrize("number", ["1_0", "١", " 1", "x" * 5000, "9" * 5000])
def test_a_number_is_spelt_in_ascii_digits(number, capsys):
    said = error_of(["predict", "run", "x", "--out", "y", "--num-workers", number], capsys)
    assert "argument --num-workers: " in said
    assert "a whole number" in said
    said = error_of(["train", "x.csv", "--out", "y", "--epochs", number], capsys)
    assert "argument --epochs: must be a whole number, got" in said


def help_of(words, capsys) -> str:
    with pytest.raises(SystemExit):
        main([*words, "--help"])
    return capsys.readouterr().out


def test_help_shows_the_options_of_one_model_alone(capsys):
    shown = help_of(["train"], capsys)
    assert "model eulernet:\n  the options of another model: ctrkit train --model NAME" in shown
    assert "--orders" in shown
    assert "--depth" not in shown
    shown = help_of(["train", "--model", "dagfm"], capsys)
    assert "model dagfm:" in shown
    assert "--depth" in shown
    assert "--orders" not in shown
    shown = help_of(["distill", "--student=cin"], capsys)
    assert "student cin:" in shown
    assert "--num-maps" in shown


def test_help_begins_with_what_a_newcomer_needs_and_ends_with_what_is_rare(capsys):
    shown = help_of(["train"], capsys)
    order = ["--out", "--epochs", "--learning-rate", "--embedding-dim", "--format", "--clip-norm"]
    places = [shown.index(f"  {flag} ") for flag in order]
    assert places == sorted(places)
    titles = re.findall(r"^(\w.*):$", shown, flags=re.MULTILINE)
    assert titles == [
        "positional arguments",
        "options",
        "training",
        "model eulernet",
        "raw files",
        "more",
    ]


def test_a_settings_file_chooses_the_model_as_the_flag_does(tmp_path, capsys):
    (tmp_path / "x.toml").write_text('[model]\nname = "dagfm"\n')
    words = ["train", "--config", str(tmp_path / "x.toml")]
    assert "--depth" in help_of(words, capsys)
    assert "--orders" in help_of([*words, "--model", "eulernet"], capsys)
    assert "--orders is an option of eulernet, not of dagfm" in error_of(
        [*words, "--orders", "3"], capsys
    )


def test_all_models_that_have_an_option_are_named(capsys):
    words = ["train", "x", "--out", "y", "--depth", "3"]
    expected = "--depth is an option of dagfm, dagfm_plus, not of eulernet; choose the model with"
    assert expected in error_of(words, capsys)
    words = ["distill", "x", "--teacher", "y", "--out", "z", "--no-layer-norm"]
    said = error_of(words, capsys)
    assert "--no-layer-norm is an option of eulernet, not of dagfm" in said
    assert "a teacher's options go into --teacher-config" in said
