"""Buckets of numbers: heavy numbers stand alone, the others share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrkit.data import Field, Schema, prepare
from ctrkit.data.encoding import buckets
from ctrkit.data.encoding.buckets import fit_cuts, number_ids


def cuts_of(values, num_buckets):
    return fit_cuts(iter([np.unique(values, return_counts=True)]), num_buckets)


def test_few_numbers_have_a_bucket_each():
    assert cuts_of([3.0, 1.0, 3.0, 7.0], 8).tolist() == [3.0, 7.0]


def test_a_column_that_is_mostly_zero_keeps_buckets_for_its_tail():
    tail = np.random.default_rng(0).exponential(100, 1000)
    rows = np.bincount(number_ids(tail, cuts_of(np.append(np.zeros(9000), tail), 11)))[2:]
    assert len(rows) == 11
    assert rows[0] == 0  # of the zeros
    assert rows[1:].min() > 80


def test_numbers_of_equal_weight_are_divided_evenly():
    values = np.random.default_rng(1).permutation(3200).astype(float)
    assert set(np.bincount(number_ids(values, cuts_of(values, 32)))[2:]) == {100}


@given(
    st.lists(st.integers(-20, 20), min_size=1, max_size=200),
    st.integers(2, 20),
)
def test_buckets_are_no_more_than_asked_for_and_follow_the_order(numbers, num_buckets):
    values = np.array(numbers, dtype=float)
    cuts = cuts_of(values, num_buckets)
    ids = number_ids(np.sort(values), cuts)
    assert len(cuts) < num_buckets
    assert (np.diff(ids) >= 0).all()
    assert ids[0] == 2


def test_many_distinct_numbers_are_thinned_and_still_divided(monkeypatch):
    values = np.random.default_rng(2).standard_normal(40_000)
    exact = cuts_of(values, 8)
    monkeypatch.setattr(buckets, "_MOST_NUMBERS", 8_000)
    monkeypatch.setattr(buckets, "_KEPT_NUMBERS", 4_000)
    pieces = ((part, np.ones(len(part), dtype=np.int64)) for part in np.array_split(values, 10))
    np.testing.assert_allclose(fit_cuts(pieces, 8), exact, atol=0.02)


def test_numbers_that_never_occur_in_training_count_for_nothing():
    pieces = iter([(np.array([1.0, 2.0, np.nan]), np.array([5, 0, 3]))])
    assert fit_cuts(pieces, 4).tolist() == []


def test_a_bucketed_number_is_an_id_and_a_value(tmp_path):
    import pandas as pd

    frame = pd.DataFrame({"price": ["1", "2", "3", "", "900"] * 20, "click": [0, 1] * 50})
    schema = Schema([Field("price", "numeric", buckets=3, transform="log1p")], label="click")
    prepare(frame, schema=schema, out=tmp_path / "data")
    from ctrkit.data import load

    encoder = load(tmp_path / "data").encoder
    (shape,) = encoder.cardinalities
    assert (shape.num_values, shape.has_value) == (1, False)
    assert shape.cardinality == len(encoder.statistics["price"].cuts) + 3
    rows = encoder.encode(pd.DataFrame({"price": ["", "-5", "1e9", "2"]}))
    assert rows.ids[0, 0] == 0
    assert rows.values[0, 0] == 0  # missing: it moves nothing
    assert rows.ids[1, 0] == 2
    assert rows.ids[2, 0] == shape.cardinality - 1
    assert rows.values[2, 0] > rows.values[3, 0] > rows.values[1, 0]


def test_cuts_out_of_order_are_refused():
    from ctrkit.data.encoding.statistics import Statistics

    with pytest.raises(ValueError, match="cuts of buckets must be finite and ascend"):
        Statistics(0.0, 1.0, np.array([2.0, 1.0]))
