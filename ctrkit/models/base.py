"""CTRModel, the base class of all models: an embedding and an interaction."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from ctrkit.embedding import FeatureEmbedding
from ctrkit.fields import Cardinalities, field_shapes
from ctrkit.options import check_positive, shown


class Batch(NamedTuple):
    """Rows of one optimizer step: ids ``(B, S)``, labels ``(B,)`` float, values ``(B, V)``.

    ``targets`` ``(B,)`` is what a loss other than the model's own compares the logits with: in
    distillation, the teacher's logits.
    """

    ids: Tensor
    labels: Tensor
    values: Tensor | None = None
    targets: Tensor | None = None

    def split(self, rows: int) -> list[Batch]:
        """Return the batch in parts of `rows` rows, fewer in the last."""
        parts = [
            None if tensor is None else tensor.split(rows)
            for tensor in (self.ids, self.labels, self.values, self.targets)
        ]
        return [
            Batch(*(None if part is None else part[i] for part in parts))  # type: ignore[arg-type]
            for i in range(len(self.labels.split(rows)))
        ]


class CTRModel(nn.Module):
    """A click-through-rate model: ``ids -> FeatureEmbedding -> vectors -> interaction -> logits``.

    Abstract. A model adds its layers and `interact`; `forward`, `predict` and `calculate_loss`
    are the same for all. One that needs more than the vectors, a weight per id for example,
    overrides `logits` instead, with as many `FeatureEmbedding` as it likes.

    A linear part may stand beside any model, a weight per id (and per value)::

        forward(ids, values) = logits(ids, values)
                               + sum(weight[ids[f], f] for f in fields) + bias       linear=True

    Every keyword of a model's constructor can be read as an attribute of the same name, unless the
    model has something else by that name, and `options` gives them all.

    Args:
        cardinalities: number of distinct ids of each field, in column order, or `FieldShape`.
        embedding_dim: length D of a field vector; None for a model without `embedding`.
        embedding_init: name of the table's initialisation, see `FeatureEmbedding`.
        linear: whether a linear part is added: `weights`, zero at first, and `bias`. None, for a
            model that leaves it open, is False, and recorded as that.

    Shape:
        ids: ``(B, S)`` int32 or int64, S == F unless a field is multi-valued
        values: ``(B, V)`` float, or None
        returns: logits ``(B,)``, for B = 0 and 1 as well

    Raises:
        TypeError: if the class defines neither `interact` nor `logits`.
    """

    embedding: FeatureEmbedding
    embedding_dim: int | None
    _given: dict[str, Any]

    def __new__(cls, *args: Any, **keywords: Any) -> Self:
        """Record the keywords of the constructor."""
        model = super().__new__(cls)
        given = _arguments(cls, args, keywords)
        # A keyword must not hide a method or property of the same name.
        readable = {name: value for name, value in given.items() if not hasattr(cls, name)}
        model.__dict__.update(readable, _given=given)
        return model

    def __init__(
        self,
        cardinalities: Cardinalities,
        *,
        embedding_dim: int | None = 16,
        embedding_init: str = "normal_1e-2",
        linear: bool | None = False,
    ) -> None:
        checked_model(type(self))
        super().__init__()
        self.cardinalities = tuple(cardinalities)
        self.shapes = field_shapes(cardinalities)
        self.embedding_dim = embedding_dim
        if embedding_dim is None and type(self).logits is CTRModel.logits:
            raise TypeError(f"{type(self).__name__} has no embedding_dim, so it must define logits")
        if embedding_dim is not None:
            self.embedding = FeatureEmbedding(self.shapes, embedding_dim, init=embedding_init)
        if linear is None:
            self._choose(linear=False)
        # Not told by `weights`: a model of the caller's own may call something else so.
        self._has_linear = bool(linear)
        if linear:
            weights = FeatureEmbedding(self.shapes, 1, init="zeros", ignore_widths=True)
            self.add_module("weights", weights)
            self.register_parameter("bias", nn.Parameter(torch.zeros(())))

    @property
    def num_fields(self) -> int:
        """Number of fields F."""
        return len(self.shapes)

    def interact(self, vectors: Tensor) -> Tensor:
        """Return the logits ``(B,)`` of embedded rows ``(B, F, D)``."""
        raise NotImplementedError(f"{type(self).__name__} has logits of its own, see logits()")

    def logits(self, ids: Tensor, values: Tensor | None = None) -> Tensor:
        """Return the logits ``(B,)`` of ids and values, without those of the linear part.

        Override it for more than `interact`; to score rows, call the model.
        """
        return self.interact(self.embedding(ids, values))

    def penalty(self) -> Tensor | None:
        """Return the model's own term of the loss, a scalar, or None without one."""
        return None

    def with_penalty(self, loss: Tensor) -> Tensor:
        """Return a loss plus `penalty`."""
        penalty = self.penalty()
        return loss if penalty is None else loss + penalty

    @property
    def linear_part(self) -> tuple[FeatureEmbedding, nn.Parameter] | None:
        """The weights of ids and values, and the bias, of the linear part; None without one."""
        if not self._has_linear:
            return None
        weights, bias = self.weights, self.bias
        assert isinstance(weights, FeatureEmbedding)
        assert isinstance(bias, nn.Parameter)
        return weights, bias

    def forward(self, ids: Tensor, values: Tensor | None = None) -> Tensor:
        """Return logits ``(B,)``, with those of the linear part."""
        logits = self.logits(ids, values)
        if self.linear_part is None:
            return logits
        weights, bias = self.linear_part
        linear: Tensor = weights(ids, values).sum((1, 2)) + bias
        return logits + linear

    def predict(self, ids: Tensor, values: Tensor | None = None) -> Tensor:
        """Return click probabilities ``(B,)``, ``sigmoid(forward(ids, values))``."""
        return torch.sigmoid(self(ids, values))

    def calculate_loss(self, batch: Batch) -> Tensor:
        """Return the mean loss per row, in nats: BCE of the logits, plus the model's penalty."""
        logits = self(batch.ids, batch.values)
        logits = to_float32(logits)
        loss = functional.binary_cross_entropy_with_logits(logits, batch.labels.to(logits))
        return self.with_penalty(loss)

    @property
    def can_scale(self) -> bool:
        """Whether `rescale_output` can scale: there are layers that end in the logit."""
        return bool(self._output_layers())

    @property
    def can_shift(self) -> bool:
        """Whether `rescale_output` can shift: such a layer, or the linear part, has a bias."""
        return self._output_bias() is not None

    @torch.no_grad()
    def rescale_output(self, scale: float, shift: float) -> None:
        """Change the last weights such that ``logits`` become ``scale * logits + shift``.

        The linear part is not scaled: its weights are zero at the start. Its bias takes the shift
        where no layer has one. A model whose logit does not end in a layer ``self.output`` of one
        column overrides this, or can only be shifted.

        Raises:
            ValueError: if the model cannot scale or shift, `scale` is not positive or a number is
                not finite.
        """
        check_positive(scale=scale)
        if not math.isfinite(shift):
            raise ValueError(f"shift must be finite, got {shift}")
        layers, bias = self._output_layers(), self._output_bias()
        if scale != 1 and not layers:
            raise ValueError(
                f"{type(self).__name__} has no layer `output` of one column to scale, got {scale}"
            )
        if shift != 0 and bias is None:
            raise ValueError(
                f"{type(self).__name__} has no bias to shift, got {shift}; with linear=True it has"
            )
        for layer in layers:
            for weights in layer.parameters():
                weights.mul_(scale)
        if bias is not None:
            bias.add_(shift)

    def _output_layers(self) -> list[nn.Linear]:
        """Return the layers whose outputs ``(B, 1)``, added up, are the logits without linear part.

        Models with others than ``self.output`` override it.
        """
        output = getattr(self, "output", None)
        if isinstance(output, nn.Linear) and output.out_features == 1:
            return [output]
        return []

    def _output_bias(self) -> nn.Parameter | None:
        """Return a bias that is added to every logit once, None if there is none."""
        biases = [layer.bias for layer in self._output_layers() if layer.bias is not None]
        if self.linear_part is not None:
            biases.append(self.linear_part[1])
        return biases[0] if biases else None

    def options(self) -> dict[str, Any]:
        """Return the keywords that build this model again: ``type(m)(m.cardinalities, **...)``."""
        return dict(self._given)

    def _choose(self, **keywords: Any) -> None:
        """Record what the model chose for keywords that were not given."""
        self._given.update(keywords)
        self.__dict__.update(keywords)


