"""What the commands read, made once."""

import pytest
from fault_commands import Inputs, make_inputs


@pytest.fixture(scope="session")
def inputs(tmp_path_factory) -> Inputs:
    return make_inputs(tmp_path_factory.mktemp("inputs"), log_rows=20_000, train_rows=4000)
