"""Schemas guessed from the first rows: which columns become what, and which are left out."""

from __future__ import annotations

import datetime
import os
import threading

import numpy as np
import pandas as pd
import pytest

from ctrkit.data import Field, Schema, built_in_schema, guess_schema, infer_schema, prepare
from ctrkit.data.guessing import kinds
from ctrkit.data.guessing.guess import resolve_schema
from ctrkit.data.guessing.samples import SAMPLED_ROWS

TEXT = "user,age,price,note,Click\nu1,30,0.5,,0\nu2,,3,x,1\n"
ROWS = 400


def kinds_of(source, **options):
    return {field.name: field.kind for field in infer_schema(source, **options).fields}


def fields_of(source, **options):
    return {field.name: field for field in infer_schema(source, **options).fields}


def reasons_of(source, **options):
    return {column.name: column.reason for column in guess_schema(source, **options).columns}


def log(num_rows=ROWS, **columns):
    """A frame with a user, an item and clicks, and some columns more."""
    generator = np.random.default_rng(1)
    plain = {
        "user": [f"u{number}" for number in generator.integers(0, 30, num_rows)],
        "item": [f"i{number}" for number in generator.integers(0, 20, num_rows)],
    }
    return pd.DataFrame(plain | columns | {"click": generator.integers(0, 2, num_rows)})


