"""Command lines of right and wrong words: done, or refused in a line, never a traceback."""

from __future__ import annotations

import io
import random
import shutil
import sys
from pathlib import Path

import pytest
from artefacts import make_artefacts

from ctrkit.cli import COMMANDS, main, make_parser

FILES = (
    *("criteo.txt", "avazu.csv", "own.csv", "own.parquet", "criteo.txt.gz", "own", "criteo", "run"),
    *("schema.toml", "settings.toml", "none", "empty", ".", "own/schema.json", "run/checkpoints"),
)
WORDS = (
    *("", "-1", "0", "1", "2", "1.5", "nan", "inf", "-inf", "1e-3", "1e999", "x", "none", "true"),
    *("é", "\udcff", "0.8,0.1,0.1", "1,1", ",", "1,x", "nan,nan,nan", "crossnet", "dagfm", "cpu"),
    *("cuda:9", "meta", "criteo", "avazu", "csv", "random", "time", "last", "click", "0x10"),
)
HUGE = ("1000000000", "2147483648", "9223372036854775808", "100000000000000000000")
LONG = {"epochs", "patience", "distill-epochs", "finetune-epochs", "validations-per-epoch"} | {
    "num-workers"
}
"""Options of which a huge value means long work, and is no mistake."""

WEIGHTS = {"prepare": 3, "train": 6, "evaluate": 4, "predict": 4, "demo": 0}
"""How often a command is tried; once where it is not named, and never what takes long."""

SMALL = ("--epochs", "1", "--embedding-dim", "2")
"""What makes a run quick; later words may say otherwise."""


@pytest.fixture(scope="module")
def valid(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("valid")
    make_artefacts(folder)
    (folder / "empty").write_text("")
    return folder


def command_line(chance: random.Random, folder: Path, options: dict[str, list[str]]) -> list[str]:
    """Return the words of a command line, most of which are right."""
    weights = [WEIGHTS.get(name, 1) for name in COMMANDS]
    command = chance.choices([*COMMANDS, "x"], [*weights, 0.2])[0]
    words = [command]
    inputs = chance.choices(FILES, k=chance.choice([0, 1, 1, 1, 2, 3]))
    words += [str(folder / name) for name in inputs]
    if command in ("evaluate", "predict") and chance.random() < 0.7:
        words[1:1] = [str(folder / "run")]
    if chance.random() < 0.9:
        words += ["--out", str(folder / chance.choice(["out", "out", "own", "run", "none/out"]))]
    if command in ("train", "prepare", "distill") and chance.random() < 0.6:
        words += chance.choice([["--format", "criteo"], ["--schema", str(folder / "schema.toml")]])
    if command in ("train", "distill"):
        words += SMALL
    if command == "distill":
        words += ["--teacher", chance.choice(["crossnet", str(folder / "run"), "x"]), "--no-alone"]
    for _ in range(chance.choice([0, 1, 1, 2])):
        flag = chance.choice(options.get(command, ["--x"]))
        words.append(flag)
        values = WORDS if flag.removeprefix("--") in LONG else WORDS + HUGE
        if chance.random() < 0.9:
            words.append(chance.choice([*values, str(folder / chance.choice(FILES))]))
    if chance.random() < 0.1:
        chance.shuffle(words)
    return words


def options_of(command: str) -> list[str]:
    parser = make_parser(command)._subparsers._group_actions[0].choices[command]
    if parser.complete is not None:
        parser.complete([])
    flags = [flag for flag in parser._option_string_actions if flag.startswith("--")]
    return [flag for flag in flags if flag != "--traceback"]


@pytest.mark.slow
def test_commands_end_in_words(valid, tmp_path, monkeypatch, request):
    monkeypatch.chdir(tmp_path)
    seed = request.config.getoption("--fuzz-seed")
    options = {command: options_of(command) for command in COMMANDS}
    ends = {0: 0, 1: 0, 2: 0}
    folder = tmp_path / "all"
    shutil.copytree(valid, folder)
    for number in range(request.config.getoption("--fuzz")):
        words = command_line(random.Random(f"{seed} commands {number}"), folder, options)
        stderr = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace")
        monkeypatch.setattr(sys, "stderr", stderr)  # as Python sets it up; capsys is stricter
        try:
            status = main(words)
        except SystemExit as stop:  # as argparse ends
            status = stop.code
        except Exception as error:
            error.add_note(f"input {number}: {words}")
            raise
        stderr.flush()
        said = stderr.buffer.getvalue().decode()
        assert status in ends, words
        ends[status] += 1
        assert "Traceback" not in said, words
        if status:
            last = said.strip().splitlines()[-1]
            assert last.startswith("ctrkit"), (words, said)
            assert last.partition("error: ")[2], (words, said)
            assert len(last) < 3000, words
        for path in tmp_path.iterdir():  # what the command wrote
            if path != folder:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.rmtree(folder)
        shutil.copytree(valid, folder)
    assert all(ends.values()), ends
