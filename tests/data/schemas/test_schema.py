"""Fields, schemas, and their TOML."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ctrkit.data import Encoder, Field, Schema, built_in_schema, infer_schema
from ctrkit.data.schemas.field import KINDS

EVERYTHING = Schema(
    [
        Field("user", "categorical", min_count=5, width=4),
        Field("friend", "categorical", shares_with="user"),
        Field("page", "categorical", hash_buckets=1000),
        Field("age", "integer", min_count=2),
        Field("price", "numeric", transform="log1p"),
        Field("when", "timestamp", time_format="%Y-%m-%d %H:%M"),
        Field("tags of it", "multivalued", separator=";", max_slots=3),
        Field("note \"'\\", "dropped"),
    ],
    label="bought",
    separator="\t",
    header=False,
    quote="",
    min_count=3,
    columns=(
        *("user", "friend", "bought", "page", "age", "price", "when", "tags of it"),
        "note \"'\\",
    ),
    positive='yes "sir"',
    negative="no",
)


@pytest.mark.parametrize(
    "schema", [EVERYTHING, built_in_schema("criteo"), built_in_schema("avazu")], ids=str
)
def test_toml_gives_back_the_schema(schema):
    assert Schema.from_toml(schema.to_toml()) == schema
    assert Schema.from_mapping(schema.to_mapping()) == schema


def test_criteo_has_39_fields_and_avazu_23():
    assert len(built_in_schema("criteo").model_fields) == 39
    assert len(built_in_schema("avazu").model_fields) == 23


def test_a_timestamp_becomes_two_fields():
    names = [field.name for field in EVERYTHING.model_fields]
    assert names == [
        *("user", "friend", "page", "age", "price", "when_weekday", "when_hour", "tags of it")
    ]


def test_another_label_drops_the_former_one():
    schema = Schema([Field("a"), Field("b")], label="click").with_label("b")
    assert schema.label == "b"
    assert [(f.name, f.kind) for f in schema.fields] == [("a", "categorical"), ("click", "dropped")]


def test_another_label_has_texts_of_its_own():
    schema = Schema([Field("a"), Field("b")], label="click", positive="yes", negative="no")
    assert schema.with_label("click") == schema.with_label(None, "yes") == schema
    other = schema.with_label("b")
    assert (other.positive, other.negative) == (None, None)
    assert schema.with_label("b", "si").positive == "si"
    other = schema.with_label(None, "no")
    assert (other.label, other.positive, other.negative) == ("click", "no", None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"positive": ""}, "positive and negative must not be empty"),
        ({"positive": "a", "negative": ""}, "positive and negative must not be empty"),
        ({"negative": "no"}, "must go with another text as positive, got positive None and"),
        ({"positive": "no", "negative": "no"}, "got positive 'no' and negative 'no'"),
    ],
)
def test_texts_of_labels_must_differ(options, message):
    with pytest.raises(ValueError, match=message):
        Schema([Field("a")], **options)


def test_a_schema_without_texts_of_labels_is_written_as_before():
    plain = Schema([Field("a")]).to_mapping()
    assert list(plain) == ["label", "separator", "header", "quote", "min_count", "fields"]


def test_another_label_keeps_its_place_in_files_without_header():
    schema = Schema([Field("a"), Field("b")], label="click", header=False).with_label("b")
    assert schema.file_columns == ("click", "a", "b")


def test_the_example_in_the_documentation_is_a_schema():
    page = Path(__file__).resolve().parents[3] / "docs" / "data.md"
    example = page.read_text().split("```toml\n")[1].split("```")[0]
    schema = Schema.from_toml(example)
    assert {field.kind for field in schema.fields} == set(KINDS)


TOML_ERRORS = [
    ('labl = "x"\n[fields]\na = "categorical"\n', "unknown option 'labl'; did you mean 'label'?"),
    ('[fields]\na = { kind = "numeric", trasform = "log1p" }\n', "did you mean 'transform'?"),
    ('[fields]\na = "categorial"\n', "unknown kind 'categorial'; did you mean 'categorical'?"),
    ('[fields]\na = { min_count = "3" }\n', "option 'min_count' must be int or nothing, got '3'"),
    ("[fields]\na = 3\n", "field a: must be a kind or a table, got 3"),
    ('[fields]\na = { name = "b" }\n', "the name is the key"),
    ("label = \n", "must be TOML"),
    ("fields = 3\n", "fields must be a table, got 3"),
    ('label = "\xe9"\n[fields]\na = "categorical"\n', "must be UTF-8, 'utf-8' codec can't"),
    ('[fields]\nt = { kind = "timestamp", time_format = "%Q" }\n', "field t: time_format must"),
]


@pytest.mark.parametrize(("text", "message"), TOML_ERRORS)
def test_what_is_wrong_in_a_schema_file_is_named(tmp_path, text, message):
    path = tmp_path / "schema.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises((ValueError, TypeError)) as caught:
        Schema.from_toml(path)
    assert message in str(caught.value)
    assert "schema.toml" in str(caught.value)


def test_a_schema_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"schema file .*none.toml does not exist"):
        Schema.from_toml(tmp_path / "none.toml")


FIELD_ERRORS = [
    ({"kind": "numeric", "min_count": 2}, "field f: a numeric field has no min_count; it takes"),
    ({"hash_buckets": 0}, "hash_buckets must be positive, got 0"),
    ({"hash_buckets": 2**31 - 2}, "hash_buckets must be at most 2147483645, .* got 2147483646"),
    ({"hash_buckets": 9, "min_count": 2}, "hash_buckets keeps no counts"),
    ({"shares_with": "a", "width": 2}, "width belongs to a, which it shares"),
    ({"kind": "timestamp", "time_format": "isoo"}, "unknown time_format 'isoo'; did you mean"),
    ({"kind": "timestamp", "time_format": "%Q"}, "field f: time_format must be .* got '%Q': 'Q'"),
    ({"kind": "dropped", "time_format": "%Y %Y"}, "time_format must be a strptime pattern, got"),
    ({"kind": "numeric", "transform": "log"}, "unknown transform 'log'"),
    ({"kind": "multivalued", "separator": ""}, "separator must not be empty"),
]


@pytest.mark.parametrize(("options", "message"), FIELD_ERRORS)
def test_options_must_fit_the_kind(options, message):
    with pytest.raises(ValueError, match=message):
        Field("f", **options)


TIME_FORMATS = [
    *(
        "%y%m%d%H",
        "%Y-%m-%d %H:%M:%S.%f",
        "%Y-%m-%dT%H:%M%z",
        "%d %b %Y %I %p",
        "%j/%Y",
        "%G-%V-%u",
    ),
    "iso",
    "epoch",
    "epoch_ms",
]


@pytest.mark.parametrize("time_format", TIME_FORMATS)
def test_patterns_that_can_be_read_are_taken(time_format):
    assert Field("f", "timestamp", time_format=time_format).time_format == time_format


def test_the_most_buckets_have_ids_in_int32():
    field = Field("f", hash_buckets=2**31 - 3)
    encoder = Encoder(Schema([field]), {})
    assert encoder.slot_limits.tolist() == [2**31 - 1]
    rows = encoder.encode(pd.DataFrame({"f": [f"x{number}" for number in range(100)]}))
    assert rows.ids.min() >= 2


SCHEMA_ERRORS = [
    ({"fields": []}, "fields must hold at least one that is not dropped"),
    ({"fields": [Field("a"), Field("a")]}, "column names must differ, got 'a' twice"),
    ({"fields": [Field("label")]}, "column names must differ, got 'label' twice"),
    ({"fields": [Field("t", "timestamp"), Field("t_hour")]}, "field names must differ"),
    ({"fields": [Field("b", shares_with="a"), Field("a")]}, "must name an earlier"),
    ({"fields": [Field("a")], "separator": "||"}, "separator must be one ASCII character"),
    ({"fields": [Field("a")], "separator": '"'}, "quote and separator must differ"),
    ({"fields": [Field("a")], "columns": ("a",)}, "columns must name the label and every field"),
]


@pytest.mark.parametrize(("settings", "message"), SCHEMA_ERRORS)
def test_nonsense_in_a_schema_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Schema(**settings)


def test_a_log_has_a_bounded_number_of_columns(tmp_path):
    fields = {f"c{number}": "dropped" for number in range(100_000)}
    message = "schema: fields must be at most 20,000 columns, got 100,000"
    with pytest.raises(ValueError, match=message):
        Schema.from_mapping({"fields": fields})
    with pytest.raises(ValueError, match="fields must be at most 20,000 columns, got 20,001"):
        Schema([Field(f"c{number}") for number in range(20_001)])
    (tmp_path / "log.csv").write_text(",".join([*fields, "label"]) + "\n" + "0," * 100_000 + "0\n")
    message = "log.csv, line 1: there must be at most 20,000 columns, got 100,001"
    with pytest.raises(ValueError, match=message):
        infer_schema(tmp_path / "log.csv")
    frame = pd.DataFrame(np.zeros((1, 20_001)))
    with pytest.raises(ValueError, match="DataFrame: there must be at most 20,000 columns"):
        infer_schema(frame, label="0")


def test_all_fields_together_have_a_bounded_number_of_id_columns():
    fields = [Field(f"c{number}", "multivalued", max_slots=1000) for number in range(200)]
    assert len(Schema(fields).model_fields) == 200
    with pytest.raises(ValueError, match="at most 200,000 id columns, got 200,001; give multival"):
        Schema([*fields, Field("one more")])


def test_max_slots_is_bounded():
    with pytest.raises(ValueError, match="field x: max_slots must be at most 1000, got 1001"):
        Field("x", "multivalued", max_slots=1001)


def test_a_schema_of_many_columns_is_made_in_linear_time():
    times = {}
    for size in (500, 8_000):
        begin = time.process_time()
        text = Schema([Field(f"c{number}") for number in range(size)]).to_toml()
        schema = Schema.from_mapping(Schema.from_toml(text).to_mapping())
        assert schema.field(f"c{size - 1}").name == schema.model_fields[-1].name
        assert [schema.threshold(f"c{number}") for number in range(size)] == [1] * size
        times[size] = time.process_time() - begin
    assert times[8_000] < 60 * times[500]