def test_kinds_are_guessed_from_the_cells(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(TEXT)
    schema = infer_schema(path)
    assert schema.label == "Click"
    assert [(field.name, field.kind) for field in schema.fields] == [
        ("user", "categorical"),
        ("age", "categorical"),
        ("price", "numeric"),
        ("note", "categorical"),
    ]


def test_a_frame_is_guessed_like_a_file():
    frame = pd.DataFrame(
        {
            "when": pd.to_datetime(["2024-01-01", "2024-01-02"]),
            "price": [0.5, 2.0],
            "whole": [1.0, None],
            "target": [0, 1],
        }
    )
    schema = infer_schema(frame)
    assert schema.label == "target"
    assert [field.kind for field in schema.fields] == ["timestamp", "numeric", "categorical"]


@pytest.mark.parametrize(
    ("name", "separator"), [("log.tsv", "\t"), ("log.tsv.gz", "\t"), ("x.csv", ",")]
)
def test_the_separator_is_told_from_the_name(tmp_path, name, separator):
    path = tmp_path / name
    path.write_text(TEXT.replace(",", separator))
    assert infer_schema(path).separator == separator


def test_a_log_of_labels_alone_is_named(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("click\n0\n1\n")
    with pytest.raises(ValueError, match=r"log.csv: must have a column besides the label 'click'"):
        infer_schema(path)


@pytest.mark.parametrize("as_parquet", [False, True])
def test_columns_of_dates_are_timestamps(tmp_path, as_parquet):
    pytest.importorskip("pyarrow")
    day = datetime.date(2024, 1, 2)
    frame = pd.DataFrame(
        {
            "time": pd.to_datetime(["2024-01-01", None]),
            "zoned": pd.to_datetime(["2024-01-01", "2024-01-02"], utc=True),
            "day": pd.Series([None, day], dtype=object),
            "clock": [datetime.time(3), datetime.time(4)],
            "nothing": pd.Series([None, None], dtype=object),
            "label": [0, 1],
        }
    )
    frame.to_parquet(tmp_path / "log.parquet")
    found = kinds_of(tmp_path / "log.parquet" if as_parquet else frame)
    assert [name for name in found if found[name] == "timestamp"] == ["time", "zoned", "day"]


def test_times_that_were_taken_apart_already_are_left_out_but_can_cut_a_split():
    frame = log(when=pd.date_range("2024-01-01", periods=ROWS, freq="h"))
    frame["when_hour"] = [f"h{hour}" for hour in frame["when"].dt.hour]
    guess = guess_schema(frame)
    assert guess.schema.field("when") == Field("when", "dropped", time_format="iso")
    assert "when (times; when_hour is there already)" in guess.summary()
    assert prepare(frame, split="time", time_column="when").num_skipped == 0


@pytest.mark.parametrize("as_parquet", [False, True])
def test_lists_of_a_frame_are_lists(tmp_path, as_parquet):
    pytest.importorskip("pyarrow")
    frame = log(tags=[["a", "b", "c"], None, ["c"], []] * (ROWS // 4))
    frame.to_parquet(tmp_path / "log.parquet")
    source = tmp_path / "log.parquet" if as_parquet else frame
    assert fields_of(source)["tags"] == Field("tags", "multivalued", max_slots=3)
    assert len(prepare(source).train) == ROWS * 8 // 10


INDEXES = [
    ("", range(ROWS)),
    ("", range(17, 17 + ROWS)),
    ("", range(0, 5 * ROWS, 5)),
    ("Unnamed: 0", range(ROWS)),
    ("index", range(1, ROWS + 1)),
]


@pytest.mark.parametrize(("name", "numbers"), INDEXES)
def test_a_first_column_that_counts_rows_is_left_out(tmp_path, name, numbers):
    path = tmp_path / "log.csv"
    frame = log()
    frame.insert(0, name, numbers)
    frame.to_csv(path, index=False)
    guess = guess_schema(path)
    assert guess.schema.fields[0] == Field(name or "Unnamed: 0", "dropped")
    assert guess.left_out() == [f"{name or 'Unnamed: 0'} (counts rows)"]


def test_a_first_column_that_repeats_is_not_the_count_of_rows():
    assert kinds_of(log(index=0)[["index", "user", "click"]].assign(index=[1, 1] * 200))["index"]
    frame = log()
    frame.insert(0, "index", [1, 2] * (ROWS // 2))
    assert kinds_of(frame)["index"] == "categorical"


def test_rows_are_scored_with_and_without_the_column_that_counts_them(tmp_path):
    path = tmp_path / "log.csv"
    frame = log()
    frame.to_csv(path)  # with the index, whose name is empty
    encoder = prepare(path).encoder
    rows = encoder.encode(frame)
    assert rows.ids.shape == (ROWS, 2)
    for other in (
        frame.reset_index(),
        pd.read_csv(path),
        pd.read_csv(path).rename(columns={"Unnamed: 0": ""}),
    ):
        assert np.array_equal(encoder.encode(other).ids, rows.ids)


def test_columns_that_say_nothing_are_left_out_and_named():
    frame = log(
        query=[f"words of {number}" for number in range(ROWS)],
        order=np.random.default_rng(0).permutation(10**6)[:ROWS] + 10**6,
        nothing=None,
        always="x",
        nearly=[f"n{number // 2 if number < 20 else number}" for number in range(ROWS)],
    )
    guess = guess_schema(frame)
    assert guess.left_out() == [
        "query (all values differ)",
        "order (all values differ)",
        "nothing (empty)",
        "always (one value only)",
        "1 more",
    ]
    assert reasons_of(frame)["nearly"] == "97.5% of the values differ"


def test_columns_whose_values_repeat_often_enough_are_kept():
    frame = log(
        half=[f"n{number // 2}" for number in range(ROWS)],
        some=[f"n{max(number, 60)}" for number in range(ROWS)],
        gaps=["" if number % 5 == 0 else f"n{number}" for number in range(ROWS)],
    )
    assert "dropped" not in kinds_of(frame).values()


def test_amounts_and_times_may_all_differ():
    generator = np.random.default_rng(0)
    frame = log(
        price=generator.permutation(np.exp(generator.normal(9, 1, ROWS)).astype(int)),
        ratio=generator.random(ROWS),
        when=pd.date_range("2024-01-01", periods=ROWS, freq="67s").astype(str),
    )
    found = kinds_of(frame)
    assert (found["price"], found["ratio"], found["when"]) == ("numeric", "numeric", "timestamp")


def test_a_small_log_keeps_its_columns():
    num_rows = kinds.LEAST_ROWS_TO_DROP - 1
    frame = log(num_rows, name=[f"n{n}" for n in range(num_rows)], always="x")
    assert "dropped" not in kinds_of(frame).values()


def test_the_only_column_is_kept_whatever_it_holds():
    frame = pd.DataFrame({"user": [f"u{n}" for n in range(ROWS)], "click": [0, 1] * (ROWS // 2)})
    assert kinds_of(frame) == {"user": "categorical"}


def test_the_beginning_of_a_long_log_drops_less(tmp_path, monkeypatch):
    """What differs in the first rows may repeat later, and one value may be followed by others."""
    monkeypatch.setattr("ctrkit.data.reading.text.source.BLOCK_BYTES", 1 << 20)
    num_rows = 10_000
    numbers = pd.Series(range(num_rows))
    frame = pd.DataFrame(
        {
            "user": "u" + (numbers % (num_rows // 2)).astype(str),
            "day": np.repeat(["mon", "tue"], num_rows // 2),
            "note": "n" + numbers.astype(str),
            "text": ["a" * 600, "b" * 600] * (num_rows // 2),
            "click": [0, 1] * (num_rows // 2),
        }
    )
    path = tmp_path / "log.csv"
    frame.to_csv(path, index=False)
    assert guess_schema(path).num_rows < num_rows // 4
    assert kinds_of(path) == {
        "user": "dropped",
        "day": "categorical",
        "note": "dropped",
        "text": "categorical",
    }
    frame["user"] = frame["user"].where(numbers % 20 > 0, "u7")
    frame.to_csv(path, index=False)
    assert kinds_of(path)["user"] == "categorical"
    assert kinds_of(frame[:1500])["user"] == "dropped"


def test_one_of_several_files_is_a_part_of_the_log(tmp_path):
    frame = log(always="x", note=[f"n{number}" for number in range(ROWS)])
    for name in ("1.csv", "2.csv"):
        frame.to_csv(tmp_path / name, index=False)
    assert kinds_of(tmp_path / "1.csv")["always"] == "dropped"
    found = kinds_of([tmp_path / "1.csv", tmp_path / "2.csv"])
    assert (found["always"], found["note"]) == ("categorical", "dropped")


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
def test_a_file_is_known_to_be_whole_packed_or_not(tmp_path, suffix):
    path = tmp_path / f"log.csv{suffix}"
    log(always="x").to_csv(path, index=False)
    assert kinds_of(path)["always"] == "dropped"


def test_numbers_with_a_text_among_them_stay_categories_and_the_reason_says_so():
    frame = log(size=[*np.linspace(0.5, 9, ROWS - 1), "n/a"])
    guess = guess_schema(frame)
    assert guess.schema.field("size") == Field("size")
    assert reasons_of(frame)["size"] == "numbers in 99.8% of the rows, but not 'n/a'"


@pytest.mark.parametrize(
    "texts",
    [["$1.20", "$0.99"], ["1,5", "2,25"], [" 1.5", "2.5 "], ["1_000", "2_000"], ["10%", "5%"]],
)
def test_what_is_no_number_is_text(texts):
    frame = log(cell=(texts * ROWS)[:ROWS])
    assert (kinds_of(frame)["cell"], reasons_of(frame)["cell"]) == ("categorical", "texts")


def test_numbers_are_taken_as_they_are_or_by_their_logarithm():
    generator = np.random.default_rng(0)
    frame = log(
        temperature=generator.normal(20, 5, ROWS),
        price=np.exp(generator.normal(3, 1, ROWS)),
        change=generator.standard_t(2, ROWS),
        share=generator.random(ROWS),
    )
    found = fields_of(frame)
    assert found["price"] == Field("price", "numeric", transform="log1p", buckets=32)
    assert reasons_of(frame)["price"] == "numbers with decimals; skewed, so log1p"
    assert reasons_of(frame)["share"] == "numbers with decimals; standard"
    for name in ("temperature", "change", "share"):
        assert found[name] == Field(name, "numeric", buckets=32)


@pytest.mark.parametrize("number", ["1e308", "-1.7e308", "1" * 400, "0" * 5000 + "1"])
def test_numbers_of_any_size_can_be_guessed_at(tmp_path, number):
    path = tmp_path / "log.csv"
    numbers = [number, "-1e308", "5e307", *map(str, range(197))]
    cells = [text for text in numbers if len(text) < 1000 or text is number]
    path.write_text("n,u,click\n" + "".join(f"{n},u{k % 7},{k % 2}\n" for k, n in enumerate(cells)))
    assert "n" in kinds_of(path)


def test_the_same_rows_give_the_same_guess(tmp_path):
    path = tmp_path / "log.csv"
    log(tags=["a|b", "b"] * (ROWS // 2), n=range(ROWS)).to_csv(path)
    assert guess_schema(path) == guess_schema(path)
    frame = pd.read_csv(path, keep_default_na=False)
    assert infer_schema(frame) == infer_schema(path)


def test_no_more_than_the_first_rows_are_looked_at():
    num_rows = SAMPLED_ROWS + 50_000
    frame = pd.DataFrame({"n": np.linspace(0, 1, num_rows), "u": "a", "click": [0, 1] * 75_000})
    guess = guess_schema(frame)
    assert guess.num_rows <= SAMPLED_ROWS
    assert guess.schema.field("u").kind == "categorical"  # the rest is not known


def test_a_stream_is_guessed_and_read(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    text = log(when=pd.date_range("2024-01-01", periods=ROWS, freq="h").astype(str)).to_csv()
    writer = threading.Thread(target=lambda: pipe.write_text(text))
    writer.start()
    found = []
    data = prepare(pipe, format="csv", on_guess=found.append)
    writer.join()
    assert found[0].schema == data.encoder.schema
    assert found[0].command == "ctrkit schema FILE"
    assert data.encoder.field_names == ("user", "item", "when_weekday", "when_hour")


def test_bad_rows_that_will_be_skipped_do_not_count(tmp_path):
    path = tmp_path / "log.csv"
    lines = log(n=np.linspace(0.5, 9, ROWS)).to_csv(index=False).splitlines()
    lines[3] = "u1,i1,text,maybe"
    lines[7] = "u1"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(ValueError, match=r"log.csv, line 8: must have 4 columns, got 1"):
        infer_schema(path)
    assert kinds_of(path, skip=True)["n"] == "numeric"
    assert prepare(path, bad_rows="skip").num_skipped == 2


def test_a_given_schema_wins_over_the_format(tmp_path):
    schema = Schema([Field("a"), Field("b")])
    (tmp_path / "schema.toml").write_text(schema.to_toml())
    assert resolve_schema([], format="criteo", schema=schema).schema is schema
    assert resolve_schema([], schema=tmp_path / "schema.toml").schema == schema
    assert resolve_schema([], schema=schema, label="b").schema.label == "b"
    assert resolve_schema([], format="avazu").schema == built_in_schema("avazu")
    assert not resolve_schema([], format="avazu").is_guess


def test_a_known_format_is_looked_at_but_not_guessed(tmp_path):
    path = tmp_path / "log.txt"
    path.write_text("1" + "\t3" * 13 + "\tab" * 26 + "\n")
    guess = guess_schema(path, format="criteo")
    assert guess.schema == built_in_schema("criteo")
    assert not guess.is_guess
    assert (guess.columns[1].name, guess.columns[1].examples) == ("I1", ("3",))


WRONG_LATER = [
    ("n", "many", "column n must be a finite number or empty, got 'many'"),
    ("when", "noon", "column when must be an ISO 8601 time or empty, got 'noon'"),
    ("click", "maybe", "column click must be 0 or 1, got 'maybe'"),
]


@pytest.mark.parametrize("as_file", [True, False])
@pytest.mark.parametrize(("column", "text", "message"), WRONG_LATER)
def test_an_error_in_a_later_row_says_that_the_schema_was_guessed(
    tmp_path, monkeypatch, column, text, message, as_file
):
    monkeypatch.setattr("ctrkit.data.guessing.first_rows.SAMPLED_ROWS", 300)
    frame = log(
        n=np.linspace(0.5, 9, ROWS), when=pd.date_range("2024-01-01", periods=ROWS).astype(str)
    ).astype(object)
    frame.loc[350, column] = text
    path = tmp_path / "my log.csv"
    frame.to_csv(path, index=False)
    with pytest.raises(ValueError, match=message) as caught:
        prepare(path if as_file else frame)
    if as_file:
        assert "my log.csv, line 352" in str(caught.value)
        hint = f"correct it with ctrkit schema '{path}' > schema.toml, and pass that with --schema"
    else:
        hint = "correct what infer_schema returns, and give it as schema"
    assert str(caught.value).endswith(f"; the schema was guessed: {hint}")


def test_an_error_in_a_row_of_a_given_schema_says_nothing_of_a_guess(tmp_path):
    frame = log().astype(object)
    frame.loc[3, "click"] = "maybe"
    with pytest.raises(ValueError, match=r"got 'maybe'$"):
        prepare(frame, schema=Schema([Field("user"), Field("item")], label="click"))
