"""EulerNet: feature interactions of learned order, by Euler's formula."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from ctrkit.fields import Cardinalities
from ctrkit.models.base import CTRModel
from ctrkit.options import check_choice, check_fraction, check_layers, check_not_negative

EPSILON = 1e-8
"""Added to the squared modulus before its logarithm (SIGIR 2023, released code)."""

IMPLICIT_INITS: dict[str, Callable[[Tensor], Tensor]] = {
    "normal_0.01": lambda weight: nn.init.normal_(weight, std=0.01),
    "normal_0.1": lambda weight: nn.init.normal_(weight, std=0.1),
    "xavier_uniform": nn.init.xavier_uniform_,
}
"""Starts of the implicit weight: the authors' first release, RecBole, the authors in FuxiCTR."""

ORDER_INITS = ("softmax", "pairs")


class _Polar(torch.autograd.Function):
    """``(re, im) -> (log modulus, phase)``, with gradients that stay finite at the origin.

    DIFF(official): the phase's gradient is 1 / |z|, and atan2's own gives NaN at 0. Here |z|^2 is
    not taken below `EPSILON` in it, so no gradient exceeds 1 / sqrt(EPSILON) = 1e4 times its input.
    """

    @staticmethod
    def forward(ctx: Any, re: Tensor, im: Tensor) -> tuple[Tensor, Tensor]:
        square = re * re + im * im
        ctx.save_for_backward(re, im, square)
        return 0.5 * torch.log(square + EPSILON), torch.atan2(im, re)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_log_modulus: Tensor, grad_phase: Tensor) -> tuple[Tensor, Tensor]:
        re, im, square = ctx.saved_tensors
        radial = grad_log_modulus / (square + EPSILON)
        angular = grad_phase / square.clamp_min(EPSILON)
        return radial * re - angular * im, radial * im + angular * re


