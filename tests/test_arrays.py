"""Arrays from a user: what is taken, and what is refused before any work, at every entry."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from small_rows import make_rows

from ctrkit.data import Dataset
from ctrkit.distill import DistillationTrainer
from ctrkit.fields import FieldShape
from ctrkit.metrics import (
    auc,
    compute_metrics,
    expected_calibration_error,
    grouped_auc,
    logloss,
)
from ctrkit.models import DAGFM, CrossNet
from ctrkit.training import TrainConfig, Trainer, evaluate, score

NUM_ROWS = 40
FIELDS = [6, 6, FieldShape(cardinality=6, has_value=True)]


def rows_with(**changed) -> SimpleNamespace:
    rows = make_rows(NUM_ROWS)
    rows.values = np.ones((NUM_ROWS, 1), np.float32)
    for name, change in changed.items():
        setattr(rows, name, change(getattr(rows, name)))
    return rows


def one_changed(value, dtype=np.float32):
    def change(array):
        array = array.astype(dtype)
        array.flat[7] = value
        return array

    return change


BAD_LABELS = [
    ("labels", one_changed(2), ValueError, r"labels.* must be 0 or 1, got 2.0 in row 7"),
    ("labels", one_changed(-1, int), ValueError, r"must be 0 or 1, got -1 in row 7"),
    ("labels", one_changed(0.5), ValueError, r"must be 0 or 1, got 0.5 in row 7"),
    ("labels", one_changed(np.nan), ValueError, r"must be 0 or 1, got nan in row 7"),
    ("labels", lambda y: y.astype(complex), TypeError, r"labels.* numbers, 0 or 1, got complex128"),
    ("labels", lambda y: y.astype(object), TypeError, r"got Python objects, the first of which is"),
    ("labels", lambda y: y.astype(str), TypeError, r"labels.* numbers, 0 or 1, got <U3"),
    ("labels", lambda y: np.ma.array(y, mask=y > 0), ValueError, r"labels.* no masked values, got"),
    ("labels", lambda y: y[:-1], ValueError, r"labels.* must have shape \(40,\), one per row of"),
    ("labels", lambda y: y[:0], ValueError, r"labels.* must have shape \(40,\), .* got \(0,\)"),
    ("labels", lambda y: y[:, None], ValueError, r"labels.* \(40,\), .* got \(40, 1\)"),
    ("labels", lambda y: y.tolist(), TypeError, r"labels.* must be a NumPy array, got list"),
]
BAD_INPUTS = [
    ("ids", lambda ids: ids[:, 0], ValueError, r"ids.* must have shape \(N, S\), got \(40,\)"),
    ("ids", lambda ids: ids.astype(np.float32), TypeError, r"ids.* int32.*, got float32"),
    ("ids", lambda ids: ids.astype(bool), TypeError, r"ids.* int32.*, got bool"),
    ("ids", lambda ids: ids.astype(">i4"), TypeError, r"ids.* int32.*, got >i4"),
    ("ids", lambda ids: ids.tolist(), TypeError, r"ids.* must be a NumPy array, got list"),
    ("values", lambda v: v[:-1], ValueError, r"values.* must have shape \(40, V\), got \(39, 1\)"),
    ("values", lambda v: v[:, 0], ValueError, r"values.* must have shape \(40, V\), got \(40,\)"),
    ("values", one_changed(np.nan), ValueError, r"values.* finite, got nan in row 7, column 0"),
    ("values", one_changed(np.inf), ValueError, r"values.* finite, got inf in row 7, column 0"),
    ("values", lambda v: v.astype(object), TypeError, r"values.* float32 or float64, got Python"),
]


def small_model() -> CrossNet:
    return CrossNet(FIELDS, embedding_dim=2, num_layers=1)


def train(rows):
    Trainer(TrainConfig(epochs=1)).fit(small_model(), rows)


def validate(rows):
    Trainer(TrainConfig(epochs=1)).fit(small_model(), rows_with(), rows)


def distill(rows):
    data = SimpleNamespace(train=rows, valid=None)
    student = DAGFM(FIELDS, embedding_dim=2, depth=1)
    DistillationTrainer(train=TrainConfig(epochs=1)).fit(student, never_asked, data)


def never_asked(ids, values):
    raise AssertionError("the teacher must not be asked before the rows are checked")


ENTRIES = {
    "fit": train,
    "valid": validate,
    "distill": distill,
    "Dataset": lambda rows: Dataset(rows.ids, rows.labels, rows.values),
    "evaluate": lambda rows: evaluate(small_model(), rows),
}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize(("name", "change", "kind", "message"), BAD_LABELS + BAD_INPUTS)
def test_wrong_rows_are_refused_before_any_work(entry, name, change, kind, message):
    with pytest.raises(kind, match=message):
        ENTRIES[entry](rows_with(**{name: change}))


@pytest.mark.parametrize(("name", "change", "kind", "message"), BAD_INPUTS)
def test_wrong_inputs_are_not_scored(name, change, kind, message):
    with pytest.raises(kind, match=message):
        score(small_model(), rows_with(**{name: change}))


def test_messages_name_the_part():
    with pytest.raises(ValueError, match=r"^labels of the training rows must be 0 or 1, got 2.0"):
        train(rows_with(labels=one_changed(2)))
    with pytest.raises(ValueError, match=r"^values of the validation rows must be finite"):
        validate(rows_with(values=one_changed(np.nan)))


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32, np.float64])
def test_labels_of_any_number_type_train(dtype):
    train(rows_with(labels=lambda labels: labels.astype(dtype)))


def test_targets_that_are_not_finite_are_refused():
    targets = np.zeros(NUM_ROWS, np.float32)
    targets[3] = np.nan
    with pytest.raises(ValueError, match="targets must be finite, got nan in row 3"):
        Trainer().fit(small_model(), rows_with(), targets=targets)


def test_a_wrong_row_far_down_is_found():
    labels = np.zeros(600_000, np.float32)
    labels[[0, 599_999]] = 1, 3
    with pytest.raises(ValueError, match=r"must be 0 or 1, got 3\.0 in row 599999"):
        Dataset(np.zeros((600_000, 1), np.int32), labels)


METRICS = {
    "auc": lambda labels, scores: auc(labels, scores),
    "logloss": logloss,
    "all": compute_metrics,
    "calibration": expected_calibration_error,
    "grouped": lambda labels, scores: grouped_auc(labels, scores, [0] * len(labels)),
}
WITH_A_GAP = pd.Series([0, 1, None, 1])
LABELS, SCORES = np.array([0, 1, 0, 1]), np.array([0.1, 0.4, 0.35, 0.8])


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (lambda a: a.astype(complex), TypeError, "must be real numbers, got complex128"),
        (lambda a: a + 1j, TypeError, "must be real numbers, got complex128"),
        (lambda a: a.astype(object), TypeError, "must be real numbers, got Python objects, the fi"),
        (lambda a: a.astype(str), TypeError, "must be real numbers, got <U"),
        (lambda a: a.astype("M8[s]"), TypeError, r"must be real numbers, got datetime64\[s\]"),
        (lambda a: a.astype("m8[s]"), TypeError, r"must be real numbers, got timedelta64\[s\]"),
        (lambda a: a.astype("V8"), TypeError, r"must be real numbers, got \|V8"),
        (lambda a: np.ma.array(a, mask=a > 0.2), ValueError, "must have no masked values, got"),
        (
            lambda a: pd.Series([0, 1, None, 1], dtype="Int64"),
            ValueError,
            "no missing values, got 1",
        ),
        (
            lambda a: pd.Series([0, 1, None, 1], dtype="boolean"),
            ValueError,
            "missing values, got 1",
        ),
        (
            lambda a: pd.Series([0, 1, None, 1], dtype="Float64"),
            ValueError,
            "missing values, got 1",
        ),
        (lambda a: [0, 1, None, 1], TypeError, "must be real numbers, got Python objects"),
    ],
)
def test_metrics_take_real_numbers_only(metric, change, kind, message):
    for labels, scores in ((change(LABELS), SCORES), (LABELS, change(SCORES))):
        with pytest.raises(kind, match=message):
            METRICS[metric](labels, scores)


@pytest.mark.parametrize(
    "given",
    [
        LABELS.astype(bool),
        LABELS.tolist(),
        LABELS.astype(np.float16),
        pd.Series(LABELS, index=[3, 1, 2, 0]),
        pd.Series(LABELS, dtype="Int64"),
        pd.Series(LABELS, dtype="boolean"),
        pd.Series(LABELS, dtype="int64[pyarrow]"),
        np.ma.array(LABELS),
    ],
    ids=lambda given: f"{type(given).__name__} {getattr(given, 'dtype', '')}",
)
def test_metrics_take_any_plain_labels(given):
    assert auc(given, SCORES) == 1.0
    assert compute_metrics(given, SCORES).clicks == 2


@pytest.mark.parametrize(
    ("groups", "kind", "message"),
    [
        (["a", "a", None, "b"], ValueError, "groups must not be missing, got None in 1 rows"),
        ([None] * 4, ValueError, "groups must not be missing, got None in 4 rows"),
        ([1.0, 1.0, np.nan, 2.0], ValueError, "groups must not be missing, got nan in 1 rows"),
        (np.array([1, 2, 3, "NaT"], "M8[s]"), ValueError, "groups must not be missing, got NaT"),
        (np.array([1, 1, 2, 2j]), TypeError, "groups must be numbers, texts or times, got complex"),
        (pd.Series(["a", "a", None, "b"]), ValueError, "groups must .*missing"),
        (pd.Series([1, 1, None, 1], dtype="Int64"), ValueError, "groups must have no missing"),
        (np.ma.array([1, 1, 2, 2], mask=[0, 1, 0, 0]), ValueError, "groups must have no masked"),
        (np.array(["a", 1, "b", 2], object), TypeError, "groups must be all of one kind"),
        ([1, 1, 2], ValueError, r"groups must have shape \(4,\), got \(3,\)"),
    ],
)
def test_groups_that_are_missing_or_mixed_are_refused(groups, kind, message):
    with pytest.raises(kind, match=message):
        grouped_auc(LABELS, SCORES, groups)


@pytest.mark.parametrize("groups", [list("aabb"), pd.Series(list("aabb")), [1.5, 1.5, 2, 2]])
def test_groups_are_of_any_kind(groups):
    assert grouped_auc(LABELS, SCORES, groups) == 1.0


def test_scores_beyond_a_floats_whole_numbers_stay_apart():
    scores = np.array([2**53, 2**53 + 1])
    assert auc([0, 1], scores) == 1.0
    assert auc([0, 1], scores.astype(np.uint64)) == 1.0
    assert auc([0, 1], np.array([1, 1 + np.finfo(np.longdouble).eps], np.longdouble)) == 1.0


def test_more_bins_than_rows_are_a_bin_for_each_row():
    for num_bins in (4, 5, 2**62):
        error = expected_calibration_error(LABELS, SCORES, num_bins=num_bins)
        assert error == pytest.approx(np.abs(LABELS - SCORES).mean())
    with pytest.raises(TypeError, match=r"num_bins must be a whole number, got 2\.5"):
        expected_calibration_error(LABELS, SCORES, num_bins=2.5)
