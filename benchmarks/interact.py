"""Every model's interaction, forward and backward, against its plain formula, by batch size."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.harness import ComparedModel, add_common, begin, compare, save
from benchmarks.plain import plain_interaction
from benchmarks.roofline import measure
from benchmarks.suite import MODELS, MOST_CIN_ROWS, make_model, make_vectors
from ctrkit.machine.devices import CHUNK_ROWS, full_rate
from ctrkit.models.cost import cost_of

CPU = torch.device("cpu")
ROWS_PER_CALL = 1024


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[1, 256, 1024, 4096])
    add_common(parser)


def run(arguments: argparse.Namespace) -> None:
    begin(arguments)
    roofline = measure(arguments.threads)
    found: list[ComparedModel] = []
    for name in arguments.models:
        for batch_size in arguments.batch_sizes:
            if name == "cin" and batch_size > MOST_CIN_ROWS:
                continue  # the plain one keeps 2.3 MB for every row
            found += _compare(name, batch_size, arguments.repeats)
    save("interact", found, roofline=roofline, threads=arguments.threads)


def _compare(name: str, batch_size: int, repeats: int) -> list[ComparedModel]:
    model = make_model(name)
    plain = plain_interaction(model)
    vectors = make_vectors(batch_size)
    calls = max(1, min(ROWS_PER_CALL, 64 * batch_size) // batch_size)
    flop = 2 * cost_of(model).multiply_adds
    found = []
    for kind, step, factor in (("forward", _forward, 1), ("forward + backward", _backward, 3)):
        details = {
            "model": name,
            "kind": kind,
            "batch_size": batch_size,
            "flop_per_row": factor * flop,
        }
        if step is _backward:
            details["saved_bytes"] = _saved_bytes(lambda: _chunked(model.interact, vectors))
            details["reference_saved_bytes"] = _saved_bytes(lambda: plain(vectors))

        def ours(step: Callable = step) -> None:
            with full_rate(CPU):
                for _ in range(calls):
                    for chunk in vectors.split(CHUNK_ROWS["cpu"]):
                        step(model.interact, chunk)

        def reference(step: Callable = step) -> None:
            for _ in range(calls):
                step(plain, vectors)

        found.append(
            compare(
                f"{name}, batch {batch_size}, {kind}",
                "rows",
                batch_size * calls,
                ours,
                reference,
                repeats=repeats,
                details=details,
            )
        )
    return found


def _chunked(way: Callable[[Tensor], Tensor], vectors: Tensor) -> Tensor:
    """Return the logits of the first chunk: the others follow when its backward is done."""
    return way(vectors[: CHUNK_ROWS["cpu"]])


def _backward(way: Callable[[Tensor], Tensor], vectors: Tensor) -> None:
    way(vectors.detach().requires_grad_()).sum().backward()


def _forward(way: Callable[[Tensor], Tensor], vectors: Tensor) -> None:
    with torch.no_grad():
        way(vectors)


def _saved_bytes(work: Callable[[], Tensor]) -> int:
    """Return the bytes that autograd keeps for the backward pass of `work`."""
    saved: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        kept = work()  # until the sum is made, so that no storage is counted twice
    total = sum(saved.values())
    del kept
    return total
