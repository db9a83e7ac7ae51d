"""What every entry of MODELS promises, and a class of a user's own that has two tables."""

import copy

import pytest
import torch
from own_models import FM
from torch.nn import functional

from ctrkit.fields import FieldShape
from ctrkit.models import MODELS, Batch, CTRModel, build_model, model_options

CARDINALITIES = [5, 3, 7, 4]
KINDS = {**MODELS, "own": FM}


@pytest.fixture(params=KINDS)
def name(request) -> str:
    return request.param


@pytest.fixture
def model(name) -> CTRModel:
    torch.manual_seed(0)
    return KINDS[name](CARDINALITIES, embedding_dim=6, embedding_init="xavier_normal").eval()


@pytest.fixture
def ids() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    columns = [torch.randint(0, c, (12, 1), generator=generator) for c in CARDINALITIES]
    return torch.cat(columns, dim=1)


@pytest.mark.parametrize("rows", [0, 1, 12])
def test_returns_one_logit_per_row(model, ids, rows):
    assert model(ids[:rows]).shape == (rows,)


def test_scores_each_row_by_itself(model, ids):
    alone = torch.cat([model(row[None]) for row in ids])
    torch.testing.assert_close(model(ids), alone, rtol=1e-4, atol=1e-5)


def test_exports_for_any_number_of_rows(name, model, ids):
    if name == "eulernet" and not hasattr(torch.compiler, "is_exporting"):
        pytest.skip("PyTorch before 2.6 does not tell export from compile")
    rows = ({0: torch.export.Dim("rows", min=2, max=10_000)},)
    exported = torch.export.export(model, (ids[:5],), dynamic_shapes=rows).module()
    torch.testing.assert_close(exported(ids), model(ids))


def test_takes_int32_ids(model, ids):
    torch.testing.assert_close(model(ids.int()), model(ids))


def test_every_parameter_gets_a_gradient(model, ids):
    model.train()
    model.calculate_loss(Batch(ids, torch.arange(12) % 2)).backward()
    without = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_loss_is_bce_of_the_logits_plus_the_penalty(model, ids):
    labels = (torch.arange(12) % 2).float()
    expected = functional.binary_cross_entropy_with_logits(model(ids), labels)
    penalty = model.penalty()
    expected = expected if penalty is None else expected + penalty
    torch.testing.assert_close(model.calculate_loss(Batch(ids, labels)), expected)


def test_predicts_probabilities(model, ids):
    torch.testing.assert_close(model.predict(ids), torch.sigmoid(model(ids)))


def test_is_deterministic_in_eval_mode(model, ids):
    assert torch.equal(model(ids), model(ids))


def test_lives_wholly_on_one_device(name):
    model = KINDS[name](CARDINALITIES, embedding_dim=6).to("meta")
    assert model(torch.zeros(3, 4, dtype=torch.int64, device="meta")).device.type == "meta"


def test_can_be_built_without_memory_for_its_weights(name, model):
    with torch.device("meta"):
        blueprint = KINDS[name](CARDINALITIES, **model.options())
    assert {tensor.device.type for tensor in blueprint.state_dict().values()} == {"meta"}
    assert blueprint.options() == model.options()
    assert blueprint.embedding.shapes == model.embedding.shapes


def test_weights_survive_saving(name, model, ids):
    other = KINDS[name](CARDINALITIES, embedding_dim=6).eval()
    other.load_state_dict(copy.deepcopy(model.state_dict()))
    assert torch.equal(other(ids), model(ids))


def test_options_build_the_model_again(name, model):
    again = build_model(KINDS[name], model.cardinalities, model.options(), where="test")
    assert [p.shape for p in again.parameters()] == [p.shape for p in model.parameters()]
    assert again.options() == model.options()


def test_every_option_has_a_help_text(name):
    fields = model_options(KINDS[name]).__dataclass_fields__.values()
    assert [field.name for field in fields if not field.metadata["help"]] == []


def test_runs_under_bf16_autocast(model, ids):
    with torch.autocast("cpu", torch.bfloat16):
        loss = model.calculate_loss(Batch(ids, torch.ones(12)))
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss)


def test_learns_to_tell_clicks_apart(name, ids):
    torch.manual_seed(0)
    model = KINDS[name](CARDINALITIES, embedding_dim=6)
    labels = (ids[:, 0] + ids[:, 1] > 2).float()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    first = model.calculate_loss(Batch(ids, labels)).item()
    for _ in range(200):
        optimizer.zero_grad()
        loss = model.calculate_loss(Batch(ids, labels))
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.3 * first


def test_takes_numbers_and_multi_valued_fields(name):
    fields = [5, FieldShape(cardinality=2, has_value=True), FieldShape(cardinality=9, num_slots=3)]
    model = KINDS[name](fields, embedding_dim=6).eval()
    ids = torch.tensor([[4, 1, 8, 2, 0], [0, 0, 0, 0, 0]])
    assert model(ids, torch.tensor([[0.5], [1.0]])).shape == (2,)


def test_wrong_number_of_columns_is_an_error(model):
    with pytest.raises(ValueError, match=r"ids must have shape \(B, 4\), got \(12, 3\)"):
        model(torch.zeros(12, 3, dtype=torch.int64))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embeding_dim": 4}, r"unknown option 'embeding_dim'; did you mean 'embedding_dim'\?"),
        ({"embedding_init": "xavier"}, r"unknown embedding initialisation 'xavier'; did you mean"),
        ({"embedding_dim": 0}, r"embedding_dim must be positive, got 0"),
    ],
)
def test_refuses_nonsense_when_built(name, options, message):
    with pytest.raises(ValueError, match=message):
        build_model(KINDS[name], CARDINALITIES, options, where="x.toml [model]")


def test_refuses_an_option_of_the_wrong_type(name):
    with pytest.raises(TypeError, match=r"x.toml: option 'embedding_dim' must be int, got '8'"):
        build_model(KINDS[name], CARDINALITIES, {"embedding_dim": "8"}, where="x.toml")


def test_unknown_model_suggests_the_right_name():
    with pytest.raises(ValueError, match=r"unknown model 'eulernett'; did you mean 'eulernet'\?"):
        build_model("eulernett", CARDINALITIES, {}, where="x.toml")
