"""The options of a preparation, and its progress."""

from __future__ import annotations

from dataclasses import dataclass

from ctrkit.data.preparing.split import check_fractions
from ctrkit.data.reading import BAD_ROWS, FORMATS, most_bad_rows
from ctrkit.options import check_choice, check_not_negative, check_positive, check_workers, option

SPLITS = ("random", "time", "last")
NUMBERS = ("schema", "twice")
HISTORY_ORDERS = ("folds", "time")
COUNTED_ROWS = ("train", "all")


@dataclass(frozen=True, kw_only=True)
class ReadConfig:
    """Options of reading raw rows.

    Raises:
        ValueError: if an option is an unknown name.
    """

    bad_rows: str = option(
        "error", "rows that cannot be read: stop, skip them, or skip at most N", choices=BAD_ROWS
    )

    def __post_init__(self) -> None:
        most_bad_rows(self.bad_rows)


@dataclass(frozen=True, kw_only=True)
class SourceConfig(ReadConfig):
    """Options that say what raw rows are.

    Raises:
        ValueError: if an option is an unknown name.
    """

    format: str | None = option(
        None, "format of the log (default: by the file's name)", choices=FORMATS
    )
    label: str | None = option(None, "name of the label column (default: the schema's, or guessed)")
    positive: str | None = option(
        None, "text of a click in the label column (default: the schema's, or guessed)"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.format is not None:
            check_choice("format", self.format, FORMATS)
        if self.positive == "":
            raise ValueError("positive must not be empty, got ''")


@dataclass(frozen=True, kw_only=True)
class PrepareConfig(SourceConfig):
    """Options of one preparation.

    Raises:
        ValueError: if an option is out of range or an unknown name.
    """

    split: str = option("random", "how rows become train, valid and test", choices=SPLITS)
    fractions: tuple[float, ...] = option((0.8, 0.1, 0.1), "shares of train, valid and test")
    seed: int = option(2021, "seed of the random split")
    vocabulary_from: str = option(
        "train",
        "rows whose categories are counted; 'all' is the papers' protocol, and leaks",
        choices=COUNTED_ROWS,
    )
    min_count: int | None = option(
        None, "rarer categories share one id; a field's own wins (default: the schema's)"
    )
    numbers: str = option(
        "schema",
        "numbers as the schema says; or twice: in buckets, and as values beside their buckets",
        choices=NUMBERS,
    )
    history: str | None = option(
        None,
        "fields that get count and click rate in training: auto, none, or names with commas, "
        "user,item,user+item (default: the schema's)",
    )
    crosses: str | None = option(
        None,
        "combinations as one more field: auto, none, or names with commas, user+item "
        "(default: the schema's)",
    )
    history_order: str = option(
        "folds",
        "what a training row's history leaves out: the rows of its fold, or those not before it",
        choices=HISTORY_ORDERS,
    )
    time_column: str | None = option(None, "column of split 'time' (default: the timestamp)")
    force: bool = option(False, "replace an existing folder")
    check_space: bool = option(True, "refuse jobs that would not fit in memory or on disk")
    num_workers: int | None = option(None, "threads (default: one per processor, at most 8)")

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "fractions", tuple(self.fractions))
        check_choice("split", self.split, SPLITS)
        check_choice("numbers", self.numbers, NUMBERS)
        check_choice("history_order", self.history_order, HISTORY_ORDERS)
        check_choice("vocabulary_from", self.vocabulary_from, COUNTED_ROWS)
        check_fractions(self.fractions)
        check_not_negative(seed=self.seed)
        if self.seed >= 1 << 63:
            raise ValueError(f"seed must be below 2**63, got {self.seed}")
        check_positive(min_count=self.min_count)
        check_workers(num_workers=self.num_workers)
        if self.time_column is not None and self.split != "time":
            raise ValueError(
                f"time_column needs split 'time', got split {self.split!r} "
                f"and time_column {self.time_column!r}"
            )
        if self.history_order == "time" and self.split == "random":
            raise ValueError(
                "history_order 'time' needs split 'time', or 'last' for a log in the order of time"
            )


@dataclass(frozen=True)
class Progress:
    """Progress of a preparation.

    Args:
        stage: ``"read"``, ``"count"`` or ``"write"``, in this order.
        num_rows: rows done in this stage.
        fraction: share of this stage that is done, 0 to 1.
    """

    stage: str
    num_rows: int
    fraction: float
