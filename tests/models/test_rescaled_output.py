"""Outputs are scaled and shifted exactly, which is how a calibrated start is made."""

import math

import pytest
import torch
from own_models import FM, Wide
from reference import assert_close
from torch import nn

from ctrkit.models import MODELS, CTRModel

CARDINALITIES = [5, 3, 7]
IDS = torch.tensor([[4, 2, 6], [0, 0, 0], [1, 2, 3], [3, 1, 5]])


def make(kind, **options) -> CTRModel:
    torch.manual_seed(0)
    model = kind(CARDINALITIES, embedding_dim=4, embedding_init="xavier_normal", **options)
    model = model.double().eval()
    for bias in (p for name, p in model.named_parameters() if name.endswith("bias")):
        nn.init.normal_(bias)  # a bias of zero is scaled by anything
    return model


def linear(name: str) -> dict[str, object]:
    return {"linear": "ids" if name == "xdeepfm" else True}


@pytest.mark.parametrize("name", sorted(MODELS.keys() - {"cin"}))
def test_logits_are_scaled_and_shifted(name):
    model = make(MODELS[name])
    before = model(IDS)
    assert before.std() > 1e-6
    assert model.can_scale
    assert model.can_shift
    model.rescale_output(0.3, -1.2)
    assert_close(model(IDS), 0.3 * before - 1.2)


@pytest.mark.parametrize("name", MODELS)
def test_the_linear_part_is_shifted_with_them_but_not_scaled(name):
    model = make(MODELS[name], **linear(name))
    nn.init.normal_(model.weights.tables[0])
    interactions, before = model.logits(IDS), model(IDS)
    model.rescale_output(0.3, -1.2)
    assert_close(model(IDS), before + (0.3 - 1) * interactions - 1.2)


def test_a_cin_alone_has_no_bias_as_in_its_paper():
    model = make(MODELS["cin"])
    before = model(IDS)
    assert model.can_scale
    assert not model.can_shift
    message = r"CIN has no bias to shift, got -1.2; with linear=True it has"
    with pytest.raises(ValueError, match=message):
        model.rescale_output(0.3, -1.2)
    assert torch.equal(model(IDS), before)
    model.rescale_output(0.3, 0.0)
    assert_close(model(IDS), 0.3 * before)


class Ending(CTRModel):
    """Ends in a layer that is called as in ctrkit's models."""

    def __init__(self, cardinalities, *, columns: int = 1, **options) -> None:
        super().__init__(cardinalities, **options)
        self.output = nn.Linear(12, columns)

    def interact(self, vectors):
        return self.output(vectors.flatten(1)).sum(1)


def test_models_of_ones_own_are_rescaled_as_far_as_they_can_be():
    model = make(Ending)
    before = model(IDS)
    model.rescale_output(0.3, -1.2)
    assert_close(model(IDS), 0.3 * before - 1.2)

    model = make(Wide)
    before = model(IDS)
    assert (model.can_scale, model.can_shift) == (False, True)
    model.rescale_output(1.0, -1.2)
    assert_close(model(IDS), before - 1.2)
    with pytest.raises(ValueError, match="Wide has no layer `output` of one column to scale, got"):
        model.rescale_output(0.3, -1.2)

    for model in (make(FM), make(Wide, linear=False), make(Ending, columns=2)):
        assert (model.can_scale, model.can_shift) == (False, False)
        before = model(IDS)
        model.rescale_output(1.0, 0.0)
        assert torch.equal(model(IDS), before)


@pytest.mark.parametrize(
    ("scale", "shift", "message"),
    [
        (0.0, 0.0, "scale must be positive, got 0.0"),
        (math.nan, 0.0, "scale must be positive, got nan"),
        (math.inf, 0.0, "scale must be finite, got inf"),
        (1.0, math.nan, "shift must be finite, got nan"),
        (1.0, -math.inf, "shift must be finite, got -inf"),
    ],
)
@pytest.mark.parametrize("name", ["crossnet", "eulernet"])
def test_what_is_no_start_is_refused(name, scale, shift, message):
    with pytest.raises(ValueError, match=message):
        make(MODELS[name]).rescale_output(scale, shift)


def test_the_start_of_a_blueprint_can_be_rescaled():
    with torch.device("meta"):
        make(MODELS["dagfm"]).rescale_output(0.3, -1.2)
