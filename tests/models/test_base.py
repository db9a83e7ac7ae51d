"""CTRModel: what a class must define, and the constructor's keywords."""

import copy
import pickle

import pytest
import torch
from own_models import FM, LR
from torch import Tensor, nn

from ctrkit.fields import FieldShape
from ctrkit.models import CIN, CTRModel, EulerNet


class Mean(CTRModel):
    def interact(self, vectors: Tensor) -> Tensor:
        return vectors.mean((1, 2))


class Shadowing(Mean):
    """Its keywords have the names of a method and of a module."""

    def __init__(self, cardinalities, penalty: float = 0.5, *, output=(3,), **options) -> None:
        super().__init__(cardinalities, **options)
        self.output = nn.Linear(2, 3)


def test_a_class_without_a_constructor_of_its_own_is_a_model():
    assert Mean([3, 4], embedding_dim=2)(torch.tensor([[1, 2]])).shape == (1,)
    assert Mean([3, 4]).options() == {
        "embedding_dim": 16,
        "embedding_init": "normal_1e-2",
        "linear": False,
    }


def test_options_are_what_was_given_chosen_and_the_defaults():
    model = EulerNet([3, 4], embedding_dim=2)
    assert model.options()["orders"] == (2, 2)  # what None stands for
    assert model.options()["dropout_ex"] == 0.1
    assert EulerNet([3, 4], orders=[2, 3]).options()["orders"] == (2, 3)
    model = Shadowing([3, 4], 0.25, output=[1], embedding_dim=2)
    assert model.options() == {"penalty": 0.25, "output": (1,), "embedding_dim": 2}


def test_keywords_are_readable_but_hide_nothing():
    model = CIN([3, 4], embedding_dim=2, num_maps=[5])
    assert (model.embedding_dim, model.num_maps, model.embedding_init) == (2, (5,), "normal_1e-2")
    model = Shadowing([3, 4], embedding_dim=2)
    assert model.penalty() is None
    assert isinstance(model.output, nn.Linear)


@pytest.mark.filterwarnings("ignore:You are using `torch.load`:FutureWarning")  # PyTorch 2.4
@pytest.mark.parametrize("again", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_has_the_same_options(again):
    model = FM([3, 4], embedding_dim=2, pair_weight=3.0)
    copied = again(model)
    assert copied.options() == model.options()
    assert copied.pair_weight == 3.0
    ids = torch.tensor([[1, 2]])
    assert torch.equal(copied(ids), model(ids))


def test_wrong_arguments_are_named_as_python_does():
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'embeding_dim'"):
        CIN([3], embeding_dim=2)
    with pytest.raises(TypeError, match=r"missing 1 required positional argument"):
        CIN()


@pytest.mark.parametrize("kind", [CTRModel, type("Nothing", (CTRModel,), {})])
def test_a_class_that_defines_neither_hook_is_refused(kind):
    message = r"must define interact\(self, vectors\), or logits\(self, ids, values\)"
    with pytest.raises(TypeError, match=f"{kind.__name__} {message}"):
        kind([3])


def test_a_model_without_vectors_must_say_what_its_logits_are():
    with pytest.raises(TypeError, match="Mean has no embedding_dim, so it must define logits"):
        Mean([3], embedding_dim=None)
    with pytest.raises(NotImplementedError, match="LR has logits of its own"):
        LR([3]).interact(torch.zeros(1, 1, 1))


def test_a_weight_per_id_ignores_the_widths_of_fields():
    fields = [4, FieldShape(cardinality=6, width=2), FieldShape(cardinality=3, has_value=True)]
    model = FM(fields, embedding_dim=3)
    assert [tuple(table.shape) for table in model.linear.tables] == [(13, 1)]
    assert len(model.linear.projections) == 0
    assert [tuple(table.shape) for table in model.embedding.tables] == [(6, 2), (7, 3)]
    assert model(torch.tensor([[1, 5, 1]]), torch.tensor([[0.5]])).shape == (1,)
