"""What every entry of MODELS promises, with a linear part and with numbers beside ids as without,
and classes of a user's own."""

import copy

import pytest
import torch
from own_models import FM, Wide
from torch.nn import functional

from ctrkit.fields import FieldShape
from ctrkit.models import MODELS, Batch, CTRModel, build_model, model_options

CARDINALITIES = [5, 3, 7, 4]
MOVED = [
    5,
    FieldShape(cardinality=3, num_values=2),
    FieldShape(cardinality=7, num_values=1),
    FieldShape(cardinality=4, has_value=True),
]
KINDS = {**MODELS, "own": FM, "own_linear": Wide}
PLAIN = [(name, "plain") for name in KINDS]
LINEAR = [(name, form) for name in [*MODELS, "own_linear"] for form in ("linear", "values")]
FORMS = {"plain": CARDINALITIES, "linear": CARDINALITIES, "values": MOVED}


@pytest.fixture(params=[*PLAIN, *LINEAR], ids="-".join)
def given(request) -> tuple[str, str]:
    return request.param


@pytest.fixture
def name(given) -> str:
    return given[0]


@pytest.fixture
def fields(given) -> list[int | FieldShape]:
    return FORMS[given[1]]


@pytest.fixture
def options(given) -> dict[str, object]:
    name, form = given
    has_linear = {} if form == "plain" else {"linear": "ids" if name == "xdeepfm" else True}
    return {"embedding_dim": 6, **has_linear}


@pytest.fixture
def model(name, fields, options) -> CTRModel:
    torch.manual_seed(0)
    return KINDS[name](fields, **options, embedding_init="xavier_normal").eval()


@pytest.fixture
def ids() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    columns = [torch.randint(0, c, (12, 1), generator=generator) for c in CARDINALITIES]
    return torch.cat(columns, dim=1)


@pytest.fixture
def inputs(given, ids) -> tuple[torch.Tensor, ...]:
    """Ids, and values where there are some."""
    generator = torch.Generator().manual_seed(2)
    return (ids, torch.randn(12, 4, generator=generator)) if given[1] == "values" else (ids,)


def batch(inputs: tuple[torch.Tensor, ...], labels: torch.Tensor) -> Batch:
    return Batch(inputs[0], labels, *inputs[1:])


@pytest.mark.parametrize("rows", [0, 1, 12])
def test_returns_one_logit_per_row(model, inputs, rows):
    assert model(*(given[:rows] for given in inputs)).shape == (rows,)


def test_scores_each_row_by_itself(model, inputs):
    alone = torch.cat(
        [model(*(tensor[None] for tensor in row)) for row in zip(*inputs, strict=True)]
    )
    torch.testing.assert_close(model(*inputs), alone, rtol=1e-4, atol=1e-5)


def test_changing_an_id_or_a_value_changes_the_logit_of_its_row_only(model, inputs):
    before = model(*inputs)
    for given in inputs:
        for column in range(given.shape[1]):
            kept = given[4, column].clone()
            given[4, column] = 1 - kept if given.dtype == torch.float32 else (kept + 1) % 3
            changed = ~torch.isclose(model(*inputs), before, rtol=1e-6, atol=1e-7)
            assert changed.nonzero().flatten().tolist() == [4]
            given[4, column] = kept


def test_exports_for_any_number_of_rows(name, model, inputs):
    if name == "eulernet" and not hasattr(torch.compiler, "is_exporting"):
        pytest.skip("PyTorch before 2.6 does not tell export from compile")
    rows = tuple({0: torch.export.Dim("rows", min=2, max=10_000)} for _ in inputs)
    some = tuple(given[:5] for given in inputs)
    exported = torch.export.export(model, some, dynamic_shapes=rows).module()
    torch.testing.assert_close(exported(*inputs), model(*inputs))


def test_takes_int32_ids(model, inputs):
    ids, *values = inputs
    torch.testing.assert_close(model(ids.int(), *values), model(*inputs))


def test_every_parameter_gets_a_gradient(model, inputs):
    model.train()
    model.calculate_loss(batch(inputs, torch.arange(12) % 2)).backward()
    without = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_loss_is_bce_of_the_logits_plus_the_penalty(model, inputs):
    labels = (torch.arange(12) % 2).float()
    expected = functional.binary_cross_entropy_with_logits(model(*inputs), labels)
    penalty = model.penalty()
    expected = expected if penalty is None else expected + penalty
    torch.testing.assert_close(model.calculate_loss(batch(inputs, labels)), expected)


