"""``ctrkit schema``, and what other commands say of a schema that they guess."""

import io
from pathlib import Path

import pandas as pd
import pytest
from failing import error_of

from ctrkit.cli import main
from ctrkit.data import Schema, built_in_schema, infer_schema, load

ROWS = 400
TINY = ["--epochs", "1", "--batch-size", "256", "--embedding-dim", "2", "--orders", "2"]


@pytest.fixture
def log(tmp_path) -> Path:
    """A log as pandas writes it, with the index and labels of texts."""
    frame = pd.DataFrame(
        {
            "user": [f"u{n % 30}" for n in range(ROWS)],
            "price": [n % 97 / 8 for n in range(ROWS)],
            "query": [f"query {n}" for n in range(ROWS)],
            "clicked": ["yes" if n % 3 == 0 else "no" for n in range(ROWS)],
        }
    )
    path = tmp_path / "clicks.csv"
    frame.to_csv(path)
    return path


def test_the_guess_is_printed_as_a_schema_that_can_be_used(log, tmp_path, capsys):
    assert main(["schema", str(log)]) == 0
    printed = capsys.readouterr()
    assert Schema.from_toml(printed.out) == infer_schema(log)
    assert printed.err.splitlines() == [
        "left out: Unnamed: 0 (counts rows)",
        "left out: query (all values differ)",
    ]
    (tmp_path / "schema.toml").write_text(printed.out)
    words = ["prepare", str(log), "--schema", str(tmp_path / "schema.toml")]
    assert main([*words, "--out", str(tmp_path / "data")]) == 0
    assert "guessed" not in capsys.readouterr().err
    assert main(["prepare", str(log), "--out", str(tmp_path / "data")]) == 0  # it is the same


def test_a_known_format_is_printed_with_and_without_a_file(tmp_path, capsys):
    assert main(["schema", "--format", "avazu"]) == 0
    printed = capsys.readouterr()
    assert Schema.from_toml(printed.out) == built_in_schema("avazu")
    assert printed.err == "left out: id\n"
    path = tmp_path / "train.txt"
    path.write_text("1" + "\t3" * 13 + "\tab" * 26 + "\n")
    assert main(["schema", str(path), "--format", "criteo"]) == 0
    printed = capsys.readouterr()
    assert Schema.from_toml(printed.out) == built_in_schema("criteo")
    assert printed.out.startswith("# The comments are what the first 1 rows of")
    assert main(["schema", "--format", "criteo", "--label", "C1", "--positive", "ab"]) == 0
    assert Schema.from_toml(capsys.readouterr().out).positive == "ab"


def test_label_and_text_of_a_click_can_be_named(log, capsys):
    assert main(["schema", str(log), "--label", "clicked", "--positive", "no"]) == 0
    schema = Schema.from_toml(capsys.readouterr().out)
    assert (schema.label, schema.positive, schema.negative) == ("clicked", "no", "yes")


def test_standard_input_can_be_guessed(log, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(log.read_bytes())))
    assert main(["schema", "-", "--format", "csv"]) == 0
    assert Schema.from_toml(capsys.readouterr().out).label == "clicked"


def test_bad_rows_can_be_skipped(log, capsys):
    log.write_text(log.read_text() + "1,2\n")
    assert "line 402: must have 5 columns, got 2" in error_of(["schema", str(log)], capsys)
    assert main(["schema", str(log), "--bad-rows", "skip"]) == 0


WRONG = [
    ([], "FILE must name a raw log, or --format a known one (criteo, avazu)"),
    (["--format", "csv"], "FILE must name a raw log, or --format a known one (criteo, avazu)"),
    (["none.csv"], "none.csv does not exist"),
    (["LOG", "--label", "clickd"], "unknown column 'clickd'; did you mean 'clicked'?"),
    (["LOG", "--positive", "si"], "positive must be one of the two texts of column 'clicked'"),
    (["LOG", "--positive", ""], "positive must not be empty"),
    (["LOG", "--format", "tsf"], "unknown format 'tsf'; did you mean 'tsv'?"),
]


@pytest.mark.parametrize(("words", "message"), WRONG)
def test_what_is_wrong_is_said_in_one_line(log, words, message, capsys):
    words = [str(log) if word == "LOG" else word for word in words]
    assert message in error_of(["schema", *words], capsys)


def test_commands_say_in_one_line_what_they_guessed(log, tmp_path, capsys):
    said = (
        "guessed the schema: label clicked (a click is 'yes'), 1 number, 1 category; left out: "
        f"Unnamed: 0 (counts rows), query (all values differ); ctrkit schema {log} shows it\n"
    )
    assert main(["prepare", str(log), "--out", str(tmp_path / "data")]) == 0
    printed = capsys.readouterr()
    assert printed.err == said
    assert "guessed" not in printed.out
    assert main(["train", str(log), "--out", str(tmp_path / "run"), *TINY]) == 0
    assert said in capsys.readouterr().err
    assert main(["train", str(tmp_path / "data"), "--out", str(tmp_path / "other"), *TINY]) == 0
    assert "guessed" not in capsys.readouterr().err


def test_the_text_of_a_click_can_be_given_where_a_log_is_prepared(log, tmp_path, capsys):
    out = tmp_path / "data"
    assert main(["prepare", str(log), "--positive", "no", "--out", str(out)]) == 0
    assert load(out).encoder.schema.positive == "no"
    schema = tmp_path / "schema.toml"
    schema.write_text(load(out).encoder.schema.to_toml())
    words = ["prepare", str(log), "--schema", str(schema), "--out", str(out)]
    message = error_of([*words, "--positive", "maybe"], capsys)
    assert "positive must be one of the two texts of column 'clicked', 'yes' and 'no'" in message


def test_an_error_in_a_later_row_names_the_command_that_corrects_the_guess(
    log, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("ctrkit.data.guessing.first_rows.SAMPLED_ROWS", ROWS)
    log.write_text(log.read_text() + "400,u1,cheap,query,no\n")
    message = error_of(["prepare", str(log), "--out", str(tmp_path / "data")], capsys)
    assert message.endswith(
        "clicks.csv, line 402: column price must be a finite number or empty, got 'cheap'; the "
        f"schema was guessed: correct it with ctrkit schema {log} > schema.toml, and pass that "
        "with --schema"
    )
