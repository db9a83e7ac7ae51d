"""Fixtures for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real samples, which lies beside the repository and not in it."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"real samples are not in the repository, and {SHARED_DATA} is not there")
    return SHARED_DATA
