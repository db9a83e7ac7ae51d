"""DAGFM against the published formulas, and against the paths of its graph, one by one."""

import math
from itertools import combinations_with_replacement

import pytest
import torch
from reference import Arrays, assert_close, assert_equals_fixture, copy_linear, load
from torch import Tensor

from ctrkit.models import DAGFM, DAGFMPlus, dagfm
from ctrkit.models.dagfm import INTERACTIONS, DAGPropagation

SHAPE = (5, 4, 3)  # B, F, D


def model_from(golden: Arrays, interaction: str, cardinality: int = 2) -> DAGFM:
    num_fields, _, dim = golden["layer0.p"].shape
    depth = sum(key.endswith(".p") for key in golden)
    model = DAGFM(
        [cardinality] * num_fields, embedding_dim=dim, interaction=interaction, depth=depth
    ).double()
    source, target = torch.triu_indices(num_fields, num_fields)
    with torch.no_grad():
        model.propagation.mixing.copy_(golden["connect"])
        for name, weights in model.propagation.named_children():
            for index, weight in enumerate(weights):
                weight.copy_(golden[f"layer{index}.{name}"][source, target])
    copy_linear(model.output, golden["out_weight"], golden["out_bias"])
    return model.eval()


@pytest.mark.parametrize("interaction", ["inner", "outer"])
def test_equals_the_published_formulas(interaction):
    golden = load(f"dagfm_{interaction}")
    model = model_from(golden, interaction)
    assert_equals_fixture(model, golden)
    source, target = torch.triu_indices(7, 7)
    for name, weights in model.propagation.named_children():
        for index, weight in enumerate(weights):
            gradient = golden[f"layer{index}.grad_{name}"]
            assert_close(weight.grad, gradient[source, target])
            assert not gradient.permute(2, 0, 1).tril(-1).any()  # the edges that are not there


@pytest.fixture(params=INTERACTIONS)
def graph(request) -> DAGPropagation:
    torch.manual_seed(0)
    _, num_fields, dim = SHAPE
    graph = DAGPropagation(num_fields, dim, interaction=request.param, depth=3).double()
    torch.nn.init.normal_(graph.mixing)
    return graph