def checked_model(kind: Any) -> type[CTRModel]:
    """Check that a class is a model that can be built, and return it.

    Raises:
        TypeError: if it is no `CTRModel`, or defines neither `interact` nor `logits`.
    """
    if not (isinstance(kind, type) and issubclass(kind, CTRModel)):
        raise TypeError(f"a model must be a subclass of CTRModel, got {shown(kind)}")
    if kind.interact is CTRModel.interact and kind.logits is CTRModel.logits:
        raise TypeError(
            f"{kind.__name__} must define interact(self, vectors), or logits(self, ids, values)"
        )
    return kind


def _arguments(
    cls: type[CTRModel], args: Sequence[Any], keywords: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the keywords of a constructor, as given or by default; lists as tuples.

    Without a required argument, return none: the constructor raises its own error, and copying a
    model does not call it.
    """
    try:
        bound = inspect.signature(cls.__init__).bind(None, *args, **keywords)
    except TypeError:
        return {}
    bound.apply_defaults()
    given: dict[str, Any] = {}
    for name, value in list(bound.arguments.items())[2:]:  # after self and the cardinalities
        if bound.signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            given.update(value)
        else:
            is_list = isinstance(value, Sequence) and not isinstance(value, str)
            given[name] = tuple(value) if is_list else value
    return given


def to_float32(logits: Tensor) -> Tensor:
    """Return half-precision logits, as autocast makes them, as float32, which a loss needs."""
    return logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits
