"""Progress bars on a terminal or in a notebook, without PyTorch."""

from __future__ import annotations

import sys
from typing import Any, Self

from tqdm.auto import tqdm

from ctrkit.data import Progress

FRACTION = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}{postfix}"


def new_bar(**settings: Any) -> Any:
    """Return a tqdm bar, shown only on terminals and in notebooks, and removed at the end."""
    is_closed = sys.stderr is None
    return tqdm(file=sys.stderr, disable=True if is_closed else None, leave=False, **settings)


class _Bar:
    """A bar as a context."""

    def __init__(self, **settings: Any) -> None:
        self._bar = new_bar(**settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()


class PrepareBar(_Bar):
    """Shows how far a preparation is: use it as ``prepare``'s ``progress``."""

    def __init__(self) -> None:
        super().__init__(total=1.0, desc="read", bar_format=FRACTION)

    def __call__(self, progress: Progress) -> None:
        """Show a step of the preparation."""
        self._bar.set_description(progress.stage, refresh=False)
        self._bar.set_postfix_str(f"{progress.num_rows:,} rows", refresh=False)
        self._bar.n = progress.fraction
        self._bar.refresh()


class RowsBar(_Bar):
    """Counts rows and rows/s: call it with the rows done since."""

    def __init__(self, what: str) -> None:
        super().__init__(desc=what, unit=" rows", unit_scale=True)

    def __call__(self, rows: int) -> None:
        """Count more rows."""
        self._bar.update(rows)