@pytest.fixture
def vectors() -> Tensor:
    return torch.randn(SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def message(graph: DAGPropagation, layer: int, source: int, target: int, state: Tensor) -> Tensor:
    """What the edge from `source` to `target` makes of a vector ``(B, D)``: the definition."""
    pairs = list(combinations_with_replacement(range(graph.num_fields), 2))
    edge = pairs.index((source, target))
    if graph.interaction == "inner":
        return state * graph.p[layer][edge]
    if graph.interaction == "outer":
        return (state @ graph.p[layer][edge])[:, None] * graph.q[layer][edge]
    return state @ graph.kernel[layer][edge]


@pytest.mark.parametrize("rounds", [0, 1, 2, 3])
def test_state_is_the_sum_over_paths(graph, vectors, rounds):
    first = torch.einsum("sf,bfd->bsd", graph.mixing, vectors)
    expected = torch.zeros_like(first)
    for path in combinations_with_replacement(range(graph.num_fields), rounds + 1):
        product = first[:, path[0]]  # f_0 <= f_1 <= ... <= f_rounds
        for layer in range(rounds):
            source, target = path[layer : layer + 2]
            product = first[:, target] * message(graph, layer, source, target, product)
        expected[:, path[-1]] += product
    assert_close(graph(vectors)[rounds], expected)


def test_with_all_weights_one_a_state_counts_every_path_once(vectors):
    graph = DAGPropagation(4, 3, interaction="inner", depth=3)
    with torch.no_grad():
        for p in graph.p:
            p.fill_(1)
    counts = [state[0, :, 0].tolist() for state in graph(torch.ones(1, 4, 3))]
    assert counts == [[math.comb(s + rounds, rounds) for s in range(4)] for rounds in range(4)]


def test_round_l_is_homogeneous_of_degree_l_plus_1(graph, vectors):
    for rounds, (state, scaled) in enumerate(zip(graph(vectors), graph(2 * vectors), strict=True)):
        torch.testing.assert_close(scaled, 2 ** (rounds + 1) * state, rtol=1e-12, atol=0)


def test_a_node_hears_nothing_from_later_fields(graph, vectors):
    torch.nn.init.eye_(graph.mixing)
    before = graph(vectors)
    vectors[:, 2] += 1
    for state, changed in zip(before, graph(vectors), strict=True):
        torch.testing.assert_close(changed[:, :2], state[:, :2], rtol=1e-12, atol=1e-12)
        assert (changed[:, 2] != state[:, 2]).all()


def test_gradients_are_exact(graph, vectors):
    weights = list(graph.parameters())

    def states(vectors: Tensor, *weights: Tensor) -> Tensor:
        names = [name for name, _ in graph.named_parameters()]
        found = torch.func.functional_call(graph, dict(zip(names, weights, strict=True)), vectors)
        return torch.stack(found[1:])

    inputs = (vectors[:2].requires_grad_(), *weights)
    assert torch.autograd.gradcheck(states, inputs)


@pytest.mark.parametrize(("interaction", "per_edge"), [("inner", 6), ("outer", 12), ("kernel", 36)])
def test_has_parameters_for_the_edges_only(interaction, per_edge):
    model = DAGFM([5, 3, 7, 4], embedding_dim=6, interaction=interaction, depth=2)
    table, mixing, edges, output = 19 * 6, 4 * 4, 4 * 5 // 2, 3 * 4 + 1
    expected = table + mixing + 2 * edges * per_edge + output
    assert sum(p.numel() for p in model.parameters()) == expected
    assert len(model.state_dict()) == len(list(model.parameters()))


@pytest.mark.parametrize(
    ("interaction", "fan"), [("inner", 39 * 16), ("outer", 624), ("kernel", 16)]
)
def test_start_is_xavier_normal_with_gain_sqrt_2(interaction, fan):
    torch.manual_seed(0)
    graph = DAGPropagation(39, 16, interaction=interaction, depth=1)
    assert graph.mixing.equal(torch.eye(39))
    for weight in [*graph.p, *graph.q, *graph.kernel]:
        assert weight.std().item() == pytest.approx(math.sqrt(2 / fan), rel=0.02)


@pytest.mark.parametrize("interaction", INTERACTIONS)
@pytest.mark.parametrize("num_fields", [1, 2, 5])
@pytest.mark.parametrize("rows", [0, 1, 3])
@pytest.mark.parametrize("kind", [DAGFM, DAGFMPlus])
def test_takes_any_number_of_fields_and_rows(kind, interaction, num_fields, rows):
    model = kind([3] * num_fields, embedding_dim=4, interaction=interaction)
    logits = model(torch.zeros(rows, num_fields, dtype=torch.int64))
    assert logits.shape == (rows,)
    assert logits.dtype == torch.float32
    logits.sum().backward()


@pytest.mark.parametrize("interaction", INTERACTIONS)
@pytest.mark.parametrize("kind", [DAGFM, DAGFMPlus])
def test_lives_on_meta_and_runs_under_bf16_autocast(kind, interaction):
    model = kind([3] * 4, embedding_dim=4, interaction=interaction, embedding_init="xavier_normal")
    ids = torch.tensor([[0, 1, 2, 0], [2, 2, 2, 2]])
    exact = model(ids)
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(ids)
    rough.sum().backward()
    torch.testing.assert_close(rough.float(), exact, rtol=0.05, atol=0.05)
    assert all(p.grad.isfinite().all() for p in model.parameters())
    assert model.to("meta")(ids.to("meta")).device.type == "meta"


def test_parts_of_the_rows_change_nothing(vectors, monkeypatch):
    model = DAGFM([3] * 4, embedding_dim=3, interaction="outer").double()
    whole = model.interact(vectors)
    monkeypatch.setitem(dagfm.OUTER_ROWS, "cpu", 2)
    assert_close(model.interact(vectors), whole)


def test_plus_sends_the_sum_of_all_states_through_the_mlp(vectors):
    model = DAGFMPlus([3] * 4, embedding_dim=3, interaction="outer", hidden_dims=[6]).double()
    total = sum(model.propagation(vectors))
    hidden = torch.relu(model.mlp.layers[0](total.flatten(1)))
    assert_close(model.interact(vectors), model.output(hidden).squeeze(1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interaction": "iner"}, r"unknown interaction 'iner'; did you mean 'inner'\?"),
        ({"depth": 0}, r"depth must be positive, got 0"),
    ],
)
@pytest.mark.parametrize("kind", [DAGFM, DAGFMPlus])
def test_refuses_nonsense_when_built(kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind([3, 3], **options)
