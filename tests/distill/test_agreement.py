"""Agreement of two models, against its definition on every pair of rows."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrkit.distill import agreement

# Few different values, so that there are ties on both sides.
SCORES = st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=2, max_size=30)


@settings(deadline=None)
@given(SCORES)
def test_pairs_alike_counts_every_pair_that_the_teacher_tells_apart(rows):
    student, teacher = np.array(rows, dtype=np.float32).T
    pairs = [
        (ours[1] - ours[0]) * np.sign(theirs[1] - theirs[0])
        for ours, theirs in zip(
            itertools.combinations(student, 2), itertools.combinations(teacher, 2), strict=True
        )
        if theirs[0] != theirs[1]
    ]
    if not pairs:
        with pytest.raises(ValueError, match="the teacher must rank rows"):
            agreement(student, teacher)
        return
    expected = np.mean([1.0 if pair > 0 else 0.5 if pair == 0 else 0.0 for pair in pairs])
    assert agreement(student, teacher).pairs_alike == pytest.approx(expected, abs=1e-12)


def test_figures_are_those_of_numpy():
    student, teacher = np.random.default_rng(0).normal(size=(2, 500)).astype(np.float32)
    found = agreement(student, teacher)
    wide = student.astype(np.float64), teacher.astype(np.float64)
    assert found.rmse == pytest.approx(np.sqrt(np.mean((wide[0] - wide[1]) ** 2)), rel=1e-12)
    assert found.correlation == pytest.approx(np.corrcoef(*wide)[0, 1], rel=1e-12)


def test_a_student_like_its_teacher_agrees_wholly():
    logits = np.random.default_rng(0).normal(size=100).astype(np.float32)
    found = agreement(logits, logits)
    assert found.rmse == 0
    assert found.correlation == pytest.approx(1)
    assert found.pairs_alike == pytest.approx(1)


def test_a_constant_student_agrees_by_chance():
    teacher = np.arange(10, dtype=np.float32)
    found = agreement(np.zeros(10, np.float32), teacher)
    assert (found.correlation, found.pairs_alike) == (0.0, 0.5)


def test_different_rows_are_refused():
    with pytest.raises(ValueError, match=r"one shape \(N,\), got \(3,\) and \(4,\)"):
        agreement(np.zeros(3, np.float32), np.zeros(4, np.float32))
