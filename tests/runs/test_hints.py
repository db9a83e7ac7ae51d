"""Hints, from made-up figures: each has its reason, and a good run has none."""

from dataclasses import replace

import pytest
from edited import edit_json

from ctrkit.metrics import Metrics
from ctrkit.runs.hints import Hint, hints, read_hints
from ctrkit.training import Record

GOOD = Metrics(
    auc=0.78,
    logloss=0.45,
    normalized_entropy=0.8,
    calibration_error=0.004,
    predicted_ratio=1.01,
    rows=100_000,
    clicks=25_000,
)
REGRESSION = replace(GOOD, auc=0.76, logloss=0.47)


def validation(step, auc, logloss, *, best):
    return Record(
        step=step,
        epoch=step / 100,
        train_loss=0.5,
        valid_auc=auc,
        valid_logloss=logloss,
        valid_criterion=None,
        learning_rate=1e-3,
        rows_per_second=1000.0,
        elapsed_seconds=1.0,
        best=best,
    )


HISTORY = [
    validation(100, 0.77, 0.46, best=True),
    validation(200, 0.7799, 0.4501, best=True),
    validation(300, 0.78, 0.45, best=True),  # a gain as at the end of any schedule
]


def codes(valid, **more):
    return [hint.code for hint in hints(valid, **more)]


def text(valid, **more):
    (hint,) = hints(valid, **more)
    return hint.text


def test_a_good_run_has_none():
    assert hints(GOOD, history=HISTORY, regression=REGRESSION) == []


def test_without_validation_rows_there_is_nothing_to_say():
    blind = [replace(r, valid_auc=None, valid_logloss=None, best=True) for r in HISTORY]
    assert hints(None, history=blind, regression=REGRESSION) == []
    assert hints(GOOD, history=blind) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"auc": 0.7599}, "AUC (0.75990 to 0.76000)"),
        ({"logloss": 0.4701}, "logloss (0.47010 to 0.47000)"),
        ({"auc": 0.5, "logloss": 0.6}, "AUC (0.50000 to 0.76000) and logloss (0.60000 to 0.47000)"),
    ],
)
def test_a_model_behind_the_regression_in_either_figure_is_named(change, said):
    poor = replace(GOOD, **change)
    assert codes(poor, regression=REGRESSION) == ["behind_regression"]
    assert f"behind a logistic regression on the validation rows in {said}: start from it" in text(
        poor, regression=REGRESSION
    )
    assert codes(poor) == []  # without one there is nothing to be behind


def test_a_model_that_is_as_good_as_the_regression_is_not_behind_it():
    assert codes(REGRESSION, regression=REGRESSION) == []


@pytest.mark.parametrize("ratio", [0.9, 1.06, 1.8])
def test_too_many_or_too_few_predicted_clicks_are_told(ratio):
    off = replace(GOOD, predicted_ratio=ratio)
    assert codes(off) == ["ill_calibrated"]
    assert f"predicts {ratio:.3f} times as many clicks as there are: choose" in text(off)


def test_what_few_clicks_may_be_off_by_chance_is_not_told():
    few = replace(GOOD, rows=400, clicks=100, calibration_error=0.0, predicted_ratio=1.15)
    assert codes(few) == []  # 15 %, where two deviations are 17 %
    assert codes(replace(few, predicted_ratio=1.2)) == ["ill_calibrated"]
    assert codes(replace(few, rows=4000, clicks=1000)) == ["ill_calibrated"]


def test_click_rates_that_are_off_in_both_directions_are_told():
    off = replace(GOOD, calibration_error=0.03)
    assert codes(off) == ["ill_calibrated"]
    assert "predicts click rates that are off by 0.0300 on average: choose" in text(off)
    assert codes(replace(off, rows=4000, clicks=1000)) == []  # by chance, up to .04


def test_both_kinds_of_miscalibration_are_one_hint():
    off = replace(GOOD, calibration_error=0.03, predicted_ratio=1.2)
    assert "1.200 times as many clicks as there are and click rates that are off by" in text(off)


@pytest.mark.parametrize(
    ("auc", "logloss", "expected"),
    [
        (0.7811, 0.45, ["still_improving"]),
        (0.78, 0.4492, ["still_improving"]),
        (0.7802, 0.4499, []),
    ],
)
def test_a_last_validation_that_gains_much_asks_for_more(auc, logloss, expected):
    last = validation(400, auc, logloss, best=True)
    assert codes(GOOD, history=[*HISTORY, last]) == expected


def test_a_last_validation_that_is_not_the_best_asks_for_nothing():
    last = validation(400, 0.79, 0.44, best=False)  # weights are chosen by something else
    assert codes(GOOD, history=[*HISTORY, last]) == []
    assert codes(GOOD, history=[validation(100, 0.79, 0.44, best=True)]) == []  # nothing before


def test_the_gain_is_that_over_the_best_before_not_over_the_last():
    worse = validation(400, 0.7, 0.6, best=False)
    last = validation(500, 0.7801, 0.4499, best=True)
    assert codes(GOOD, history=[*HISTORY, worse, last]) == []


def test_a_model_that_is_worse_than_the_click_rate_is_named():
    bad = replace(GOOD, normalized_entropy=1.02)
    assert codes(bad) == ["worse_than_base_rate"]
    assert text(bad).startswith("normalised entropy is 1.020 on the validation rows: always ")
    assert codes(replace(GOOD, normalized_entropy=1.0)) == []


def test_every_reason_is_given():
    bad = replace(GOOD, auc=0.7, normalized_entropy=1.1, predicted_ratio=3.0)
    last = validation(400, 0.79, 0.44, best=True)
    assert codes(bad, history=[*HISTORY, last], regression=REGRESSION) == [
        "worse_than_base_rate",
        "behind_regression",
        "ill_calibrated",
        "still_improving",
    ]


def test_hints_of_a_run_are_read(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text('{"checksum": null}')
    assert read_hints(tmp_path) == []  # of before there were hints
    edit_json(path, hints=[{"code": "a", "text": "b"}])
    assert read_hints(tmp_path) == [Hint("a", "b")]


@pytest.mark.parametrize("entries", [3, [3], [{"code": 1, "text": "b"}], [{"code": "a"}], {"a": 1}])
def test_hints_that_are_damaged_are_refused(tmp_path, entries):
    path = tmp_path / "metrics.json"
    path.write_text('{"checksum": null}')
    edit_json(path, hints=entries)
    with pytest.raises(ValueError, match=r"metrics.json must have hints of code and text, got"):
        read_hints(tmp_path)
