"""Encoders: every kind of field, saved and loaded."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from edited import edit_json, write_json

from ctrkit.data import Encoder, Field, Schema
from ctrkit.data.columns.tokens import Tokens
from ctrkit.data.encoding.encoder import SCHEMA_FILE
from ctrkit.data.encoding.statistics import Statistics
from ctrkit.data.encoding.vocabulary import Vocabulary
from ctrkit.fields import FieldShape, field_shapes

SCHEMA = Schema(
    [
        Field("user", width=4),
        Field("friends/of it", "multivalued", max_slots=2, shares_with="user"),
        Field("page", hash_buckets=50),
        Field("age", "integer"),
        Field("price", "numeric"),
        Field("size", "numeric", transform="log1p", width=2),
        Field("note", "dropped"),
    ],
    label="click",
)
FRAME = pd.DataFrame(
    {
        "user": ["ann", "bob", "a long name of a user", None],
        "friends/of it": ["bob|eve|ann", "", "ann", "a long name of a user"],
        "page": ["p1", "p2", "", "p1"],
        "age": [2, 30, None, -1],
        "price": [1.0, None, 5.0, 3.0],
        "size": [0.0, -1.5, None, 99.5],
        "click": [0, 1, 1, 0],
    }
)


def vocabulary(*texts):
    return Vocabulary(Tokens.from_texts(list(texts)))


AB = vocabulary("a", "b")


@pytest.fixture
def encoder():
    return Encoder(
        SCHEMA,
        {"user": vocabulary("ann", "bob", "a long name of a user"), "age": vocabulary("2", "-1")},
        {"price": Statistics(mean=3.0, deviation=2.0)},
    )


def test_every_kind_of_field_is_encoded(encoder):
    rows = encoder.encode(FRAME)
    page = rows.ids[:, 3]
    np.testing.assert_array_equal(
        np.delete(rows.ids, 3, axis=1),
        [
            # user, friends, friends, age, price, size
            [2, 3, 1, 2, 1, 1],
            [3, 0, 0, 1, 0, 1],
            [4, 2, 0, 0, 1, 0],
            [0, 4, 0, 3, 1, 1],
        ],
    )
    assert page[0] == page[3] >= 2
    assert page[2] == 0
    np.testing.assert_allclose(
        rows.values,
        [
            [-1.0, 0.0],
            [1.0, -np.log(2.5)],
            [1.0, 1.0],
            [0.0, np.log(100.5)],
        ],
        rtol=1e-6,
    )
    assert rows.labels.tolist() == [0, 1, 1, 0]
    assert (rows.ids.dtype, rows.values.dtype, rows.labels.dtype) == ("int32", "float32", "uint8")


def test_models_learn_the_shapes(encoder):
    assert encoder.cardinalities == (
        FieldShape(cardinality=5, width=4),
        FieldShape(cardinality=5, num_slots=2, shares_with=0, width=4),
        52,
        4,
        FieldShape(cardinality=2, has_value=True),
        FieldShape(cardinality=2, has_value=True, width=2),
    )
    assert len(field_shapes(encoder.cardinalities)) == 6
    assert encoder.num_ids == 5 + 52 + 4 + 2 + 2
    assert encoder.slot_limits.tolist() == [5, 5, 5, 52, 4, 2, 2]


def test_saving_again_leaves_nothing_of_the_former_encoder(encoder, tmp_path):
    encoder.save(tmp_path)
    (tmp_path / "vocabularies" / "notes.txt").write_text("mine")
    other = Encoder(Schema([Field("age"), Field("user")]), encoder.vocabularies)
    other.save(tmp_path)
    assert Encoder.load(tmp_path).fingerprint == other.fingerprint
    names = sorted(path.name for path in (tmp_path / "vocabularies").iterdir())
    assert names == ["000_age.txt", "001_user.txt", "notes.txt"]


@pytest.mark.parametrize("name", ["schema.json", "vocabularies/003_age.txt"])
def test_an_interrupted_save_leaves_the_former_file(encoder, tmp_path, monkeypatch, name):
    encoder.save(tmp_path)
    before = (tmp_path / name).read_bytes()
    replace = Path.replace

    def interrupt(path, target):
        if target == tmp_path / name:
            raise KeyboardInterrupt
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", interrupt)
    other = Encoder(
        SCHEMA, encoder.vocabularies | {"age": vocabulary("7")}, {"price": Statistics(9.0, 1.0)}
    )
    with pytest.raises(KeyboardInterrupt):
        other.save(tmp_path)
    assert (tmp_path / name).read_bytes() == before
    assert not list(tmp_path.rglob("*.part"))


def test_statistics_that_are_no_numbers_are_not_written(encoder, tmp_path):
    broken = Encoder(SCHEMA, encoder.vocabularies, {"price": Statistics(0.0, float("nan"))})
    with pytest.raises(ValueError, match="not JSON compliant"):
        broken.save(tmp_path)
    assert not (tmp_path / "schema.json").exists()


def test_labels_can_be_required_or_ignored(encoder):
    assert encoder.encode(FRAME, label="ignore").labels is None
    assert encoder.encode(FRAME.assign(click="?"), label="ignore").labels is None
    assert encoder.encode(FRAME, label="require").labels.tolist() == [0, 1, 1, 0]
    with pytest.raises(ValueError, match="column 'click' is missing"):
        encoder.encode(FRAME.drop(columns="click"), label="require")
    with pytest.raises(ValueError, match="unknown label mode 'atuo'; did you mean 'auto'"):
        encoder.encode(FRAME, label="atuo")


def test_numbers_far_out_are_clipped(encoder):
    far = [1e300, -1.7976931348623157e308, 43.0, 42.9]
    rows = encoder.encode(FRAME.assign(price=far, size=far))
    np.testing.assert_allclose(rows.values[:, 0], [20, -20, 20, 19.95], rtol=1e-6)
    np.testing.assert_allclose(
        rows.values[:, 1], [np.log(3.4028235e38), -np.log(3.4028235e38), np.log(44), np.log(43.9)]
    )


def test_every_number_of_a_constant_is_0(encoder, tmp_path):
    constant = Encoder(SCHEMA, encoder.vocabularies, {"price": Statistics(3.0, 0.0)})
    constant.save(tmp_path)
    rows = Encoder.load(tmp_path).encode(FRAME.assign(price=[3.0, 3.03, None, 1e300]))
    assert rows.values[:, 0].tolist() == [0.0, 0.0, 1.0, 0.0]
    assert rows.ids[:, 5].tolist() == [1, 1, 0, 1]


def test_rows_without_label_have_none(encoder):
    assert encoder.encode(FRAME.drop(columns="click")).labels is None


def test_each_row_is_encoded_by_itself(encoder):
    whole = encoder.encode(FRAME)
    for number in range(len(FRAME)):
        row = encoder.encode(FRAME.iloc[[number]])
        np.testing.assert_array_equal(row.ids[0], whole.ids[number])
        np.testing.assert_array_equal(row.values[0], whole.values[number])


def test_a_long_frame_is_encoded_in_blocks(encoder, monkeypatch):
    whole = encoder.encode(FRAME)
    monkeypatch.setattr("ctrkit.data.reading.frames.source.BLOCK_ROWS", 3)
    pieces = encoder.encode(FRAME)
    np.testing.assert_array_equal(pieces.ids, whole.ids)
    np.testing.assert_array_equal(pieces.values, whole.values)
    np.testing.assert_array_equal(pieces.labels, whole.labels)


def test_a_missing_column_is_named(encoder):
    with pytest.raises(
        ValueError, match="DataFrame: column 'price' is missing; did you mean 'pric'"
    ):
        encoder.encode(FRAME.rename(columns={"price": "pric"}))
    with pytest.raises(ValueError, match="column 'user' is missing; the columns are friends/of it"):
        encoder.encode(FRAME.drop(columns="user"))


def test_a_dropped_column_may_be_missing_and_others_may_be_there(encoder):
    assert len(encoder.encode(FRAME.assign(note="x", other=1))) == 4


def test_files_give_back_the_encoder(encoder, tmp_path):
    encoder.save(tmp_path)
    loaded = Encoder.load(tmp_path)
    assert loaded.fingerprint == encoder.fingerprint
    np.testing.assert_array_equal(loaded.encode(FRAME).ids, encoder.encode(FRAME).ids)
    np.testing.assert_array_equal(loaded.encode(FRAME).values, encoder.encode(FRAME).values)
    names = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*"))
    assert names == ["schema.json", "vocabularies/000_user.txt", "vocabularies/003_age.txt"]


def test_fingerprints_differ_where_encoders_do(encoder):
    others = [
        Encoder(SCHEMA, encoder.vocabularies | {"age": vocabulary("2")}, encoder.statistics),
        Encoder(SCHEMA, encoder.vocabularies | {"age": vocabulary("-1", "2")}, encoder.statistics),
        Encoder(SCHEMA, encoder.vocabularies, {"price": Statistics(3.0, 2.5)}),
        Encoder(SCHEMA.with_label("note"), encoder.vocabularies, encoder.statistics),
    ]
    assert len({one.fingerprint for one in [encoder, *others]}) == 5


def test_what_an_encoder_lacks_is_named():
    with pytest.raises(ValueError, match="vocabularies must hold one for field user"):
        Encoder(SCHEMA, {})
    with pytest.raises(ValueError, match="statistics must hold those of field price"):
        Encoder(SCHEMA, {"user": vocabulary(), "age": vocabulary()})


def damage_nothing(folder):
    (folder / SCHEMA_FILE).unlink()


def damage_json(folder):
    (folder / SCHEMA_FILE).write_text("{")


def damage_version(folder):
    edit_json(folder / SCHEMA_FILE, format_version=99)


def damage_vocabulary(folder):
    (folder / "vocabularies" / "003_age.txt").unlink()


def damage_size(folder):
    (folder / "vocabularies" / "003_age.txt").write_text("2\n")


def damage_encoding(folder):
    (folder / "vocabularies" / "003_age.txt").write_bytes(b"\\\xff\n-1\n")


def change(*keys, to=None):
    """Return a damage: what lies under the keys in ``schema.json`` is removed, or replaced."""

    def damage(folder):
        plain = json.loads((folder / SCHEMA_FILE).read_text())
        inner = plain
        for key in keys[:-1]:
            inner = inner[key]
        if to is None:
            del inner[keys[-1]]
        else:
            inner[keys[-1]] = to
        write_json(folder / SCHEMA_FILE, plain)

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_nothing, "holds no schema.json: it is not prepared data, or incomplete"),
        (damage_json, r"schema.json is damaged"),
        (
            damage_version,
            "must have format_version 1 or 2, got 99; prepare the log again",
        ),
        (damage_vocabulary, "003_age.txt does not exist, the folder is incomplete"),
        (damage_size, "003_age.txt must hold 2 categories, got 1"),
        (
            damage_encoding,
            "003_age.txt is damaged: its checksum differs",
        ),
        (change("schema"), "schema.json is damaged: it must hold schema$"),
        (change("statistics"), "schema.json is damaged: it must hold statistics$"),
        (change("vocabulary_sizes"), "schema.json is damaged: it must hold vocabulary_sizes$"),
        (change("statistics", "price"), "schema.json is damaged: statistics must hold those of f"),
        (
            change("statistics", "price", "mean"),
            "schema.json is damaged: it must hold statistics.price.mean$",
        ),
        (
            change("statistics", "price", "mean", to="3"),
            "schema.json is damaged: statistics.price.mean must be float, got '3'",
        ),
        (
            change("statistics", "price", "deviation", to=-1.0),
            "statistics of price: the deviation must not be negative, got -1.0",
        ),
        (change("vocabulary_sizes", "age"), "schema.json is damaged: vocabularies must hold one f"),
        (
            change("vocabulary_sizes", "none", to=3),
            "schema.json is damaged: unknown field 'none'",
        ),
        (change("schema", "fields", "age", to=3), "schema.json is damaged: .*must be a kind"),
        (change("schema", to=[]), r"schema.json is damaged: schema must be dict, got \[\]"),
    ],
)
def test_a_damaged_folder_is_refused(encoder, tmp_path, damage, message):
    encoder.save(tmp_path)
    damage(tmp_path)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        Encoder.load(tmp_path)


def test_a_folder_with_too_many_columns_is_refused_at_once(encoder, tmp_path):
    encoder.save(tmp_path)
    fields = {f"c{number}": {"kind": "dropped"} for number in range(100_000)}
    change("schema", "fields", to=SCHEMA.to_mapping()["fields"] | fields)(tmp_path)
    begin = time.process_time()
    with pytest.raises(ValueError, match="fields must be at most 20,000 columns, got 100,007"):
        Encoder.load(tmp_path)
    assert time.process_time() - begin < 5


def test_many_columns_are_saved_loaded_and_encoded_in_linear_time(tmp_path):
    times = {}
    for size in (50, 800):
        names = [f"c{number}" for number in range(size)]
        encoder = Encoder(Schema([Field(name) for name in names]), dict.fromkeys(names, AB))
        frame = pd.DataFrame({name: ["a", "b"] for name in names})
        begin = time.process_time()
        encoder.save(tmp_path / str(size))
        rows = Encoder.load(tmp_path / str(size)).encode(frame)
        times[size] = time.process_time() - begin
        assert (rows.ids == [[2], [3]]).all()
    assert times[800] < 60 * times[50]
