"""Numbers between 0 and 1 as text."""

from decimal import ROUND_DOWN, Decimal

import numpy as np
import pytest

from ctrkit.cli.decimals import NUM_DECIMALS, SMALLEST, decimal_lines

GENERATOR = np.random.default_rng(0)
EDGES = 2.0 ** np.arange(-25, 0)


@pytest.mark.parametrize(
    "values",
    [
        GENERATOR.random(20_000),
        np.exp(-17 * GENERATOR.random(20_000)),
        np.concatenate([EDGES, np.nextafter(EDGES, 1), np.nextafter(2 * EDGES, 0)]),
        np.array([0.0, 1e-300, SMALLEST / 2, 0.3, 1.0]),
        np.empty(0),
    ],
    ids=["even", "over many magnitudes", "beside powers of two", "out of range", "none"],
)
def test_every_number_reads_back_as_the_same(values):
    assert np.array_equal([float(line) for line in decimal_lines(values).split()], values)


def test_decimals_are_the_exact_ones_cut_off():
    values = GENERATOR.random(100)
    place = Decimal(1).scaleb(-NUM_DECIMALS)
    expected = [str(Decimal(value).quantize(place, ROUND_DOWN)) for value in values.tolist()]
    assert decimal_lines(values).decode().splitlines() == expected


def test_what_is_no_number_is_nan_and_changes_no_other_line():
    values = GENERATOR.random(100)
    values[[0, 7, 99]] = np.nan
    lines = decimal_lines(values).decode().splitlines()
    assert [n for n, line in enumerate(lines) if line == "nan"] == [0, 7, 99]
    others = [line for line in lines if line != "nan"]
    assert others == decimal_lines(values[~np.isnan(values)]).decode().splitlines()
