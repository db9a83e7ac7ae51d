"""Options as frozen dataclasses: default, type and help on one line.

The command line, TOML files and ``config.json`` are all read against the same classes.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import reprlib
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

T = TypeVar("T")

SEQUENCES = (tuple, list, Sequence)
"""Origins of the types that lists of TOML and JSON fit."""

MAX_SHOWN = 200
"""Longest text by which a message shows a value."""

MAX_LISTED = 1000
"""Longest list of names to choose from in a message."""

MAX_COLUMNS = 20_000
"""Most columns of a log, and most fields of a model."""

_BRIEF = reprlib.Repr()
"""Spells values without the inside of what is deep, which may never end, and the end of a list."""
_BRIEF.maxlevel = 3
_BRIEF.maxlist = _BRIEF.maxtuple = _BRIEF.maxdict = _BRIEF.maxset = _BRIEF.maxfrozenset = 40
_BRIEF.maxstring = _BRIEF.maxlong = _BRIEF.maxother = 5000

_OPTION_TYPES: dict[type, dict[str, Any]] = {}
"""What `option_types` has found: it takes a millisecond, and a schema has a `Field` per column."""

_LARGEST_FLOAT = 1 << 1023

_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2060\ufeff\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters, marks that are not seen or turn the direction of a text round, and what
Python makes of bytes that are not UTF-8."""

MOST_WHOLE = (1 << 63) - 1
"""Largest whole number of an option: what counts rows, steps and sizes is held in 64 bits."""

MOST_FACTOR = 1e9
"""Largest factor of a term of the loss; float32 has no room for its products with much more."""

MOST_WORKERS = 1024
"""More threads than any machine uses well; each takes memory of its own."""

MAX_LAYERS = 1000
"""More layers than any model has that can be trained; a slip of the finger asks for more."""


def option(default: T, help: str, *, choices: Iterable[str] = ()) -> T:
    """Return a dataclass field with a default, a help text and, for names, the valid choices."""
    return dataclasses.field(default=default, metadata={"help": help, "choices": tuple(choices)})


def shown(value: Any) -> str:
    """Return a value as a message shows it, shortened if it is long or deep."""
    try:
        return shortened(_BRIEF.repr(value))
    except ValueError:  # Python spells no number of more than 4300 digits
        return f"a {type(value).__name__} too long to be shown"


def shortened(text: str, length: int = MAX_SHOWN) -> str:
    """Return a text as a message shows it, cut after `length` characters."""
    return text if len(text) <= length else f"{text[: length - 3]}..."


