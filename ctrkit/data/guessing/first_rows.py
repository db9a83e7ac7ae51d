"""`FirstRows`: the first rows of a log, one column at a time."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from ctrkit.data.columns import Column
from ctrkit.data.guessing.samples import SAMPLED_ROWS, ColumnSample
from ctrkit.data.reading import Block, SkippedRow, Source, Table, labels_of, read_good_rows
from ctrkit.data.schemas import Schema

LEAST_SEEN = 1e-3
"""Share of a log that its first rows are taken for where its length is unknown."""


class FirstRows(Mapping[str, ColumnSample]):
    """The first rows of a log: name of a column -> its sample, made anew each time.

    The texts of one column at a time are in memory.

    Args:
        block: the first block of the log.
        skip: leave out rows that cannot be read.
        labels: leave out rows without a label of this schema, too.

    Attributes:
        num_rows: how many rows.
    """

    def __init__(self, block: Block, *, skip: bool, labels: Schema | None = None) -> None:
        def read(block: Block) -> Table:
            table = block.table(block.columns)
            if labels is not None:
                labels_of(table, labels)
            return table

        table = None
        if skip:
            table = read_good_rows(block, read, deque[SkippedRow](maxlen=0).extend)
        table = table or read(block)  # where no row is good, this raises the first error
        self.num_rows = min(table.num_rows, SAMPLED_ROWS)
        self._of_block = table.num_rows
        self._columns: Mapping[str, Column] = table.columns

    def __getitem__(self, name: str) -> ColumnSample:
        return ColumnSample.of(name, self._columns[name], self.num_rows)

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def share_of(self, opened: Sequence[Source], reading: Schema) -> float:
        """Return about which share of a log these rows are; 1 where they are all.

        Args:
            opened: the sources of the log; the rows are from the first.
            reading: how it is read.
        """
        source = opened[0]
        if source.stream is not None:
            return LEAST_SEEN
        if len(list(itertools.islice(source.blocks(reading), 2))) == 1:
            share = self.num_rows / max(self._of_block, 1)
        else:
            about = source.about_rows(reading) or self.num_rows
            share = min(self.num_rows / max(about, 1), 0.5)
        return max(share / len(opened), LEAST_SEEN)