def test_predicts_probabilities(model, inputs):
    torch.testing.assert_close(model.predict(*inputs), torch.sigmoid(model(*inputs)))


def test_is_deterministic_in_eval_mode(model, inputs):
    assert torch.equal(model(*inputs), model(*inputs))


def test_lives_wholly_on_one_device(model, inputs):
    assert model.to("meta")(*(given.to("meta") for given in inputs)).device.type == "meta"


def test_can_be_built_without_memory_for_its_weights(name, fields, model):
    with torch.device("meta"):
        blueprint = KINDS[name](fields, **model.options())
    assert {tensor.device.type for tensor in blueprint.state_dict().values()} == {"meta"}
    assert blueprint.options() == model.options()
    assert blueprint.embedding.shapes == model.embedding.shapes


def test_weights_survive_saving(name, fields, options, model, inputs):
    other = KINDS[name](fields, **options).eval()
    other.load_state_dict(copy.deepcopy(model.state_dict()))
    assert torch.equal(other(*inputs), model(*inputs))


def test_options_build_the_model_again(name, model):
    again = build_model(KINDS[name], model.cardinalities, model.options(), where="test")
    assert [p.shape for p in again.parameters()] == [p.shape for p in model.parameters()]
    assert again.options() == model.options()


def test_runs_under_bf16_autocast(model, inputs):
    with torch.autocast("cpu", torch.bfloat16):
        loss = model.calculate_loss(batch(inputs, torch.ones(12)))
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss)


def test_learns_to_tell_clicks_apart(name, fields, options, ids, inputs):
    torch.manual_seed(0)
    model = KINDS[name](fields, **options)
    rows = batch(inputs, (ids[:, 0] + ids[:, 1] > 2).float())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    first = model.calculate_loss(rows).item()
    for _ in range(200):
        optimizer.zero_grad()
        loss = model.calculate_loss(rows)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.3 * first


@pytest.mark.parametrize("kind", KINDS)
def test_every_option_has_a_help_text(kind):
    fields = model_options(KINDS[kind]).__dataclass_fields__.values()
    assert [field.name for field in fields if not field.metadata["help"]] == []


@pytest.mark.parametrize("kind", KINDS)
def test_takes_numbers_and_multi_valued_fields(kind):
    fields = [5, FieldShape(cardinality=2, has_value=True), FieldShape(cardinality=9, num_slots=3)]
    model = KINDS[kind](fields, embedding_dim=6).eval()
    ids = torch.tensor([[4, 1, 8, 2, 0], [0, 0, 0, 0, 0]])
    assert model(ids, torch.tensor([[0.5], [1.0]])).shape == (2,)


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_number_of_columns_is_an_error(kind):
    with pytest.raises(ValueError, match=r"ids must have shape \(B, 4\), got \(12, 3\)"):
        KINDS[kind](CARDINALITIES)(torch.zeros(12, 3, dtype=torch.int64))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embeding_dim": 4}, r"unknown option 'embeding_dim'; did you mean 'embedding_dim'\?"),
        ({"embedding_init": "xavier"}, r"unknown embedding initialisation 'xavier'; did you mean"),
        ({"embedding_dim": 0}, r"embedding_dim must be positive, got 0"),
    ],
)
def test_refuses_nonsense_when_built(kind, options, message):
    with pytest.raises(ValueError, match=message):
        build_model(KINDS[kind], CARDINALITIES, options, where="x.toml [model]")


@pytest.mark.parametrize("kind", KINDS)
def test_refuses_an_option_of_the_wrong_type(kind):
    with pytest.raises(TypeError, match=r"x.toml: option 'embedding_dim' must be int, got '8'"):
        build_model(KINDS[kind], CARDINALITIES, {"embedding_dim": "8"}, where="x.toml")


def test_unknown_model_suggests_the_right_name():
    with pytest.raises(ValueError, match=r"unknown model 'eulernett'; did you mean 'eulernet'\?"):
        build_model("eulernett", CARDINALITIES, {}, where="x.toml")