def polar(re: Tensor, im: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``0.5 log(re^2 + im^2 + 1e-8)`` and ``atan2(im, re)``, elementwise."""
    return _Polar.apply(re, im)  # type: ignore[no-untyped-call, no-any-return]


class EulerInteractionLayer(nn.Module):
    """One Euler interaction layer, from complex ``(B, F_in, D)`` to complex ``(B, F_out, D)``.

    The explicit part raises every field to a learned power and multiplies: with modulus
    ``exp(lam)`` and phase ``theta``, a product of powers is a weighted sum of both::

        lam, theta  = 0.5 log(re^2 + im^2 + 1e-8), atan2(im, re)
        lam[k]      = sum_j dropout(lam[j])   orders[j, k] + bias_log_modulus[:, k]
        theta[k]    = sum_j dropout(theta[j]) orders[j, k] + bias_phase[:, k]
        explicit    = exp(lam) cos(theta), exp(lam) sin(theta)
        implicit    = relu(W vec(dropout(re)) + b), relu(W vec(dropout(im)) + b)
        output      = LayerNorm(explicit + implicit)          each part has a LayerNorm of its own

    Source: Tian et al., "EulerNet: Adaptive Feature Interaction Learning via Euler's Formula for
    CTR Prediction", SIGIR 2023 (arXiv 2304.10711), section 3.2.

    Args:
        num_inputs: fields F_in that come in.
        num_outputs: order vectors F_out, the interactions that come out.
        embedding_dim: length D of a field vector.
        dropout_ex: share of modulus and phase entries set to zero in training.
        dropout_im: share of real and imaginary entries set to zero before the implicit part.
        layer_norm: whether the output goes through a LayerNorm over D.
        implicit_init: start of the implicit weight, a key of `IMPLICIT_INITS`.
        order_init: start of `orders` where ``F_in != F_out`` (else the identity): ``"softmax"``
            draws one field for each column, nearly one-hot; ``"pairs"`` gives column k the product
            of two fields, each field equally often, neighbours first.

    Shape:
        re, im: ``(B, F_in, D)``
        returns: two tensors ``(B, F_out, D)``
    """

    def __init__(
        self,
        num_inputs: int,
        num_outputs: int,
        embedding_dim: int,
        *,
        dropout_ex: float = 0.0,
        dropout_im: float = 0.0,
        layer_norm: bool = True,
        implicit_init: str = "normal_0.01",
        order_init: str = "softmax",
    ) -> None:
        super().__init__()
        check_choice("implicit initialisation", implicit_init, IMPLICIT_INITS)
        check_choice("order initialisation", order_init, ORDER_INITS)
        self.num_outputs = num_outputs
        self.embedding_dim = embedding_dim
        self.dropout_ex = dropout_ex
        self.dropout_im = dropout_im
        self.implicit_init = implicit_init
        self.order_init = order_init
        self.orders = nn.Parameter(torch.empty(num_inputs, num_outputs))
        self.bias_log_modulus = nn.Parameter(torch.empty(embedding_dim, num_outputs))
        self.bias_phase = nn.Parameter(torch.empty(embedding_dim, num_outputs))
        self.implicit = nn.Linear(num_inputs * embedding_dim, num_outputs * embedding_dim)
        self.norm_re = nn.LayerNorm(embedding_dim) if layer_norm else None
        self.norm_im = nn.LayerNorm(embedding_dim) if layer_norm else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new parameters."""
        num_inputs, num_outputs = self.orders.shape
        with torch.no_grad():
            if num_inputs == num_outputs:
                nn.init.eye_(self.orders)
            elif self.order_init == "softmax":
                self.orders.copy_(torch.softmax(torch.randn_like(self.orders) / 0.01, dim=0))
            else:
                # DIFF(paper): a random choice of single fields may leave fields out, and starts
                # without any interaction; measured in docs/models/eulernet.md.
                columns = torch.arange(num_outputs, device=self.orders.device)
                distance = 1 + columns // num_inputs % max(1, num_inputs - 1)
                self.orders.zero_()
                self.orders[columns % num_inputs, columns] = 1.0
                self.orders[(columns + distance) % num_inputs, columns] = 1.0
        nn.init.normal_(self.bias_log_modulus, std=0.01)
        nn.init.normal_(self.bias_phase, std=0.01)
        self.implicit.reset_parameters()
        IMPLICIT_INITS[self.implicit_init](self.implicit.weight)

    def forward(self, re: Tensor, im: Tensor) -> tuple[Tensor, Tensor]:
        """Return the layer's real and imaginary part."""
        explicit_re, explicit_im = self._explicit(re, im)
        implicit_re, implicit_im = self._implicit(re, im)
        out_re, out_im = implicit_re + explicit_re, implicit_im + explicit_im
        if self.norm_re is None or self.norm_im is None:
            return out_re, out_im
        return self.norm_re(out_re), self.norm_im(out_im)

    def _explicit(self, re: Tensor, im: Tensor) -> tuple[Tensor, Tensor]:
        log_modulus, phase = polar(re, im)
        log_modulus = functional.dropout(log_modulus, self.dropout_ex, self.training)
        phase = functional.dropout(phase, self.dropout_ex, self.training)
        orders = self.orders.t()  # (F_out, F_in)
        modulus = torch.exp(orders @ log_modulus + self.bias_log_modulus.t())
        phase = orders @ phase + self.bias_phase.t()
        return modulus * torch.cos(phase), modulus * torch.sin(phase)

    def _implicit(self, re: Tensor, im: Tensor) -> tuple[Tensor, Tensor]:
        parts = functional.dropout(torch.cat([re, im]), self.dropout_im, self.training)
        # Both parts share W and b, so one product over 2 B rows serves them.
        hidden = functional.relu(self.implicit(parts.flatten(1)))
        hidden_re, hidden_im = hidden.unflatten(1, (self.num_outputs, self.embedding_dim)).chunk(2)
        return hidden_re, hidden_im


class EulerNet(CTRModel):
    """EulerNet: explicit interactions of learned order in the complex plane, and implicit ones.

    Fields enter the complex plane once, pass the interaction layers, and both parts go through
    one linear layer, whose bias therefore counts twice::

        re[j], im[j] = mu[j] cos(vectors[j]), mu[j] sin(vectors[j])
        re, im       = layer_L(... layer_1(re, im))
        logit        = (w . vec(re) + c) + (w . vec(im) + c)

    Source: Tian et al., "EulerNet: Adaptive Feature Interaction Learning via Euler's Formula for
    CTR Prediction", SIGIR 2023 (arXiv 2304.10711). Penalty: RecBole's ``reg_weight``.

    Args:
        cardinalities: number of distinct ids of each field, in column order, or `FieldShape`.
        embedding_dim: length D of a field vector.
        orders: order vectors of each layer (the paper's order list); None for two layers of F.
        dropout_ex: share of modulus and phase entries dropped in the explicit part.
        dropout_im: share of entries dropped before the implicit part.
        layer_norm: whether each layer ends in a LayerNorm over D.
        reg_weight: factor of the sum of the un-squared L2 norms of all parameters but the table.
        implicit_init: start of the implicit weights: normal_0.01, normal_0.1 or xavier_uniform.
        order_init: start of orders where a layer changes the number of fields: softmax or pairs.
        embedding_init: start of the table, see `FeatureEmbedding`.

    Shape:
        ids: ``(B, F)`` int32 or int64
        returns: logits ``(B,)``

    Raises:
        ValueError: if a size is not positive, a dropout lies outside [0, 1) or a name is unknown.

    Example:
        >>> model = EulerNet([10, 3], embedding_dim=4, orders=[2])
        >>> model(torch.tensor([[9, 2], [0, 0], [5, 1]])).shape
        torch.Size([3])
    """

    def __init__(
        self,
        cardinalities: Cardinalities,
        *,
        embedding_dim: int = 16,
        orders: Sequence[int] | None = None,
        dropout_ex: float = 0.1,
        dropout_im: float = 0.2,
        layer_norm: bool = True,
        reg_weight: float = 0.0,
        implicit_init: str = "normal_0.01",
        order_init: str = "softmax",
        embedding_init: str = "normal_1e-2",
    ) -> None:
        super().__init__(cardinalities, embedding_dim=embedding_dim, embedding_init=embedding_init)
        check_fraction(dropout_ex=dropout_ex, dropout_im=dropout_im)
        check_not_negative(reg_weight=reg_weight)
        if orders is None:
            orders = [self.num_fields, self.num_fields]
        check_layers("orders", orders)
        self.orders = tuple(orders)
        self.dropout_ex = dropout_ex
        self.dropout_im = dropout_im
        self.layer_norm = layer_norm
        self.reg_weight = reg_weight
        self.implicit_init = implicit_init
        self.order_init = order_init
        self.mu = nn.Parameter(torch.ones(self.num_fields))
        self.layers = nn.ModuleList(
            EulerInteractionLayer(
                num_inputs,
                num_outputs,
                embedding_dim,
                dropout_ex=dropout_ex,
                dropout_im=dropout_im,
                layer_norm=layer_norm,
                implicit_init=implicit_init,
                order_init=order_init,
            )
            for num_inputs, num_outputs in zip(
                [self.num_fields, *self.orders[:-1]], self.orders, strict=True
            )
        )
        self.output = nn.Linear(self.orders[-1] * embedding_dim, 1)
        nn.init.xavier_normal_(self.output.weight)

    def interact(self, vectors: Tensor) -> Tensor:
        """Return the logits ``(B,)`` of embedded rows ``(B, F, D)``."""
        mu = self.mu.unsqueeze(1)  # (F, 1)
        re, im = mu * torch.cos(vectors), mu * torch.sin(vectors)
        for layer in self.layers:
            re, im = layer(re, im)
        # w . re + w . im = w . (re + im); the bias belongs to both terms.
        logits: Tensor = self.output((re + im).flatten(1)).squeeze(1) + self.output.bias
        return logits

    def penalty(self) -> Tensor | None:
        """Return ``reg_weight * sum ||p||_2`` over mu, the layers and the output, or None."""
        if self.reg_weight == 0:
            return None
        parameters = [self.mu, *self.layers.parameters(), *self.output.parameters()]
        return self.reg_weight * torch.stack([p.norm() for p in parameters]).sum()
