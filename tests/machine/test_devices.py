"""Settings of the machine: fast where it is exact, and put back."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from ctrkit.machine.devices import (
    choose_device,
    fastest_exact_matmul,
    full_rate,
    single_threads,
)

CPU = torch.device("cpu")


def test_the_chosen_matrix_product_is_exact():
    torch.manual_seed(1)
    left, right = torch.randn(300, 500), torch.randn(500, 200)
    with full_rate(CPU):
        assert torch.get_float32_matmul_precision() == fastest_exact_matmul()
        product = left @ right
    exact = left.double() @ right.double()
    assert (product - exact).norm() / exact.norm() < 1e-5


def test_settings_are_put_back_also_after_an_error():
    def fail() -> None:
        with full_rate(CPU):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert torch.get_float32_matmul_precision() == "highest"
    assert torch.tensor(1e-40) * 1.0 != 0


def test_nested_blocks_keep_the_outer_setting():
    with full_rate(CPU):
        with full_rate(CPU):
            pass
        assert torch.tensor(1e-40) * 1.0 == 0


def test_auto_takes_what_is_there():
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert choose_device("auto").type == expected


def test_a_single_thread_works_alone_and_others_are_left_as_they_were():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with single_threads(2) as pool:
            assert pool.submit(torch.get_num_threads).result() == 1
            assert pool.submit(lambda: float(torch.tensor(1e-40) * 1.0)).result() == 0
            assert torch.get_num_threads() == 3
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == 3
    finally:
        torch.set_num_threads(before)
    assert torch.tensor(1e-40) * 1.0 != 0


def test_a_single_thread_works_alone_whatever_other_threads_set():
    before = torch.get_num_threads()
    try:
        with single_threads(1) as pool:
            pool.submit(lambda: None).result()  # its thread is there, and has not worked yet
            torch.set_num_threads(2)
            assert pool.submit(torch.get_num_threads).result() == 1
    finally:
        torch.set_num_threads(before)
