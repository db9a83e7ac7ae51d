"""EulerNet's formulas written out as plainly as they stand in the paper, to be timed against."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ctrkit.models import EulerNet


class PlainEulerNet(nn.Module):
    """The published formulas, one operation after the other, with the weights of an `EulerNet`."""

    def __init__(self, model: EulerNet) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor) -> Tensor:
        model = self.model
        vectors = model.embedding(ids)
        re = model.mu[:, None] * torch.cos(vectors)
        im = model.mu[:, None] * torch.sin(vectors)
        for layer in model.layers:
            re, im = self._layer(layer, re, im)
        out = model.output
        return (out(re.flatten(1)) + out(im.flatten(1))).squeeze(1)

    def _layer(self, layer: nn.Module, re: Tensor, im: Tensor) -> tuple[Tensor, Tensor]:
        training = self.training
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
