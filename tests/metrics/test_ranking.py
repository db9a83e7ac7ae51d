"""AUC and grouped AUC against their definitions and against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ctrkit.metrics import auc, auc_from_counts, grouped_auc

KINDS = {
    "float32 with negatives": lambda g, n: g.normal(size=n).astype(np.float32),
    "float32 with ties": lambda g, n: g.integers(-5, 5, n).astype(np.float32),
    "float64 probabilities": lambda g, n: g.random(n),
    "float64 with ties": lambda g, n: g.integers(0, 9, n) / 10,
    "float64 with negatives": lambda g, n: g.normal(size=n) * 1e6,
    "integers": lambda g, n: g.integers(-3, 3, n),
    "tiny and zero of both signs": lambda g, n: g.choice([0.0, -0.0, 1e-40, 1e-30], n).astype("f4"),
}


def make(kind: str, seed: int, rows: int = 400):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, rows)
    labels[:2] = 0, 1
    return labels, KINDS[kind](generator, rows)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", KINDS)
def test_auc_is_the_chance_that_a_click_outscores_a_non_click(kind, seed):
    labels, scores = make(kind, seed)
    difference = scores[labels == 1][:, None] - scores[labels == 0][None, :]
    expected = ((difference > 0) + 0.5 * (difference == 0)).mean()
    assert auc(labels, scores) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_auc_equals_scikit_learn(kind):
    labels, scores = make(kind, 7, rows=20_000)
    assert auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_auc_of_reversed_scores_is_one_minus_auc():
    labels, scores = make("float32 with ties", 3)
    assert auc(labels, -scores) == pytest.approx(1 - auc(labels, scores), abs=1e-12)


def test_auc_counts_more_pairs_than_32_bits_hold():
    labels = np.repeat([0, 1], 150_000)
    assert auc(labels, labels.astype(np.float32)) == 1.0
    assert auc(labels, np.zeros(300_000)) == 0.5


@pytest.mark.parametrize("labels", [[1, 1, 1], [0, 0, 0]])
def test_auc_of_one_class_is_an_error(labels):
    with pytest.raises(ValueError, match=r"AUC needs both classes, got [03] clicks in 3 rows"):
        auc(labels, [0.1, 0.2, 0.3])


def test_auc_of_no_rows_is_an_error():
    with pytest.raises(ValueError, match=r"AUC needs both classes, got 0 clicks in 0 rows"):
        auc([], [])


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([0, 1, 2], [0.1, 0.2, 0.3], r"labels must be 0 or 1, got .*2"),
        ([0, 1], [0.1, np.nan], r"scores must be finite, got .*nan"),
        ([0, 1], [0.1], r"labels and scores must be \(N,\), got \(2,\) and \(1,\)"),
    ],
)
def test_bad_arrays_are_named(labels, scores, message):
    with pytest.raises(ValueError, match=message):
        auc(labels, scores)


@pytest.mark.parametrize("seed", range(3))
def test_grouped_auc_is_the_weighted_mean_over_groups_with_both_classes(seed):
    generator = np.random.default_rng(seed)
    groups = generator.integers(0, 30, 500)
    labels = generator.integers(0, 2, 500)
    labels[groups == 4] = 1
    scores = generator.integers(0, 20, 500) / 20
    parts = [
        (roc_auc_score(labels[groups == g], scores[groups == g]), (groups == g).sum())
        for g in np.unique(groups)
        if 0 < labels[groups == g].mean() < 1
    ]
    expected = np.average([p[0] for p in parts], weights=[p[1] for p in parts])
    assert grouped_auc(labels, scores, groups) == pytest.approx(expected, abs=1e-12)


def test_grouped_auc_without_a_mixed_group_is_an_error():
    with pytest.raises(ValueError, match="grouped AUC needs a group with both classes"):
        grouped_auc([0, 1], [0.1, 0.2], ["a", "b"])


@pytest.mark.parametrize("seed", range(3))
def test_auc_of_counts_is_that_of_the_rows(seed):
    labels, scores = make("float32 with ties", seed)
    _, place = np.unique(scores, return_inverse=True)
    counts = (np.bincount(place[labels == label]) for label in (1, 0))
    assert auc_from_counts(*counts) == auc(labels, scores)


def test_auc_of_counts_needs_both_classes():
    with pytest.raises(ValueError, match=r"AUC needs both classes, got 3 clicks in 3 rows"):
        auc_from_counts(np.array([1, 2]), np.array([0, 0]))
