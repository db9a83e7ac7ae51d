"""MLP: the one multi-layer perceptron that several models contain."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.nn import functional

from ctrkit.ops import dropout
from ctrkit.options import check_choice, check_fraction, check_layers, check_positive

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "tanh": functional.tanh,
}


class MLP(nn.Module):
    """Hidden layers; the logit's linear layer belongs to the model that contains them.

    ::

        x = dropout(activation(norm(W x + b)))        for each of hidden_dims

    Args:
        input_dim: length of an input row.
        hidden_dims: widths of the layers.
        dropout: share of hidden units set to zero in training.
        batch_norm: whether ``W x`` is normalised over the batch; the norm then brings the bias.
        activation: a key of `ACTIVATIONS`.

    Shape:
        inputs: ``(B, input_dim)``
        returns: ``(B, hidden_dims[-1])``

    Raises:
        ValueError: if there is no layer, a size is not positive, dropout lies outside [0, 1) or
            the activation is unknown.
        TypeError: if `hidden_dims` is one number.

    Example:
        >>> import torch
        >>> MLP(6, [8, 3])(torch.zeros(2, 6)).shape
        torch.Size([2, 3])
    """

    def __init__(
        self,
        input_dim: int,
        hidden_dims: Sequence[int],
        *,
        dropout: float = 0.0,
        batch_norm: bool = False,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        check_layers("hidden_dims", hidden_dims, what="width")
        check_positive(input_dim=input_dim)
        check_fraction(dropout=dropout)
        check_choice("activation", activation, ACTIVATIONS)
        self.dropout = dropout
        self.activation = activation
        self.output_dim = hidden_dims[-1]
        # A bias before a batch norm is subtracted again: it would be a parameter without effect.
        self.layers = nn.ModuleList(
            nn.Linear(num_inputs, num_outputs, bias=not batch_norm)
            for num_inputs, num_outputs in zip(
                [input_dim, *hidden_dims[:-1]], hidden_dims, strict=True
            )
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(dim) for dim in hidden_dims if batch_norm)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the last hidden layer."""
        state = inputs
        for index, layer in enumerate(self.layers):
            state = layer(state)
            if self.norms:
                state = self._normalised(self.norms[index], state)
            state = ACTIVATIONS[self.activation](state)
            state = dropout(state, self.dropout, self.training)
        return state

    def _normalised(self, norm: nn.Module, state: Tensor) -> Tensor:
        if self.training and state.shape[0] < 2:
            # One row has no variance, and an epoch may well end in a batch of one row.
            assert isinstance(norm, nn.BatchNorm1d)
            return functional.batch_norm(
                state, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
            )
        normalised: Tensor = norm(state)
        return normalised
