"""EulerNet: feature interactions of learned order, by Euler's formula."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ctrkit.fields import Cardinalities
from ctrkit.models.base import CTRModel
from ctrkit.ops import (
    dropout,
    normalised,
    on_circles,
    polar,
    polar_on_circles,
    rectangular,
)
from ctrkit.options import check_choice, check_factor, check_fraction, check_layers

IMPLICIT_INITS: dict[str, Callable[[Tensor], Tensor]] = {
    "normal_0.01": lambda weight: nn.init.normal_(weight, std=0.01),
    "normal_0.1": lambda weight: nn.init.normal_(weight, std=0.1),
    "xavier_uniform": nn.init.xavier_uniform_,
}
"""Starts of the implicit weight: the authors' first release, RecBole, the authors in FuxiCTR."""

ORDER_INITS = ("softmax", "pairs")


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
                # With `out`, as all that fills a parameter, so that a blueprint skips it.
                draws = nn.init.normal_(self.orders.new_empty(self.orders.shape)).div_(0.01)
                torch.softmax(draws, dim=0, out=self.orders)
            else:
                # DIFF(paper): a random choice of single fields may leave fields out, and starts
                # without any interaction; measured in docs/models/eulernet.md.
                columns = torch.empty(num_outputs, dtype=torch.int64, device=self.orders.device)
                torch.arange(num_outputs, out=columns)
                first = columns.clone().remainder_(num_inputs)
                distance = columns.clone().div_(num_inputs, rounding_mode="floor")
                distance.remainder_(max(1, num_inputs - 1)).add_(1)
                second = distance.add_(columns).remainder_(num_inputs)
                self.orders.zero_()
                self.orders[first, columns] = 1.0
                self.orders[second, columns] = 1.0
        nn.init.normal_(self.bias_log_modulus, std=0.01)
        nn.init.normal_(self.bias_phase, std=0.01)
        self.implicit.reset_parameters()
        IMPLICIT_INITS[self.implicit_init](self.implicit.weight)

    def forward(self, re: Tensor, im: Tensor) -> tuple[Tensor, Tensor]:
        """Return the layer's real and imaginary part."""
        state = self.propagate(torch.stack([re, im], dim=2).permute(1, 3, 2, 0))
        out_re, out_im = state.permute(3, 0, 2, 1).unbind(2)
        return out_re, out_im

    def propagate(self, state: Tensor, polar_state: Tensor | None = None) -> Tensor:
        """Return the layer's output ``(F_out, D, 2, B)`` for a state ``(F_in, D, 2, B)``.

        `polar_state` is the state's log modulus and phase, where they are known already.

        With the rows last and both parts side by side, the explicit and the implicit part are one
        matrix product each, without a copy, and everything else runs along contiguous rows.
        """
        if polar_state is None:
            polar_state = polar(state)
        out = self._explicit(polar_state) + self._implicit(state)
        if self.norm_re is None or self.norm_im is None:
            return out
        scale = torch.stack([self.norm_re.weight, self.norm_im.weight], dim=1)
        shift = torch.stack([self.norm_re.bias, self.norm_im.bias], dim=1)
        return normalised(out, scale, shift, self.norm_re.eps)

    def _explicit(self, polar_state: Tensor) -> Tensor:
        kept = dropout(polar_state, self.dropout_ex, self.training)
        mixed = self._unflatten(self.orders.t() @ kept.flatten(1), polar_state)
        bias = torch.stack([self.bias_log_modulus.t(), self.bias_phase.t()], dim=2)  # (F_out, D, 2)
        return rectangular(mixed + bias.unsqueeze(3))

    def _implicit(self, state: Tensor) -> Tensor:
        inputs = dropout(state, self.dropout_im, self.training).flatten(2).flatten(0, 1)
        hidden = torch.addmm(self.implicit.bias.unsqueeze(1), self.implicit.weight, inputs)
        return self._unflatten(hidden.relu_(), state)

    def _unflatten(self, product: Tensor, state: Tensor) -> Tensor:
        return product.view(self.num_outputs, self.embedding_dim, 2, state.shape[3])


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
        reg_weight: factor of the sum of the un-squared L2 norms of the parameters of mu, layers and
            output.
        implicit_init: start of the implicit weights: normal_0.01, normal_0.1 or xavier_uniform.
        order_init: start of orders where a layer changes the number of fields: softmax or pairs.
        embedding_init: start of the table, see `FeatureEmbedding`.
        linear: whether a linear part is added to the logit, a weight for each id and value; None
            for no.

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
        linear: bool | None = None,
    ) -> None:
        super().__init__(
            cardinalities,
            embedding_dim=embedding_dim,
            embedding_init=embedding_init,
            linear=linear,
        )
        check_fraction(dropout_ex=dropout_ex, dropout_im=dropout_im)
        check_factor(reg_weight=reg_weight)
        if orders is None:
            orders = (self.num_fields, self.num_fields)
            self._choose(orders=orders)
        check_layers("orders", orders)
        self.reg_weight = reg_weight
        self.mu = nn.Parameter(torch.empty(self.num_fields))
        nn.init.ones_(self.mu)
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
            for num_inputs, num_outputs in zip([self.num_fields, *orders[:-1]], orders, strict=True)
        )
        self.output = nn.Linear(orders[-1] * embedding_dim, 1)
        nn.init.xavier_normal_(self.output.weight)

    def interact(self, vectors: Tensor) -> Tensor:
        """Return the logits ``(B,)`` of embedded rows ``(B, F, D)``."""
        angles = vectors.permute(1, 2, 0).contiguous()  # (F, D, B)
        state = on_circles(angles, self.mu)
        polar_state: Tensor | None = polar_on_circles(angles, self.mu)
        for layer in self.layers:
            assert isinstance(layer, EulerInteractionLayer)
            state, polar_state = layer.propagate(state, polar_state), None
        # w . re + w . im = w . (re + im); the bias belongs to both terms.
        parts = (self.output.weight @ state.flatten(2).flatten(0, 1)).view(2, vectors.shape[0])
        return parts.sum(0) + 2 * self.output.bias

    def rescale_output(self, scale: float, shift: float) -> None:
        """Change the output layer such that ``logits`` become ``scale * logits + shift``."""
        super().rescale_output(scale, shift / 2)  # the bias counts twice

    def penalty(self) -> Tensor | None:
        """Return ``reg_weight * sum ||p||_2`` over mu, the layers and the output, or None."""
        if self.reg_weight == 0:
            return None
        parameters = [self.mu, *self.layers.parameters(), *self.output.parameters()]
        return self.reg_weight * torch.stack([p.norm() for p in parameters]).sum()
