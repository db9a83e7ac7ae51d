"""Running out of memory is a ``MemoryError``, and leaves the process as it was."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from small_rows import make_rows

from ctrkit.machine.out_of_memory import memory_errors
from ctrkit.models import CrossNet
from ctrkit.training import TrainConfig, Trainer, score

ROWS = make_rows(3000)
TORCH_SAYS = (
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: "
    "you tried to allocate 2555904 bytes. Error code 12 (Cannot allocate memory)"
)
ERRORS = [RuntimeError(TORCH_SAYS), RuntimeError("can't start new thread"), MemoryError("no more")]


class Hungry(CrossNet):
    """A model that runs out of memory in its third chunk of rows."""

    def __init__(self, error: BaseException) -> None:
        super().__init__([6] * 3, embedding_dim=2)
        self.error, self.calls = error, 0

    def forward(self, ids, values=None):
        self.calls += 1
        if self.calls > 2:
            raise self.error
        return super().forward(ids, values)


def threads_of_ctrkit() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("ctrkit")]


@pytest.mark.parametrize("error", ERRORS, ids=str)
@pytest.mark.parametrize("shuffle", ["rows", "blocks"])
def test_training_leaves_the_process_clean(error, shuffle):
    config = TrainConfig(epochs=1, batch_size=1024, shuffle=shuffle)
    with pytest.raises(MemoryError, match=r"can't allocate|can't start|no more") as caught:
        Trainer(config).fit(Hungry(error), ROWS)
    assert threads_of_ctrkit() == []
    assert "\n" not in str(caught.value)
    assert torch.get_float32_matmul_precision() == "highest"
    assert torch.tensor(1e-40) * 1.0 != 0


@pytest.mark.parametrize("error", ERRORS, ids=str)
def test_scoring_leaves_the_process_clean(error):
    model = Hungry(error).train()
    with pytest.raises(MemoryError, match=r"can't allocate|can't start|no more"):
        score(model, ROWS)
    assert threads_of_ctrkit() == []
    assert model.training


def test_other_errors_stay_what_they_are():
    with pytest.raises(RuntimeError, match="sizes differ"), memory_errors():
        raise RuntimeError("sizes differ")


UNDER_A_LIMIT = """
import resource, sys
from types import SimpleNamespace
import numpy as np, torch
from ctrkit.models import EulerNet
from ctrkit.training import TrainConfig, Trainer

ids = np.random.default_rng(0).integers(0, 50, (2048, 20)).astype(np.int32)
rows = SimpleNamespace(ids=ids, labels=(ids[:, 0] < 25).astype(np.uint8), values=None)
model = EulerNet([50] * 20)
torch.ones(300, 300) @ torch.ones(300, 300)
size = next(line for line in open("/proc/self/status") if line.startswith("VmSize"))
limit = int(size.split()[1]) * 1024 + (ROOM << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
Trainer(TrainConfig(epochs=1)).fit(model, rows)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
Trainer(TrainConfig(epochs=2)).fit(model, rows)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_a_limit_on_addresses_does_not_slow_training_down():
    """All threads share one arena there: their own reserve addresses, and then cannot grow."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", UNDER_A_LIMIT.replace("ROOM", "200")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 40_000  # pages; with an arena for each, six times as many
