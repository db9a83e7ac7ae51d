"""`SchemaGuess`: a guessed schema, what was seen in each column, and why it is what it is."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ctrkit.data.guessing.samples import ColumnSample
from ctrkit.data.schemas import (
    CATEGORICAL,
    DROPPED,
    INTEGER,
    MULTIVALUED,
    NUMERIC,
    TIMESTAMP,
    Schema,
)
from ctrkit.files import toml_key
from ctrkit.options import printable, shortened, shown

_NUM_EXAMPLES = 3
_LONGEST_EXAMPLE = 20

_WIDEST_KEY = 28
_WIDEST_VALUE = 60
"""Longer ones are not aligned."""

_MOST_EXPLAINED = 2_000
"""Columns with a comment: a file with more would be too large to be read again."""

_MOST_NAMED = 4

_CALLED = {
    NUMERIC: ("number", "numbers"),
    INTEGER: ("integer", "integers"),
    CATEGORICAL: ("category", "categories"),
    MULTIVALUED: ("list", "lists"),
    TIMESTAMP: ("time", "times"),
}


@dataclass(frozen=True)
class ColumnSeen:
    """What was seen in a column.

    Args:
        name: of the column.
        distinct: number of distinct values that are not missing.
        missing: share of the cells that are empty.
        examples: some values, shortened.
        reason: why the column is taken for what it is; empty where the schema was given.
    """

    name: str
    distinct: int
    missing: float
    examples: tuple[str, ...]
    reason: str

    @classmethod
    def of(cls, sample: ColumnSample, reason: str = "") -> ColumnSeen:
        """Return what some first cells of a column show."""
        texts = sample.tokens.take(np.arange(min(_NUM_EXAMPLES, len(sample.tokens)))).texts()
        examples = tuple(shortened(text, _LONGEST_EXAMPLE) for text in texts)
        return cls(sample.name, len(sample.tokens), sample.missing, examples, reason)


@dataclass(frozen=True)
class SchemaGuess:
    """A schema and what it rests on.

    Args:
        schema: the schema.
        columns: what was seen of the label and of every field; empty where no rows were read.
        source: name of the log.
        num_rows: rows that were looked at.
        from_frame: whether the log is a frame.

    Example:
        >>> import pandas as pd
        >>> from ctrkit.data import guess_schema
        >>> guess = guess_schema(pd.DataFrame({"user": ["a", "b", "c"], "bought": list("yny")}))
        >>> guess.schema.label, guess.schema.positive, guess.columns[0].reason
        ('bought', 'y', 'texts')
        >>> Schema.from_toml(guess.to_toml()) == guess.schema
        True
    """

    schema: Schema
    columns: tuple[ColumnSeen, ...] = ()
    source: str = ""
    num_rows: int = 0
    from_frame: bool = False

    @property
    def is_guess(self) -> bool:
        """Whether the schema was guessed, and neither given nor built in."""
        return any(column.reason for column in self.columns)

    @property
    def command(self) -> str:
        """The command that shows the guess."""
        is_file = not self.from_frame and Path(self.source).is_file()
        return f"ctrkit schema {shlex.quote(self.source) if is_file else 'FILE'}"

    def correction(self) -> str:
        """Return what to do where the guess is wrong."""
        if self.from_frame:
            return "correct what infer_schema returns, and give it as schema"
        return f"correct it with {self.command} > schema.toml, and pass that with --schema"

    def summary(self) -> str:
        """Return in one line what was guessed, and what is left out.

        Example:
            >>> from ctrkit.data import Field
            >>> SchemaGuess(Schema([Field("user"), Field("price", "numeric")], label="y")).summary()
            'label y, 1 number, 1 category'
        """
        label = f"label {self.schema.label}"
        if self.schema.positive is not None:
            label += f" (a click is {shown(self.schema.positive)})"
        counts = Counter(field.kind for field in self.schema.fields)
        parts = [
            f"{counts[kind]:,} {one if counts[kind] == 1 else several}"
            for kind, (one, several) in _CALLED.items()
            if counts[kind]
        ]
        left_out = self.left_out()
        ending = f"; left out: {', '.join(left_out)}" if left_out else ""
        return ", ".join([label, *parts]) + ending

    def left_out(self) -> list[str]:
        """Return the columns that are left out, and why; of many, the first."""
        reasons = {column.name: f" ({column.reason})" for column in self.columns if column.reason}
        names = [field.name for field in self.schema.fields if field.kind == DROPPED]
        found = [f"{shortened(name)}{reasons.get(name, '')}" for name in names[:_MOST_NAMED]]
        rest = len(names) - len(found)
        return [*found, f"{rest:,} more"] if rest else found

    def to_toml(self) -> str:
        """Return the text of a ``schema.toml``, aligned, with what was seen as comments."""
        seen = {column.name: column for column in self.columns[:_MOST_EXPLAINED]}
        head, _, fields = self.schema.to_toml().partition("[fields]\n")
        label, *settings = head.splitlines()
        if self.schema.label in seen:
            label = f"{label}  # {_comment(seen[self.schema.label])}"
        keys = [toml_key(field.name) for field in self.schema.fields]
        values = [line[len(key) + 3 :] for key, line in zip(keys, fields.splitlines(), strict=True)]
        key_width = _width(keys, _WIDEST_KEY)
        width = key_width + len(" = ") + _width(values, _WIDEST_VALUE)
        examples_width = max((len(_examples(column)) for column in seen.values()), default=0)
        body = []
        for field, key, value in zip(self.schema.fields, keys, values, strict=True):
            line = f"{key:{key_width}} = {value}"
            if field.name in seen:
                line = f"{line:{width}}  # {_comment(seen[field.name], examples_width)}"
            body.append(line)
        return "\n".join([*self._title(), label, *settings, *self._heading(width), *body]) + "\n"

    def _title(self) -> list[str]:
        rows = f"the first {self.num_rows:,} rows of {printable(self.source)}"
        if self.is_guess:
            return [
                f"# Guessed from {rows}.",
                "# Correct what is wrong, and pass it with --schema.",
            ]
        return [f"# The comments are what {rows} show."] if self.columns else []

    def _heading(self, width: int) -> list[str]:
        heading = f"# {'':{width}}  distinct  missing  examples"
        return ["[fields]", heading] if self.columns else ["[fields]"]


def _width(texts: list[str], widest: int) -> int:
    return max((len(text) for text in texts if len(text) <= widest), default=0)


def _examples(column: ColumnSeen) -> str:
    return printable(", ".join(column.examples))


def _comment(column: ColumnSeen, examples_width: int | None = None) -> str:
    """Return what was seen of a column, in columns of its own where a width is given."""
    reason = printable(column.reason)
    if examples_width is None:
        counts = f"{column.distinct:,} distinct, {column.missing:.1%} missing: {_examples(column)}"
        return f"{counts}; {reason}" if reason else counts
    examples = f"{_examples(column):{examples_width}}"
    return f"{column.distinct:8,}  {column.missing:7.1%}  {examples}  {reason}".rstrip()
