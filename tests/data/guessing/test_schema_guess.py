"""How a guess is written: as TOML that can be read again, and in one line."""

from __future__ import annotations

import pandas as pd
import pytest

from ctrkit.data import Field, Schema, SchemaGuess, built_in_schema, guess_schema

ROWS = 200


def frame_of(**columns):
    plain = {"user": [f"u{n % 7}" for n in range(ROWS)], "click": [0, 1] * (ROWS // 2)}
    return pd.DataFrame(plain | columns)


ALIGNED = """\
# Guessed from the first 200 rows of DataFrame.
# Correct what is wrong, and pass it with --schema.
label = "click"  # 2 distinct, 0.0% missing: 0, 1; the label, by its name: 0 or 1, or true or false
separator = ","
header = true
quote = "\\""
min_count = 1

[fields]
#                                                    distinct  missing  examples
"Unnamed: 0" = "dropped"                           #      200     0.0%  0, 1, 2       counts rows
user         = "categorical"                       #        7     0.0%  u0, u1, u2    texts
price        = { kind = "numeric", buckets = 32 }  #        3    25.0%  0.5, 2, 3.25  \
numbers with decimals; standard
when         = "dropped"                           #        1     0.0%  2024-01-02    one value only
"""


def test_the_guess_is_aligned_and_says_what_was_seen_and_why():
    frame = frame_of(price=[0.5, 2.0, None, 3.25] * (ROWS // 4), when="2024-01-02")
    frame.insert(0, "Unnamed: 0", range(ROWS))
    assert guess_schema(frame).to_toml() == ALIGNED


ODD = {
    "line\nend": ["a\nb", "c"],
    "tab\t": ["\t", "\x1b[31m"],
    'quote "': ['"', "#"],
    "very long name of a column " * 10: ["x" * 500, "y"],
    "emoji \U0001f600": ["\U0001f600", "é\x7f"],
    "# comment": ["[fields]", "a = 3"],
    "dots.in.it": ["{", "}"],
    "": ["a", "b"],
}


@pytest.mark.parametrize("separate", [False, True])
def test_names_and_cells_of_any_kind_are_read_back(separate):
    columns = {name: cells * (ROWS // 2) for name, cells in ODD.items()}
    frames = [
        pd.DataFrame(columns).assign(click=[0, 1] * (ROWS // 2))[["", *list(ODD)[:-1], "click"]]
    ]
    if separate:
        frames = [frame_of(**{name or "x": cells}) for name, cells in columns.items()]
    for frame in frames:
        guess = guess_schema(frame, label="click")
        text = guess.to_toml()
        assert Schema.from_toml(text) == guess.schema
        assert all(line.isprintable() for line in text.splitlines())


def test_the_built_in_schemas_are_written_alike():
    for name in ("criteo", "avazu"):
        text = SchemaGuess(built_in_schema(name)).to_toml()
        assert Schema.from_toml(text) == built_in_schema(name)
        assert "#" not in text


def test_a_log_of_very_many_columns_is_explained_in_part():
    frame = pd.DataFrame({f"column_{n}": ["a", "b"] for n in range(3000)} | {"click": [0, 1]})
    guess = guess_schema(frame)
    text = guess.to_toml()
    assert Schema.from_toml(text) == guess.schema
    assert text.count("#") < 3000


def test_the_summary_counts_kinds_and_names_a_few_of_what_is_left_out():
    frame = frame_of(**{f"nothing{n}": "x" for n in range(6)}, price=0.5)
    frame["price"] = [n / 8 for n in range(ROWS)]
    guess = guess_schema(frame)
    assert guess.summary() == (
        "label click, 1 number, 1 category; left out: nothing0 (one value only), nothing1 (one "
        "value only), nothing2 (one value only), nothing3 (one value only), 2 more"
    )


def test_a_given_schema_leaves_out_without_a_reason():
    guess = SchemaGuess(Schema([Field("a"), Field("b", "dropped")], label="y", positive="yes"))
    assert guess.summary() == "label y (a click is 'yes'), 1 category; left out: b"
    assert not guess.is_guess