def printable(text: str) -> str:
    r"""Return a text with its control characters as escapes, so that a name moves no cursor.

    Example:
        >>> print(printable("two\nlines, \x1b[31mred"))
        two\nlines, \x1b[31mred
    """
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"``, or the known names when none is close."""
    names = sorted(known)
    # Names of thousands of characters would take minutes to compare.
    alike = [known for known in names if len(known) <= MAX_SHOWN and len(name) <= MAX_SHOWN]
    by_small_letters = {known.lower(): known for known in alike}
    close = difflib.get_close_matches(name.lower(), by_small_letters, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {by_small_letters[close[0]]!r}?"
    return f"; choose from {shortened(', '.join(names), MAX_LISTED)}"


def check_choice(what: str, name: str, known: Iterable[str]) -> None:
    """Raise ``ValueError`` with a suggestion unless `name` is one of `known`."""
    names = list(known)
    if name not in names:
        raise ValueError(f"unknown {what} {shown(name)}{suggest(str(name), names)}")


def check_positive(**values: float | None) -> None:
    """Raise ``ValueError`` unless every value is above zero, and neither infinite nor huge.

    None stands for an option that is not given, here and in the checks below.
    """
    _require(values, lambda value: value > 0, "be positive")
    _check_bounded(values)


def check_num_layers(**values: int) -> None:
    """Raise ``ValueError`` unless every value is a possible number of layers."""
    check_positive(**values)
    _require(values, lambda value: value <= MAX_LAYERS, f"be at most {MAX_LAYERS}")


def check_workers(**values: int | None) -> None:
    """Raise ``ValueError`` unless every value is a possible number of threads."""
    check_positive(**values)
    _require(values, lambda value: value <= MOST_WORKERS, f"be at most {MOST_WORKERS}")


def check_not_negative(**values: float | None) -> None:
    """Raise ``ValueError`` unless every value is zero or more, and neither infinite nor huge."""
    _require(values, lambda value: value >= 0, "not be negative")
    _check_bounded(values)


def check_factor(**values: float | None) -> None:
    """Raise ``ValueError`` unless every value is a possible weight of a loss term."""
    check_not_negative(**values)
    _require(values, lambda value: value <= MOST_FACTOR, f"be at most {MOST_FACTOR:g}")


def check_between(low: float, high: float, **values: float) -> None:
    """Raise ``ValueError`` unless every value lies between two numbers, or is one of them."""
    _require(values, lambda value: low <= value <= high, f"lie between {low:g} and {high:g}")


def check_fraction(**values: float) -> None:
    """Raise ``ValueError`` unless every value lies in [0, 1)."""
    _require(values, lambda value: 0 <= value < 1, "lie in [0, 1)")


def _check_bounded(values: Mapping[str, float | None]) -> None:
    _require(values, lambda value: value < math.inf, "be finite")
    most = f"be at most {MOST_WHOLE}"
    _require(values, lambda value: not isinstance(value, int) or value <= MOST_WHOLE, most)


def _require(
    values: Mapping[str, float | None], is_good: Callable[[float], bool], must: str
) -> None:
    for name, value in values.items():
        if value is not None and not is_good(value):
            raise ValueError(f"{name} must {must}, got {shown(value)}")


def check_layers(name: str, sizes: Sequence[int], *, what: str = "number") -> None:
    """Check that `sizes` gives one positive size for each of one or more layers.

    Raises:
        TypeError: if it is one number.
        ValueError: if there is no layer, or a size is not positive.
    """
    if isinstance(sizes, int):
        raise TypeError(f"{name} must be a list, one {what} per layer, got {sizes}")
    if not sizes or min(sizes) < 1:
        raise ValueError(f"{name} must be one positive {what} per layer, got {shown(list(sizes))}")
    if len(sizes) > MAX_LAYERS:
        raise ValueError(f"{name} must be for at most {MAX_LAYERS} layers, got {len(sizes)}")
    _check_bounded({name: max(sizes)})


def check_types(options: Any) -> None:
    """Raise ``TypeError`` unless every option of a dataclass has a value of its type."""
    for name, kind in option_types(type(options)).items():
        value = getattr(options, name)
        if not _fits(value, kind):
            raise TypeError(f"{name} must be {_spell(kind)}, got {shown(value)}")


def option_types(cls: type) -> dict[str, Any]:
    """Return the resolved type of every option of a dataclass."""
    if cls not in _OPTION_TYPES:
        hints = typing.get_type_hints(cls)
        _OPTION_TYPES[cls] = {field.name: hints[field.name] for field in dataclasses.fields(cls)}
    return _OPTION_TYPES[cls]


def from_mapping(cls: type[T], values: Mapping[str, Any], *, where: str) -> T:
    """Build a dataclass of options from a mapping, refusing unknown names and wrong types.

    Args:
        cls: a dataclass made of `option` fields.
        values: names and values, as read from TOML or JSON.
        where: the file or place the mapping came from, for messages.

    Raises:
        ValueError: if a name is unknown or a value is refused by the class.
        TypeError: if a value has the wrong type.
    """
    kinds = option_types(cls)
    for name, value in values.items():
        if name not in kinds:
            raise ValueError(f"{where}: unknown option {shown(name)}{suggest(name, kinds)}")
        if not _fits(value, kinds[name]):
            raise TypeError(
                f"{where}: option {name!r} must be {_spell(kinds[name])}, got {shown(value)}"
            )
    try:
        return cls(**{name: _convert(value, kinds[name]) for name, value in values.items()})
    except ValueError as error:
        raise ValueError(f"{where}: {shortened(str(error), MAX_LISTED)}") from error


def to_mapping(options: Any) -> dict[str, Any]:
    """Return a dataclass of options as plain data, ready for JSON."""
    return dataclasses.asdict(options)


def members(kind: Any) -> tuple[Any, ...]:
    """Return the members of a union type, or the type alone."""
    is_union = typing.get_origin(kind) in (typing.Union, types.UnionType)
    return typing.get_args(kind) if is_union else (kind,)


def _fits(value: Any, kind: Any) -> bool:
    return any(_fits_member(value, member) for member in members(kind))


def _fits_member(value: Any, member: Any) -> bool:
    origin = typing.get_origin(member) or member
    if origin in SEQUENCES:
        inner = typing.get_args(member)[0]
        return isinstance(value, (list, tuple)) and all(_fits(item, inner) for item in value)
    if origin is float:
        return isinstance(value, float) or (_is_whole(value) and abs(value) < _LARGEST_FLOAT)
    return _is_whole(value) if origin is int else isinstance(value, origin)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _convert(value: Any, kind: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    if _is_whole(value) and float in members(kind):
        return float(value)
    return value


def _spell(kind: Any) -> str:
    names = []
    for member in members(kind):
        if member is type(None):
            names.append("nothing")
        elif typing.get_origin(member) in SEQUENCES:
            names.append(f"a list of {typing.get_args(member)[0].__name__}")
        else:
            names.append(member.__name__)
    return " or ".join(names)
