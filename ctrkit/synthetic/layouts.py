"""The columns of the known logs, with rates like those of the real ones."""

from __future__ import annotations

from typing import Any

from ctrkit.synthetic.fields import LogLayout, categorical, integer

CRITEO_MISSING = {
    "I1 I10": 0.45,
    "I3": 0.21,
    "I4 I13": 0.21,
    "I5": 0.026,
    "I6": 0.22,
    "I7 I9 I11": 0.043,
    "I12": 0.76,
    "C3 C4 C12 C16 C21 C24": 0.034,
    "C6": 0.12,
    "C19 C20 C25 C26": 0.44,
    "C22": 0.76,
}
CRITEO_NEGATIVE = {"I2": 0.10}
"""Share of negative numbers."""

CRITEO_INTEGERS: tuple[tuple[str, float, float, int], ...] = (
    ("I1", 1, 9, 5_775),
    ("I2", 5, 190, 257_675),
    ("I3", 6, 44, 65_535),
    ("I4", 4, 18, 969),
    ("I5", 2_805, 34_000, 23_159_456),
    ("I6", 32, 278, 431_037),
    ("I7", 3, 34, 56_311),
    ("I8", 7, 34, 6_047),
    ("I9", 38, 260, 29_019),
    ("I10", 1.05, 1.78, 11),
    ("I11", 1, 6, 231),
    ("I12", 0.4, 2, 4_008),
    ("I13", 4, 21, 7_393),
)
"""Name, median, ninetieth percentile and largest of each integer column of Criteo."""

CRITEO_CATEGORIES: tuple[tuple[Any, ...], ...] = (
    ("C1", 60, 1.5, 1, 0.01, 1_460),
    ("C2", 100, 0.8, 2, 0.005, 583),
    ("C3", 80, 0.7, 1, 0.60, 10_131_227),
    ("C4", 100, 0.8, 1, 0.40, 2_202_608),
    ("C5", 20, 2.0, 1, 0.005, 305),
    ("C6", 8, 1.2, 1, 0.001, 24),
    ("C7", 100, 0.5, 3, 0.06, 12_517),
    ("C8", 40, 1.8, 1, 0.01, 633),
    ("C9", 3, 3.2),
    ("C10", 80, 1.1, 1, 0.20, 93_145),
    ("C11", 100, 0.6, 1, 0.03, 5_683),
    ("C12", 80, 0.7, 1, 0.55, 8_351_593),
    ("C13", 100, 0.6, 1, 0.015, 3_194),
    ("C14", 27, 1.3),
    ("C15", 100, 0.5, 3, 0.06, 14_992),
    ("C16", 80, 0.7, 1, 0.50, 5_461_306),
    ("C17", 10, 1.2),
    ("C18", 100, 0.7, 1, 0.03, 5_652),
    ("C19", 60, 1.6, 1, 0.02, 2_173),
    ("C20", 3, 0.05),
    ("C21", 80, 0.7, 1, 0.52, 7_046_547),
    ("C22", 8, 1.8, 1, 0.001, 18),
    ("C23", 14, 1.2),
    ("C24", 80, 0.8, 1, 0.30, 286_181),
    ("C25", 40, 0.8, 1, 0.01, 105),
    ("C26", 80, 0.8, 1, 0.35, 142_572),
)
"""Name, frequent values, skew and shift of their rates; share and size of the tail, if any."""

AVAZU_CATEGORIES: tuple[tuple[Any, ...], ...] = (
    ("C1", [1005, 1002, 1010, 1012, 1007, 1001, 1008], 3.5),
    ("banner_pos", [0, 1, 7, 2, 4, 5, 3], 2.0),
    ("site_id", 150, 1.1, 1, 0.05, 4_737),
    ("site_domain", 120, 1.2, 1, 0.04, 7_745),
    ("site_category", 26, 1.3),
    ("app_id", 120, 1.5, 1, 0.08, 8_552),
    ("app_domain", 30, 1.8, 1, 0.01, 559),
    ("app_category", 36, 1.7),
    ("device_id", 2, 8.0, 1, 0.18, 2_686_408),
    ("device_ip", 100, 0.4, 1, 0.93, 6_729_486),
    ("device_model", 250, 0.7, 1, 0.25, 8_251),
    ("device_type", [1, 0, 4, 5, 2], 3.5),
    ("device_conn_type", [0, 2, 3, 5], 3.0),
    ("C14", range(375, 375 + 9 * 2_600, 9), 0.9, 2),
    ("C15", [320, 300, 216, 728, 120, 1024, 480, 768], 3.8),
    ("C16", [50, 250, 36, 480, 90, 20, 768, 320, 1024], 3.8),
    ("C17", range(112, 112 + 6 * 435, 6), 0.9, 1),
    ("C18", [0, 3, 2, 1], 0.8),
    ("C19", range(33, 33 + 27 * 68, 27), 1.3),
    ("C20", [-1, *range(100_000, 100_171)], 1.0),
    ("C21", range(1, 241, 4), 0.9),
)
"""As `CRITEO_CATEGORIES`; the frequent values may be named."""


def criteo_layout(seed: int, tail_start: float) -> LogLayout:
    """Return the 13 integers and 26 categorical columns of a Criteo log."""
    cohorts = {name: cohort for cohort in CRITEO_MISSING for name in cohort.split()}
    integers = (
        integer(
            name,
            median=median,
            ninetieth=ninetieth,
            largest=largest,
            negative=CRITEO_NEGATIVE.get(name, 0.0),
            cohort=cohorts.get(name, ""),
        )
        for name, median, ninetieth, largest in CRITEO_INTEGERS
    )
    categories = (
        categorical(*figures, seed=seed, start=tail_start, cohort=cohorts.get(figures[0], ""))
        for figures in CRITEO_CATEGORIES
    )
    return LogLayout(fields=(*integers, *categories), missing_rates=CRITEO_MISSING)


def avazu_layout(seed: int, tail_start: float) -> LogLayout:
    """Return the columns of an Avazu log after id, click and hour."""
    fields = (categorical(*figures, seed=seed, start=tail_start) for figures in AVAZU_CATEGORIES)
    return LogLayout(fields=tuple(fields), missing_rates={})
