"""What the columns of a log are, and how its text files are written: `Schema`."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctrkit.data.schemas.combined import AUTO, CROSS_SIGN, NONE, check_combined
from ctrkit.data.schemas.field import (
    CATEGORICAL,
    DROPPED,
    MULTIVALUED,
    TIME_PARTS,
    TIMESTAMP,
    Field,
    ModelField,
)
from ctrkit.data.schemas.names import check_num_columns, first_repeated
from ctrkit.fields import MAX_SLOTS
from ctrkit.files import load_toml, parse_toml, toml_key, toml_value
from ctrkit.options import check_positive, from_mapping, option, shortened, shown, suggest


@dataclass(frozen=True)
class Schema:
    """The columns of a log, and how its text files are written.

    Args:
        fields: every column but the label, in the order of the model's fields.
        label: name of the column of clicks, 0 or 1.
        separator: character between two cells of a text file.
        header: whether a text file begins with the names of its columns.
        quote: character around cells that hold a separator; empty for none.
        min_count: threshold of the fields without their own.
        columns: order of the columns in files without header; empty for the label, then the
            fields.
        crosses: combinations of the model's fields that are one more field, ``"user+item"``;
            ``["auto"]`` to choose them from the training rows, ``["none"]`` for none.
        history: fields or combinations to which rows and click rate in training are given as
            values; a combination is a cross too. ``["auto"]`` for all that gain by it.
        cross_min_count: combinations seen less often in training share one id.
        cross_hash_buckets: spread combinations over this many ids by a hash instead.
        positive: the text of a click in a label column of texts; None for 0 and 1.
        negative: the other text of such a column; None for any one text.

    Raises:
        ValueError: if names repeat, a shared field is not there, or a setting is wrong.

    Example:
        >>> schema = Schema([Field("user"), Field("price", "numeric")], label="click")
        >>> print(schema.to_toml())
        label = "click"
        separator = ","
        header = true
        quote = "\\""
        min_count = 1
        <BLANKLINE>
        [fields]
        user = "categorical"
        price = "numeric"
        <BLANKLINE>
        >>> Schema.from_toml(schema.to_toml()) == schema
        True
    """

    fields: tuple[Field, ...]
    label: str = option("label", "column of clicks, 0 or 1")
    separator: str = option(",", "character between two cells")
    header: bool = option(True, "the first line names the columns")
    quote: str = option('"', "character around cells; empty where quotes mean nothing")
    min_count: int = option(1, "rarer categories share one id")
    columns: tuple[str, ...] = option((), "order of the columns of files without header")
    crosses: tuple[str, ...] = option((), "combinations of fields as one more field, user+item")
    history: tuple[str, ...] = option((), "fields that get count and click rate in training")
    cross_min_count: int = option(2, "rarer combinations share one id")
    cross_hash_buckets: int | None = option(None, "number of ids that combinations are hashed to")
    positive: str | None = option(None, "text of a click, where the labels are not 0 and 1")
    negative: str | None = option(None, "text of no click, where the labels are not 0 and 1")

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", tuple(self.fields))
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "history", tuple(self.history))
        object.__setattr__(self, "crosses", tuple(self.crosses))
        columns = {field.name for field in self.fields}
        implied = [name for name in self.history if CROSS_SIGN in name and name not in columns]
        if implied and self.crosses in (AUTO, NONE):
            raise ValueError(
                f"crosses must name {shown(implied[0])}, of which history is wanted, "
                f"got {self.crosses[0]!r}"
            )
        object.__setattr__(self, "crosses", tuple(dict.fromkeys([*self.crosses, *implied])))
        check_positive(
            min_count=self.min_count,
            cross_min_count=self.cross_min_count,
            cross_hash_buckets=self.cross_hash_buckets,
        )
        for name, value, sizes in (
            ("separator", self.separator, (1,)),
            ("quote", self.quote, (0, 1)),
        ):
            if len(value) not in sizes or not value.isascii() or value in ("\n", "\r", "\0"):
                raise ValueError(f"{name} must be one ASCII character, got {value!r}")
        if self.quote == self.separator:
            raise ValueError(f"quote and separator must differ, got {self.quote!r} for both")
        self._check_label_texts()
        self._check_sizes()
        self._check_names()
        for name in ("crosses", "history"):
            check_combined(
                name,
                getattr(self, name),
                label=self.label,
                columns=self.fields,
                fields=self.model_fields,
            )

    def _check_label_texts(self) -> None:
        if "" in (self.positive, self.negative):
            raise ValueError("positive and negative must not be empty: such a label is missing")
        if self.negative is not None and self.positive in (None, self.negative):
            raise ValueError(
                f"negative must go with another text as positive, got positive "
                f"{shown(self.positive)} and negative {shown(self.negative)}"
            )

    def _check_sizes(self) -> None:
        check_num_columns(len(self.fields), "fields")
        num_ids = sum(field.source.num_slots for field in self.model_fields)
        if num_ids > MAX_SLOTS:
            raise ValueError(
                f"all fields together must have at most {MAX_SLOTS:,} id columns, got "
                f"{num_ids:,}; give multivalued fields a smaller max_slots"
            )

    def _check_names(self) -> None:
        names = [self.label, *(field.name for field in self.fields)]
        twice = first_repeated(names)
        if twice is not None:
            raise ValueError(f"column names must differ, got {shown(twice)} twice")
        if self.columns and sorted(self.columns) != sorted(names):
            raise ValueError(
                f"columns must name the label and every field once, got {', '.join(self.columns)}"
            )
        if not self.model_fields:
            raise ValueError("fields must hold at least one that is not dropped")
        twice = first_repeated(field.name for field in self.model_fields)
        if twice is not None:
            raise ValueError(
                f"field names must differ, got {shown(twice)} twice (from a timestamp)"
            )
        self._check_shared()

    def _check_shared(self) -> None:
        owners: dict[str, Field] = {}
        for field in self.fields:
            if field.shares_with is None:
                if field.kind in (CATEGORICAL, MULTIVALUED):
                    owners[field.name] = field
            elif field.shares_with not in owners:
                raise ValueError(
                    f"field {field.name}: shares_with must name an earlier categorical or "
                    f"multivalued field that shares with none, got {field.shares_with!r}"
                )

    @functools.cached_property
    def model_fields(self) -> tuple[ModelField, ...]:
        """The fields that the model sees, in order."""
        found = []
        for field in self.fields:
            if field.kind == TIMESTAMP:
                for part in TIME_PARTS:
                    name = f"{field.name}_{part}"
                    found.append(ModelField(name, field, part, name))
            elif field.kind != DROPPED:
                owner = field.shares_with or field.name
                found.append(ModelField(field.name, field, None, owner))
        return tuple(found)

    @functools.cached_property
    def members(self) -> dict[str, list[int]]:
        """Positions of the model's fields that use one vocabulary, by the name of its owner."""
        found: dict[str, list[int]] = {}
        for position, field in enumerate(self.model_fields):
            found.setdefault(field.owner, []).append(position)
        return found

    @property
    def file_columns(self) -> tuple[str, ...]:
        """The columns of a file without header, in order."""
        return self.columns or (self.label, *(field.name for field in self.fields))

    def field(self, name: str) -> Field:
        """Return a field by the name of its column.

        Raises:
            ValueError: if there is none.
        """
        if name not in self._by_name:
            raise ValueError(f"unknown column {shown(name)}{suggest(name, self._by_name)}")
        return self._by_name[name]

    @functools.cached_property
    def _by_name(self) -> dict[str, Field]:
        return {field.name: field for field in self.fields}

    def threshold(self, name: str) -> int:
        """Return the training count below which a category of this column is rare."""
        return self.field(name).min_count or self.min_count

    def to_mapping(self) -> dict[str, Any]:
        """Return the schema as plain data."""
        names = [f.name for f in dataclasses.fields(self)]
        order = ("label", "positive", "negative", *(n for n in names if n != "fields"))
        settings = {name: getattr(self, name) for name in dict.fromkeys(order)}
        for name in ("columns", "crosses", "history"):
            settings[name] = list(settings[name]) or None
        if not self.crosses:
            del settings["cross_min_count"]
        settings = {name: value for name, value in settings.items() if value is not None}
        return settings | {"fields": {field.name: field.to_mapping() for field in self.fields}}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], *, where: str = "schema") -> Schema:
        """Build a schema from plain data.

        Raises:
            ValueError: if a key is unknown or a value is refused.
            TypeError: if a value has the wrong type.
        """
        settings = dict(values)
        columns = settings.pop("fields", {})
        if not isinstance(columns, Mapping):
            raise TypeError(f"{where}: fields must be a table, got {shown(columns)}")
        check_num_columns(len(columns), f"{where}: fields")
        fields = []
        for name, entry in columns.items():
            given = {"kind": entry} if isinstance(entry, str) else entry
            here = f"{where}, field {shortened(name)}"
            if not isinstance(given, Mapping):
                raise TypeError(f"{here}: must be a kind or a table, got {shown(entry)}")
            if "name" in given:
                raise ValueError(
                    f"{where}, field {shortened(name)}: the name is the key, remove 'name'"
                )
            fields.append(from_mapping(Field, {"name": name, **given}, where=here))
        for name in ("crosses", "history"):
            if isinstance(settings.get(name), str):  # "auto" or "none"
                settings[name] = (settings[name],)
        return from_mapping(cls, {"fields": tuple(fields), **settings}, where=where)

    def to_toml(self) -> str:
        """Return the schema as the text of a ``schema.toml``."""
        settings = self.to_mapping()
        fields = settings.pop("fields")
        lines = [f"{name} = {toml_value(value)}" for name, value in settings.items()]
        lines += ["", "[fields]"]
        for name, given in fields.items():
            plain = list(given) == ["kind"]
            lines.append(f"{toml_key(name)} = {toml_value(given['kind'] if plain else given)}")
        return "\n".join(lines) + "\n"

    @classmethod
    def from_toml(cls, source: str | Path) -> Schema:
        """Read a schema from a ``schema.toml``: a path, or the text itself.

        Raises:
            FileNotFoundError: if the file does not exist.
            ValueError: if it is not TOML, or a key is unknown or a value refused.
        """
        if isinstance(source, str) and "\n" in source:
            return cls.from_mapping(parse_toml(source, where="schema"))
        try:
            return cls.from_mapping(load_toml(Path(source)), where=str(source))
        except FileNotFoundError as error:
            raise FileNotFoundError(f"schema file {source} does not exist") from error

    def with_label(self, label: str | None, positive: str | None = None) -> Schema:
        """Return the schema with another label; a former label column is dropped.

        Args:
            label: name of the column; None for the present one.
            positive: text of a click in it; None for the present one, or 0 and 1 in a new column.

        Raises:
            ValueError: if the column is not there.
        """
        found = self
        if label is not None and label != self.label:
            self.field(label)
            former = Field(self.label, DROPPED)
            fields = tuple(former if field.name == label else field for field in self.fields)
            columns = self.columns if self.header else self.file_columns
            found = dataclasses.replace(
                self, fields=fields, label=label, columns=columns, positive=None, negative=None
            )
        if positive is not None and positive != found.positive:
            found = dataclasses.replace(found, positive=positive, negative=None)
        return found
