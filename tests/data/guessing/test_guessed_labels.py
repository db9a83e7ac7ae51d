"""Which column is the label, and which of its texts is a click."""

from __future__ import annotations

import pandas as pd
import pytest

from ctrkit.data import Field, Schema, guess_schema, infer_schema, load, prepare
from ctrkit.data.guessing.guess import resolve_schema
from ctrkit.data.reading import open_sources


def frame_of(label, values, **columns):
    num_rows = len(values)
    others = {"user": [f"u{n % 3}" for n in range(num_rows)], **columns}
    return pd.DataFrame({**others, label: values})


NAMES = [
    *("label", "click", "Clicked", "clicks", "is_click", "IS-CLICKED", "isClick", "target", "Y"),
    *("conversion", "converted", "has_converted", "is purchased", "bought"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_label_is_known_by_its_name(name):
    frame = frame_of(name, [0, 1] * 6, sex=["m", "f"] * 6)
    assert infer_schema(frame).label == name


def test_a_label_is_known_as_the_only_column_of_two_values():
    guess = guess_schema(frame_of("income", ["low", "high", "low"] * 4))
    assert guess.schema.label == "income"
    assert guess.columns[-1].reason == (
        "the label, as the only column of two values: 'high' is a click, as the rarer text"
    )


def test_of_two_known_names_the_one_with_two_values_counts():
    frame = frame_of("click", [0, 1] * 6, clicks=[0, 3, 2] * 4)
    assert infer_schema(frame).label == "click"


def test_a_column_with_gaps_is_not_taken_for_the_label():
    frame = frame_of("paid", [0, 1] * 6, sex=["m", "f", None, "m"] * 3)
    assert infer_schema(frame).label == "paid"


AMBIGUOUS = [
    (
        {"click": [0, 1] * 6, "conversion": [0, 0, 1] * 4},
        "only one column may be called label, click, target or the like, got click and conversion; "
        "name the label column, and drop the other in a schema",
    ),
    (
        {"paid": [0, 1] * 6, "sex": ["m", "f"] * 6},
        "no column is called label, click, target or the like, and several have two values; name "
        "the label column, one of paid, sex",
    ),
    (
        {"paid": [0, 1, 2] * 4},
        "no column is called label, click, target or the like, and none has two values; name the "
        "label column, one of user, paid",
    ),
]


@pytest.mark.parametrize(("columns", "message"), AMBIGUOUS)
def test_where_the_label_is_not_clear_the_columns_are_named(columns, message):
    frame = pd.DataFrame({"user": ["a", "b", "c"] * 4, **columns})
    with pytest.raises(ValueError, match=f"DataFrame: {message}"):
        infer_schema(frame)
    assert infer_schema(frame, label="paid" if "paid" in columns else "click").label


def test_a_label_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="unknown column 'clik'; did you mean 'click'"):
        infer_schema(frame_of("click", [0, 1]), label="clik")


PAIRS = [
    ("yes", "no"),
    ("Y", "N"),
    ("t", "f"),
    ("1", "-1"),
    ("1.0", "-1.0"),
    ("click", "no_click"),
    ("click", "noclick"),
    ("Clicked", "not clicked"),
    ("Positive", "negative"),
    ("converted", "non-converted"),
    ("2", "1"),
    ("10", "9.5"),
]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("positive", "negative"), PAIRS)
def test_the_text_of_a_click_is_known_by_its_meaning(positive, negative, turned):
    texts = [positive, negative, negative] if turned else [negative, positive, positive]
    schema = infer_schema(frame_of("clicked", texts * 4))
    assert (schema.positive, schema.negative) == (positive, negative)


@pytest.mark.parametrize("texts", ["01", ["0", "1.0"], ["False", "True"], ["true", "false"]])
def test_zero_and_one_need_no_text_of_a_click(texts):
    schema = infer_schema(frame_of("clicked", list(texts) * 4))
    assert (schema.positive, schema.negative) == (None, None)


def test_else_the_rarer_text_is_a_click_and_the_reason_says_so():
    guess = guess_schema(frame_of("income", [">50K", "<=50K", "<=50K"] * 4))
    assert (guess.schema.positive, guess.schema.negative) == (">50K", "<=50K")
    assert guess.columns[-1].reason.endswith("'>50K' is a click, as the rarer text")
    assert guess.summary() == "label income (a click is '>50K'), 1 category"


def test_the_text_of_a_click_can_be_named():
    frame = frame_of("income", [">50K", "<=50K", "<=50K"] * 4)
    schema = infer_schema(frame, positive="<=50K")
    assert (schema.positive, schema.negative) == ("<=50K", ">50K")
    with pytest.raises(
        ValueError,
        match="DataFrame: positive must be one of the two texts of column 'income', '>50K' and "
        "'<=50K', got '50K'",
    ):
        infer_schema(frame, positive="50K")
    with pytest.raises(ValueError, match="positive must not be empty"):
        prepare(frame, positive="")


def test_labels_of_texts_are_prepared_and_scored(tmp_path):
    frame = frame_of("clicked", ["yes", "no", "no", "no"] * 25)
    path = tmp_path / "log.csv"
    frame.to_csv(path, index=False)
    data = prepare(path, out=tmp_path / "data")
    assert data.train.labels.mean() == 0.25
    encoder = load(tmp_path / "data").encoder
    assert encoder.encode(frame).labels.tolist() == [1, 0, 0, 0] * 25
    assert prepare(path, out=tmp_path / "data", positive="yes").path == data.path
    with pytest.raises(ValueError, match="column clicked must be 'yes' or 'no', got 'No'"):
        encoder.encode(frame.replace("no", "No"))


def test_the_other_text_of_a_given_schema_is_taken_from_the_first_rows(tmp_path):
    path = tmp_path / "log.csv"
    frame_of("clicked", ["yes", "no"] * 10).to_csv(path, index=False)
    schema = Schema([Field("user")], label="clicked", positive="yes")
    found = resolve_schema(open_sources(path), schema=schema)
    assert found.schema.negative == "no"
    assert not found.is_guess
    with pytest.raises(ValueError, match="the two texts of column 'clicked', 'yes' and 'no'"):
        resolve_schema(open_sources(path), schema=schema, positive="Yes")


@pytest.mark.parametrize("skip", ["error", "skip"])
def test_a_third_text_is_an_error_or_a_bad_row(tmp_path, skip):
    path = tmp_path / "log.csv"
    frame_of("clicked", ["yes", "no"] * 50 + ["maybe"]).to_csv(path, index=False)
    schema = Schema([Field("user")], label="clicked", positive="yes")
    if skip == "skip":
        assert prepare(path, schema=schema, bad_rows="skip").num_skipped == 1
        assert prepare(path, bad_rows="skip").num_skipped == 1
        return
    with pytest.raises(ValueError, match="line 102: column clicked must be 'yes' or 'no', got 'm"):
        prepare(path, schema=schema)
