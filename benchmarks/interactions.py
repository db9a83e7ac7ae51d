"""Interactions forward and backward, against their equations as einsum and Conv1d, in turn."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.harness import Comparison, compare, machine, save
from ctrkit.models import CIN, DAGFM, CrossNet, CTRModel
from ctrkit.training.compute import full_rate

NUM_FIELDS, EMBEDDING_DIM = 39, 16
STEPS = 3
CPU = torch.device("cpu")


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--batch-size", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)


def run(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(arguments.threads)
    print(machine())
    rows, repeats = arguments.batch_size, arguments.repeats
    inner, outer, kernel = (make(DAGFM, interaction=i) for i in ("inner", "outer", "kernel"))
    cross, cin = make(CrossNet), make(CIN)
    pairs: list[tuple[str, CTRModel, Callable[[Tensor], Tensor]]] = [
        ("dagfm inner, plain einsum", inner, lambda vectors: plain_dagfm(inner, vectors)),
        ("dagfm outer, plain einsum", outer, lambda vectors: plain_dagfm(outer, vectors)),
        ("dagfm kernel, plain einsum", kernel, lambda vectors: plain_dagfm(kernel, vectors)),
        ("cin, plain Conv1d", cin, lambda vectors: plain_cin(cin, vectors)),
        ("dagfm inner, its teacher crossnet", inner, cross.interact),
        ("dagfm outer, its teacher crossnet", outer, cross.interact),
        ("dagfm inner, its teacher cin", inner, cin.interact),
        ("dagfm outer, its teacher cin", outer, cin.interact),
    ]
    found: list[Comparison] = []
    for name, model, reference in pairs:
        few = rows // 4 if "cin" in name else rows  # the plain CIN takes a gigabyte for 1024 rows
        vectors = vectors_of(few)
        for suffix, step in (("train", training_step), ("score", scoring_step)):
            with full_rate(CPU):
                found.append(
                    compare(
                        f"{name}, {suffix}",
                        "rows",
                        few * STEPS,
                        lambda model=model, step=step, x=vectors: step(model.interact, x),
                        lambda way=reference, step=step, x=vectors: step(way, x),
                        repeats=repeats,
                    )
                )
    save("interactions", found)


def make(kind: type[CTRModel], **options: str) -> CTRModel:
    torch.manual_seed(0)
    return kind([2] * NUM_FIELDS, embedding_dim=EMBEDDING_DIM, **options)


def vectors_of(rows: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return 0.1 * torch.randn(rows, NUM_FIELDS, EMBEDDING_DIM, generator=generator)


def training_step(way: Callable[[Tensor], Tensor], vectors: Tensor) -> None:
    for _ in range(STEPS):
        way(vectors.requires_grad_()).sum().backward()


def scoring_step(way: Callable[[Tensor], Tensor], vectors: Tensor) -> None:
    with torch.no_grad():
        for _ in range(STEPS):
            way(vectors)


def plain_dagfm(model: DAGFM, vectors: Tensor) -> Tensor:
    graph = model.propagation
    first = torch.einsum("sf,bfd->bsd", graph.mixing, vectors)
    states = [first]
    for layer in range(model.depth):
        state = states[-1]
        if model.interaction == "inner":
            messages = torch.einsum("bfd,fsd->bsd", state, graph._square(graph.p[layer]))
        elif model.interaction == "outer":
            read = torch.einsum("bfd,fsd->bfs", state, graph._square(graph.p[layer]))
            messages = torch.einsum("bfs,fsd->bsd", read, graph._square(graph.q[layer]))
        else:
            messages = torch.einsum("bfd,fsde->bse", state, graph._square(graph.kernel[layer]))
        states.append(first * messages)
    pooled = torch.cat([state.sum(2) for state in states], dim=1)
    return model.output(pooled).squeeze(1)


def plain_cin(model: CIN, vectors: Tensor) -> Tensor:
    maps, pooled = vectors, []
    for layer in model.cin.layers:
        products = torch.einsum("bhd,bfd->bhfd", maps, vectors).flatten(1, 2)
        maps = functional.conv1d(products, layer.mixing.weight.unsqueeze(2), layer.mixing.bias)
        pooled.append(maps.sum(2))
    return model.output(torch.cat(pooled, dim=1)).squeeze(1)
