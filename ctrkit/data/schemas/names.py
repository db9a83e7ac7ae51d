"""Names of columns: how many there may be, each only once."""

from __future__ import annotations

from collections.abc import Iterable

from ctrkit.options import MAX_COLUMNS, shown

FIRST_UNNAMED = "Unnamed: 0"
"""What a first column without a name is called, as pandas calls it: it writes such an index."""


def with_first_named(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names; an empty first one becomes `FIRST_UNNAMED`."""
    found = tuple(names)
    return (FIRST_UNNAMED, *found[1:]) if found[:1] == ("",) else found


def check_num_columns(number: int, where: str) -> None:
    """Raise ``ValueError`` if there are more columns than a log may have."""
    if number > MAX_COLUMNS:
        raise ValueError(f"{where} must be at most {MAX_COLUMNS:,} columns, got {number:,}")


def unique_names(names: Iterable[str], where: str) -> tuple[str, ...]:
    """Return the names, refusing empty and repeated ones, and too many.

    An empty first name becomes `FIRST_UNNAMED`.

    Raises:
        ValueError: naming the column.
    """
    found = with_first_named(names)
    check_num_columns(len(found), f"{where}: there")
    odd = next((name for name in found if "\0" in name), None)
    if odd is not None:
        raise ValueError(f"{where}: names of columns must not hold a zero byte, got {shown(odd)}")
    if "" in found:
        raise ValueError(f"{where}: column {found.index('') + 1} must have a name, got ''")
    twice = first_repeated(found)
    if twice is not None:
        raise ValueError(f"{where}: column names must differ, got {shown(twice)} twice")
    return found


def first_repeated(names: Iterable[str]) -> str | None:
    """Return the first name that is repeated, None if all differ."""
    seen = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
