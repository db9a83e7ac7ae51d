"""The models' formulas written out as plainly as they stand in the papers, to be timed against.

Each takes a model for its weights and embedded rows ``(B, F, D)``, and returns logits ``(B,)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ctrkit.models import CIN, DAGFM, CrossNet, CTRModel, DCNv2, EulerNet
from ctrkit.models.crossnet import CrossLayers
from ctrkit.models.mlp import MLP


def plain_interaction(model: CTRModel) -> Callable[[Tensor], Tensor]:
    """Return the plain way of ``model.interact``, with the same weights."""
    way: Callable[[Any, Tensor], Tensor] = PLAIN[type(model)]
    return lambda vectors: way(model, vectors)


def plain_eulernet(model: EulerNet, vectors: Tensor) -> Tensor:
    re = model.mu[:, None] * torch.cos(vectors)
    im = model.mu[:, None] * torch.sin(vectors)
    for layer in model.layers:
        re, im = _euler_layer(layer, re, im)
    return (model.output(re.flatten(1)) + model.output(im.flatten(1))).squeeze(1)


def _euler_layer(layer: Any, re: Tensor, im: Tensor) -> tuple[Tensor, Tensor]:
    training = layer.training
    log_modulus = 0.5 * torch.log(re**2 + im**2 + 1e-8)
    phase = torch.atan2(im, re)
    log_modulus = functional.dropout(log_modulus, layer.dropout_ex, training)
    phase = functional.dropout(phase, layer.dropout_ex, training)
    log_modulus = log_modulus.transpose(1, 2) @ layer.orders + layer.bias_log_modulus
    phase = phase.transpose(1, 2) @ layer.orders + layer.bias_phase
    modulus = torch.exp(log_modulus).transpose(1, 2)
    phase = phase.transpose(1, 2)
    shape = modulus.shape
    re = functional.dropout(re.flatten(1), layer.dropout_im, training)
    im = functional.dropout(im.flatten(1), layer.dropout_im, training)
    re = torch.relu(layer.implicit(re)).view(shape) + modulus * torch.cos(phase)
    im = torch.relu(layer.implicit(im)).view(shape) + modulus * torch.sin(phase)
    if layer.norm_re is None:
        return re, im
    return layer.norm_re(re), layer.norm_im(im)


def plain_crossnet(model: CrossNet, vectors: Tensor) -> Tensor:
    return model.output(_cross(model.cross, vectors.flatten(1))).squeeze(1)


def plain_dcnv2(model: DCNv2, vectors: Tensor) -> Tensor:
    flat = vectors.flatten(1)
    both = torch.cat([_cross(model.cross, flat), _mlp(model.mlp, flat)], dim=1)
    return model.output(both).squeeze(1)


def _cross(cross: CrossLayers, inputs: Tensor) -> Tensor:
    state = inputs
    for layer in cross.layers:
        state = inputs * layer(state) + state
    return state


def _mlp(mlp: MLP, state: Tensor) -> Tensor:
    for layer in mlp.layers:
        state = functional.dropout(torch.relu(layer(state)), mlp.dropout, mlp.training)
    return state


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


PLAIN: dict[type[CTRModel], Callable[[Any, Tensor], Tensor]] = {
    EulerNet: plain_eulernet,
    CrossNet: plain_crossnet,
    DCNv2: plain_dcnv2,
    DAGFM: plain_dagfm,
    CIN: plain_cin,
}
