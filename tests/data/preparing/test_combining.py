"""Crosses and history in prepared data: out of fold, the same for new rows, and no leak."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from edited import edit_json

from ctrkit.data import Field, Schema, load, prepare
from ctrkit.data.preparing import combining, own_clicks
from ctrkit.metrics import auc

SCHEMA = Schema(
    [
        Field("user"),
        Field("item", min_count=3),
        Field("age", "numeric", buckets=4),
        Field("tags", "multivalued"),
    ],
    label="click",
    history=["user", "age", "user+item"],
    crosses=["item+age"],
)


def frame_of(num_rows=3000, seed=0, rate=None):
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "user": draw.integers(0, 40, num_rows).astype(str),
            "item": draw.integers(0, 12, num_rows).astype(str),
            "age": draw.integers(18, 80, num_rows).astype(str),
            "tags": draw.choice(["a|b", "b", ""], num_rows),
        }
    )
    logits = draw.standard_normal((40, 12))[frame.user.astype(int), frame.item.astype(int)]
    chance = 1 / (1 + np.exp(-2 * logits)) if rate is None else rate
    frame["click"] = (draw.random(num_rows) < chance).astype(int)
    frame.loc[draw.random(num_rows) < 0.05, ["user", "age"]] = ""
    return frame


def prepared(frame, **options):
    given = {"schema": SCHEMA, "split": "last", **options}
    return prepare(frame, **given)


def test_every_field_has_its_ids_and_values():
    data = prepared(frame_of())
    assert data.encoder.field_names == ("user", "item", "age", "tags", "item+age", "user+item")
    shapes = [getattr(shape, "num_values", 0) for shape in data.cardinalities]
    assert shapes == [2, 0, 3, 0, 0, 2]
    assert data.train.values.shape == (2400, 7)
    assert (data.train.ids.max(axis=0) < data.encoder.slot_limits).all()
    cardinality = data.cardinalities[5].cardinality
    assert set(np.unique(data.train.ids[:, -1])) == set(range(1, cardinality))


def test_a_new_row_has_the_history_of_all_training_rows():
    frame = frame_of()
    data = prepared(frame)
    train = frame.iloc[:2400]
    history = data.encoder.histories["user"]
    for user in ("3", "", "nobody"):
        same = train[train.user == user]
        counts = np.array([[len(same), same.click.sum()]])
        row = data.encoder.encode(frame.iloc[:1].assign(user=user))
        np.testing.assert_allclose(row.values[0, :2], history.values(counts)[0], rtol=1e-6)
    valid = data.encoder.encode(frame.iloc[2400:2700])
    np.testing.assert_array_equal(valid.values, data.valid.values)
    np.testing.assert_array_equal(valid.ids, data.valid.ids)


def test_a_training_row_does_not_see_the_clicks_of_its_fold():
    frame = frame_of()
    changed = frame.copy()
    changed.loc[7, "click"] = 1 - changed.click[7]
    before, after = (prepared(log).train.values[:, 0] for log in (frame, changed))
    # Means and deviations change with any click; the raw odds do not.
    ours = prepared(frame).encoder.histories["user"]
    theirs = prepared(changed).encoder.histories["user"]
    raw = before * ours.deviations[0] + ours.means[0]
    other = after * theirs.deviations[0] + theirs.means[0]
    same = (frame.user == frame.user[7]).to_numpy()[:2400]
    differing = np.abs(raw - other) > 0.02
    assert differing.any()
    assert not differing[7]
    assert not (differing & ~same).any()


def test_training_rows_are_counted_out_of_fold():
    frame = frame_of()
    data = prepared(frame)
    train = frame.iloc[:2400]
    history = data.encoder.histories["user+item"]
    folds = own_clicks.folds_of(np.arange(len(frame)))[:2400]
    both = train.user + "+" + train.item
    for row in (0, 11, 1234):
        others = (both == both[row]) & (folds != folds[row])
        counts = np.array([[others.sum(), train.click[others].sum()]])
        seen = np.array([(both == both[row]).sum() - 1])
        expected = history.values(counts, seen)[0]
        np.testing.assert_allclose(data.train.values[row, -2:], expected, rtol=1e-5)


def test_clicks_of_validation_and_test_rows_are_never_used():
    frame = frame_of()
    other = frame.copy()
    other.loc[2400:, "click"] = 1 - other.click[2400:]
    for part in ("train", "valid", "test"):
        ours, theirs = (getattr(prepared(log), part) for log in (frame, other))
        np.testing.assert_array_equal(ours.values, theirs.values)
        np.testing.assert_array_equal(ours.ids, theirs.ids)


@pytest.mark.parametrize("users", [30, 1500])
def test_a_click_rate_of_mere_chance_tells_nothing_of_the_own_click(users):
    draw = np.random.default_rng(1)
    frame = frame_of(num_rows=6000, rate=0.5).assign(user=draw.integers(0, users, 6000).astype(str))
    train = prepared(frame).train
    leak = auc(train.labels, train.values[:, 0])
    assert abs(leak - 0.5) < 0.05
    # The planted leak: the rate of all rows of the user, the own click among them.
    naive = frame.iloc[:4800].groupby("user").click.transform("mean").to_numpy()
    assert auc(train.labels, naive) > 0.53


def test_the_bytes_do_not_depend_on_the_number_of_threads(tmp_path):
    log = tmp_path / "log.csv"
    frame_of().to_csv(log, index=False)
    files = []
    for workers in (1, 4):
        out = tmp_path / str(workers)
        prepare(log, out=out, schema=SCHEMA, num_workers=workers)
        files.append({p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()})
    paths = [path for path in files[0] if path.name != "schema.json"]
    assert {"000_user.npy", "004_item_age.npy", "005_user_item.npy"} <= {p.name for p in paths}
    assert all(files[0][path] == files[1][path] for path in paths)


def test_a_folder_is_opened_again_and_encodes_alike(tmp_path):
    frame = frame_of()
    made = prepared(frame, out=tmp_path / "data")
    opened = load(tmp_path / "data")
    assert opened.encoder.fingerprint == made.encoder.fingerprint
    rows = opened.encoder.encode(frame)
    np.testing.assert_array_equal(rows.values, made.encoder.encode(frame).values)
    prepare(frame, schema=SCHEMA, split="random", out=tmp_path / "data", force=True)
    assert load(tmp_path / "data").train.values.shape == (2400, 7)


def test_a_folder_that_loses_its_combinations_keeps_no_file_of_them(tmp_path):
    frame = frame_of()
    encoder = prepared(frame).encoder
    encoder.save(tmp_path)
    prepared(frame, schema=Schema(SCHEMA.fields, label="click")).encoder.save(tmp_path)
    assert not list((tmp_path / "click_counts").iterdir())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "000_user.npy does not exist"),
        (lambda path: np.save(path, np.load(path) + 1), "000_user.npy is damaged: its checksum"),
        (lambda path: np.save(path, np.load(path).astype("<i4")), "000_user.npy must hold uint64"),
        (lambda path: path.write_bytes(b"none"), "000_user.npy is damaged"),
    ],
)
def test_damaged_counts_are_refused(tmp_path, damage, message):
    prepared(frame_of(), out=tmp_path / "data")
    damage(tmp_path / "data" / "click_counts" / "000_user.npy")
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        load(tmp_path / "data")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"histories": {}}, "histories must hold that of field user"),
        ({"click_counts": {}}, "click_counts must hold 'user'"),
        ({"click_counts": {"usr": {}}}, "unknown field 'usr'"),
    ],
)
def test_a_damaged_description_is_refused(tmp_path, change, message):
    prepared(frame_of(), out=tmp_path / "data")
    edit_json(tmp_path / "data" / "schema.json", **change)
    with pytest.raises(ValueError, match=f"schema.json is damaged: {message}"):
        load(tmp_path / "data")


def test_options_name_crosses_and_history_and_win_over_the_schema():
    data = prepared(frame_of(), history="item", crosses="none")
    assert data.schema.history == ("item",)
    assert data.schema.crosses == ()
    data = prepared(frame_of(), history="user+age, item")
    assert data.schema.history == ("user+age", "item")
    with pytest.raises(ValueError, match="history 'usr': unknown field 'usr'; did you mean 'user'"):
        prepared(frame_of(), history="usr")


def test_auto_chooses_from_training_rows_and_says_so():
    data = prepared(frame_of(num_rows=8000), history="auto", crosses="auto")
    assert data.schema.crosses == ("user+item",)
    assert data.schema.history == ("user", "item", "age", "user+item")
    (found,) = data.info["chosen"]["crosses"]
    assert found["name"] == "user+item"
    assert found["gain"] > 0.01
    assert data.info["chosen"]["history"] == list(data.schema.history)


def test_hashed_crosses_need_no_counts():
    schema = Schema(SCHEMA.fields, label="click", crosses=["user+item"], cross_hash_buckets=64)
    data = prepared(frame_of(), schema=schema)
    assert data.cardinalities[-1] == 66
    assert not data.encoder.click_counts
    assert len(np.unique(data.train.ids[:, -1])) > 50


def test_too_many_combinations_are_refused(monkeypatch):
    monkeypatch.setattr(combining, "MAX_HISTORY_KEYS", 100)
    with pytest.raises(
        ValueError, match=r"crosses 'user\+item' must have at most 100 combinations of 2 rows"
    ):
        prepared(frame_of())


def in_time(frame, **options):
    schema = Schema(
        [Field("when", "dropped", time_format="epoch"), Field("user"), Field("item")],
        label="click",
        history=["user", "user+item"],
    )
    draw = np.random.default_rng(5)
    # Several rows a moment, some of them in two blocks.
    times = np.sort(draw.integers(0, len(frame) // 7, len(frame)))
    frame = frame[["user", "item", "click"]].assign(when=times)
    given = {"split": "time", "time_column": "when", "history_order": "time", **options}
    return frame, prepare(frame, schema=schema, **given)


@pytest.mark.parametrize("block_rows", [None, 100])
def test_in_the_order_of_time_a_row_sees_earlier_rows_alone(monkeypatch, block_rows):
    if block_rows is not None:
        monkeypatch.setattr("ctrkit.data.reading.frames.source.BLOCK_ROWS", block_rows)
    frame, data = in_time(frame_of())
    train = frame.iloc[: len(data.train)]
    history = data.encoder.histories["user+item"]
    for row in [0, 1, 50, 99, 100, 101, 777, len(train) - 1]:
        same = (train.user == train.user[row]) & (train.item == train.item[row])
        before = same & (train.when < train.when[row])
        counts = np.array([[before.sum(), train.click[before].sum()]])
        np.testing.assert_allclose(data.train.values[row, 2:], history.values(counts)[0], rtol=1e-5)
    everything = data.encoder.encode(frame.iloc[len(train) + 5 : len(train) + 6])
    assert (everything.values != data.train.values[0]).any()


def test_without_times_the_rows_before_are_those_of_the_log():
    frame = frame_of()
    data = prepared(frame, history="user", crosses="none", history_order="time")
    train = frame.iloc[:2400]
    history = data.encoder.histories["user"]
    for row in (0, 5, 1999):
        before = train.iloc[:row]
        before = before[before.user == train.user[row]]
        counts = np.array([[len(before), before.click.sum()]])
        np.testing.assert_allclose(data.train.values[row, :2], history.values(counts)[0], rtol=1e-5)


def test_a_log_out_of_order_is_refused(monkeypatch):
    monkeypatch.setattr("ctrkit.data.reading.frames.source.BLOCK_ROWS", 100)
    frame, _ = in_time(frame_of())
    shuffled = frame.sample(frac=1, random_state=1).reset_index(drop=True)
    with pytest.raises(ValueError, match="history_order 'time' needs a log in the order of time"):
        prepare(
            shuffled,
            schema=Schema(
                [Field("when", "dropped", time_format="epoch"), Field("user"), Field("item")],
                label="click",
                history=["user"],
            ),
            split="time",
            time_column="when",
            history_order="time",
        )


def test_the_order_of_time_needs_a_split_by_time():
    with pytest.raises(ValueError, match="history_order 'time' needs split 'time', or 'last'"):
        prepared(frame_of(), split="random", history_order="time")


def test_numbers_twice_are_buckets_and_values():
    fields = [Field("user"), Field("age", "integer", min_count=9), Field("price", "numeric")]
    draw = np.random.default_rng(8)
    frame = frame_of()[["user", "age", "click"]].assign(price=draw.normal(size=3000).round(3))
    schema = Schema(fields, label="click")
    data = prepare(frame, schema=schema, numbers="twice")
    assert data.schema.field("age") == Field("age", "numeric", buckets=32, transform="log1p")
    assert data.schema.field("price") == Field("price", "numeric", buckets=32)
    assert data.schema.field("user") == Field("user")
    assert [getattr(shape, "num_values", 0) for shape in data.cardinalities] == [0, 1, 1]
    assert abs(data.train.values[data.train.ids[:, 1] > 0, 0].mean()) < 1e-6
    assert len(np.unique(data.train.ids[:, 2])) == 32
