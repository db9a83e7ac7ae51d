"""Sums that do not depend on the number of threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let NumPy's and SciPy's products use one thread in a block.

    With several, a sum is cut into as many parts, and its last digits depend on their number.
    """
    import scipy.linalg  # noqa: F401  so that its library is there to be limited
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield
