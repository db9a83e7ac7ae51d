"""What one column of a log is and what becomes of it: `Field` and `ModelField`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from ctrkit.data.columns import check_pattern
from ctrkit.fields import NUM_RESERVED_IDS
from ctrkit.options import check_choice, check_positive, option, shortened

CATEGORICAL = "categorical"
INTEGER = "integer"
NUMERIC = "numeric"
TIMESTAMP = "timestamp"
MULTIVALUED = "multivalued"
DROPPED = "dropped"

TIME_PARTS = ("weekday", "hour")
"""The fields that a timestamp becomes, ``hour`` -> ``hour_weekday`` and ``hour_hour``."""

_OPTIONS_OF_KIND: dict[str, frozenset[str]] = {
    CATEGORICAL: frozenset({"min_count", "hash_buckets", "shares_with", "width"}),
    INTEGER: frozenset({"min_count", "width"}),
    NUMERIC: frozenset({"transform", "buckets", "width"}),
    TIMESTAMP: frozenset({"time_format", "min_count", "width"}),
    MULTIVALUED: frozenset(
        {"separator", "max_slots", "min_count", "hash_buckets", "shares_with", "width"}
    ),
    DROPPED: frozenset({"time_format"}),
}
KINDS = tuple(_OPTIONS_OF_KIND)
TRANSFORMS = ("standard", "log1p")
TIME_FORMATS = ("iso", "epoch", "epoch_ms")
DEFAULT_SEPARATOR = "|"
DEFAULT_MAX_SLOTS = 10
LARGEST_MAX_SLOTS = 1_000
MOST_BUCKETS = 10_000
NUM_BUCKETS = 32
"""Buckets of a number whose schema is guessed, or by ``numbers="twice"``: 16 to 64 do about as well
on the public samples."""


MAX_HASH_BUCKETS = int(np.iinfo(np.int32).max) - NUM_RESERVED_IDS


@dataclass(frozen=True)
class Field:
    """One column of the log.

    Args:
        name: name of the column.
        kind: ``"categorical"``: every text is a category. ``"integer"``: whole numbers, put into
            log-squared buckets, which are the categories. ``"numeric"``: a number that scales the
            field's vector. ``"timestamp"``: becomes two fields, weekday and hour (UTC).
            ``"multivalued"``: several categories in one cell, their vectors averaged.
            ``"dropped"``: not given to the model.
        min_count: categories seen less often in training share one id; None for the schema's.
        hash_buckets: spread the categories over this many ids by a hash, without a vocabulary.
        shares_with: name of an earlier field with the same vocabulary and the same vectors.
        width: length of the field's vectors; None for the model's.
        transform: of a numeric field: ``"standard"`` (less the training mean, over the training
            standard deviation) or ``"log1p"``, sign(v) log(1 + abs(v)). None for "standard".
        buckets: of a numeric field: the number is also put into at most so many buckets of the
            training rows, which are the field's categories; the number, transformed and then
            standardised, moves the vector of its bucket. None for a value without buckets.
        time_format: ``"iso"``, ``"epoch"`` (seconds since 1970), ``"epoch_ms"`` (milliseconds) or
            a ``strptime`` pattern; None for "iso". A dropped column with a time format can still
            cut a split by time.
        separator: between the categories of a multi-valued cell; None for ``"|"``.
        max_slots: categories kept of a multi-valued cell, the first ones; None for 10.

    Raises:
        ValueError: if an option is wrong or does not go with the kind.

    Example:
        >>> Field("price", "numeric", transform="log1p").kind
        'numeric'
        >>> Field("size", "numeric", separator="|")
        Traceback (most recent call last):
        ...
        ValueError: field size: a numeric field has no separator; it takes buckets, transform, width
    """

    name: str
    kind: str = option(CATEGORICAL, "what the column is", choices=KINDS)
    _: dataclasses.KW_ONLY
    min_count: int | None = option(None, "rarer categories share one id")
    hash_buckets: int | None = option(None, "number of ids that categories are hashed to")
    shares_with: str | None = option(None, "earlier field whose vocabulary and vectors it uses")
    width: int | None = option(None, "length of the field's own vectors")
    transform: str | None = option(None, "of a number", choices=TRANSFORMS)
    buckets: int | None = option(None, "number of buckets of a number")
    time_format: str | None = option(None, "iso, epoch, epoch_ms, or a strptime pattern")
    separator: str | None = option(None, "between the categories of one cell")
    max_slots: int | None = option(None, "categories kept of one cell")

    def __post_init__(self) -> None:
        try:
            self._check()
        except ValueError as error:
            raise ValueError(f"field {shortened(self.name)}: {error}") from error

    def _check(self) -> None:
        if not self.name:
            raise ValueError("name must not be empty, got ''")
        check_choice("kind", self.kind, KINDS)
        allowed = _OPTIONS_OF_KIND[self.kind]
        given = self.given()
        for name in given:
            if name not in allowed:
                takes = ", ".join(sorted(allowed)) or "no option"
                raise ValueError(f"a {self.kind} field has no {name}; it takes {takes}")
        sizes = ("min_count", "hash_buckets", "width", "max_slots", "buckets")
        check_positive(**{name: given[name] for name in sizes if name in given})
        if self.transform is not None:
            check_choice("transform", self.transform, TRANSFORMS)
        if self.time_format is not None and "%" not in self.time_format:
            check_choice("time_format", self.time_format, TIME_FORMATS)
        elif self.time_format is not None:
            check_pattern(self.time_format)
        if self.hash_buckets is not None and self.hash_buckets > MAX_HASH_BUCKETS:
            raise ValueError(
                f"hash_buckets must be at most {MAX_HASH_BUCKETS}, so that ids fit int32, "
                f"got {self.hash_buckets}"
            )
        if self.buckets is not None and not 2 <= self.buckets <= MOST_BUCKETS:
            raise ValueError(f"buckets must lie in 2 ... {MOST_BUCKETS}, got {self.buckets}")
        if self.max_slots is not None and self.max_slots > LARGEST_MAX_SLOTS:
            raise ValueError(f"max_slots must be at most {LARGEST_MAX_SLOTS}, got {self.max_slots}")
        if self.separator == "":
            raise ValueError("separator must not be empty, got ''")
        if self.hash_buckets is not None and self.min_count is not None:
            raise ValueError("hash_buckets keeps no counts, so min_count must not be given")
        if self.shares_with is not None:
            for name in ("min_count", "hash_buckets", "width"):
                if name in given:
                    raise ValueError(f"{name} belongs to {self.shares_with}, which it shares")

    def given(self) -> dict[str, Any]:
        """Return the options that differ from None."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)[2:]}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def num_slots(self) -> int:
        """Number of id columns of the field, or of each of those it becomes."""
        return (self.max_slots or DEFAULT_MAX_SLOTS) if self.kind == MULTIVALUED else 1

    def to_mapping(self) -> dict[str, Any]:
        """Return the field without its name as plain data."""
        return {"kind": self.kind, **self.given()}


@dataclass(frozen=True)
class ModelField:
    """One field as the model sees it; a timestamp makes two of them.

    Args:
        name: name of the field, and of its vocabulary.
        source: the column it is made from.
        part: of a timestamp: ``"weekday"`` or ``"hour"``.
        owner: name of the field whose vocabulary it uses; its own name when it shares none.
    """

    name: str
    source: Field
    part: str | None
    owner: str
