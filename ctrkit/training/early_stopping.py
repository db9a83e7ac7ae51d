"""EarlyStopping: which validation is the best so far, and whether waiting for a better one pays."""

from __future__ import annotations

from dataclasses import replace

from ctrkit.training.config import TrainConfig
from ctrkit.training.history import Record


class EarlyStopping:
    """The validations of a run so far.

    The best one is that with the best figure, however small its lead. Patience is another matter:
    a cosine schedule ends in many gains of a millionth, each of which would keep the run alive. So
    it counts the validations since one whose figure was better by ``min_gain`` than that of the
    last which did so::

        mark  = figure of the first validation
        since = 0, mark = figure    if figure is better than mark by min_gain or more
        since = since + 1           else

    All of it follows from the records, so that a run which goes on needs nothing else.

    Attributes:
        records: the validations, in order.
        since_gain: validations since the last that gained enough.
    """

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        self.records: list[Record] = []
        self.since_gain = 0
        self._mark: float | None = None

    @property
    def stops(self) -> bool:
        """Whether patience has run out."""
        return self.since_gain >= self.config.patience

    def add(self, record: Record) -> Record:
        """Take another validation, and return it with its ``best``."""
        figure = self.config.monitor if record.valid_criterion is None else "criterion"
        record = replace(record, best=self.is_best(record, figure))
        self.records.append(record)
        badness = _badness(record, figure)
        if badness is None or self._gains(badness):
            self._mark = badness
            self.since_gain = 0
        else:
            self.since_gain += 1
        return record

    def is_best(self, record: Record, figure: str) -> bool:
        """Return whether no validation before had as good a ``valid_...`` figure.

        Without validation rows, the last weights are the best.
        """
        badness = _badness(record, figure)
        if badness is None:
            return True
        before = (_badness(old, figure) for old in self.records)
        return all(old is None or badness < old for old in before)

    def why(self) -> str:
        """Say why the run stops."""
        if self.config.min_gain == 0:
            return f"no better validation in {self.since_gain}"
        return f"no validation better by {self.config.min_gain:g} in {self.since_gain}"

    def _gains(self, badness: float) -> bool:
        if self._mark is None:
            return True
        gain = self._mark - badness
        return gain > 0 and gain >= self.config.min_gain


def _badness(record: Record, figure: str) -> float | None:
    """Return a figure of a validation, smaller is better; None without validation rows."""
    value: float | None = getattr(record, f"valid_{figure}")
    return -value if value is not None and figure == "auc" else value
