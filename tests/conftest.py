"""Fixtures for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

BESIDE_THE_REPOSITORY = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--data",
        type=Path,
        default=BESIDE_THE_REPOSITORY,
        metavar="FOLDER",
        help="folder of the public samples: criteo/, avazu/ and frappe/; without it, the tests "
        "that read them are skipped",
    )
    parser.addoption(
        "--fuzz", type=int, default=500, metavar="N", help="inputs for each target of tests/fuzz"
    )
    parser.addoption(
        "--fuzz-seed", type=int, default=2021, metavar="SEED", help="what makes these inputs"
    )


def pytest_report_header(config: pytest.Config) -> str:
    return f"fuzz: {config.getoption('--fuzz')} inputs, seed {config.getoption('--fuzz-seed')}"


@pytest.fixture(scope="session")
def shared_data(request: pytest.FixtureRequest) -> Path:
    """The folder of public samples, which are not part of the repository."""
    folder: Path = request.config.getoption("--data")
    if not folder.is_dir():
        pytest.skip(
            f"the public samples are not part of the repository, and {folder} is not there; "
            "name their folder with --data"
        )
    return folder
