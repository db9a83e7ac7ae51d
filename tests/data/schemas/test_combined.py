"""Crosses and history in a schema: names that can be combined, and those that cannot."""

from __future__ import annotations

import pytest

from ctrkit.data import Field, Schema

FIELDS = [
    Field("user"),
    Field("item"),
    Field("tags", "multivalued"),
    Field("age", "numeric", buckets=8),
    Field("price", "numeric"),
    Field("when", "timestamp"),
    Field("note", "dropped"),
]


def schema(**given):
    return Schema(FIELDS, label="click", **given)


def test_a_combination_with_a_history_is_a_cross():
    made = schema(history=["user", "item+user"], crosses=["user+age"])
    assert made.crosses == ("user+age", "item+user")
    assert made.history == ("user", "item+user")


def test_parts_of_a_time_and_buckets_of_a_number_can_be_combined():
    made = schema(crosses=["when_hour+user", "age+item"])
    assert made.crosses == ("when_hour+user", "age+item")


def test_a_column_with_a_plus_in_its_name_is_itself():
    made = Schema([Field("a+b"), Field("a")], label="click", history=["a+b"])
    assert made.crosses == ()


@pytest.mark.parametrize("given", ["auto", "none", ["user", "user+item"], []])
def test_toml_holds_crosses_and_history(given):
    made = Schema.from_mapping(
        {"fields": {"user": "categorical", "item": "categorical"}, "history": given}
    )
    assert Schema.from_toml(made.to_toml()) == made
    assert ("history" in made.to_toml()) == bool(given)


def test_a_schema_without_them_is_written_as_before():
    written = schema().to_mapping()
    assert not {"crosses", "history", "cross_min_count", "cross_hash_buckets"} & written.keys()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"history": ["usr"]}, "history 'usr': unknown field 'usr'; did you mean 'user'"),
        ({"history": ["click"]}, "history 'click': 'click' is the label, which a new row"),
        ({"history": ["price"]}, "'price' must have one category a row, got numeric; give it buc"),
        ({"history": ["tags"]}, "'tags' must have one category a row, got multivalued"),
        ({"history": ["note"]}, "column 'note' is dropped, and no field of the model"),
        ({"history": ["when"]}, "'when' is a timestamp, name when_weekday or when_hour"),
        ({"history": ["user", "user"]}, "history 'user': must be named once, got it twice"),
        ({"crosses": ["user"]}, "crosses 'user': must name 2 to 4 fields, got 1"),
        ({"crosses": ["user+user"]}, r"crosses 'user\+user': must name different fields"),
        ({"crosses": ["user+price"]}, r"crosses 'user\+price': 'price' must have one category"),
        ({"crosses": ["user+click"]}, r"crosses 'user\+click': 'click' is the label"),
        ({"crosses": ["a+b+c+d+e"]}, "must name 2 to 4 fields, got 5"),
        ({"crosses": ["none"], "history": ["user+item"]}, r"crosses must name 'user\+item', of"),
        ({"cross_min_count": 0}, "cross_min_count must be positive, got 0"),
    ],
)
def test_what_cannot_be_combined_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        schema(**given)


def test_buckets_belong_to_numbers_and_are_bounded():
    with pytest.raises(ValueError, match="a categorical field has no buckets"):
        Field("user", buckets=8)
    with pytest.raises(ValueError, match=r"buckets must lie in 2 ... 10000, got 1"):
        Field("age", "numeric", buckets=1)
