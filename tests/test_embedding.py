"""FeatureEmbedding against its definition, written the slow way."""

import dataclasses

import pytest
import torch

from ctrkit.embedding import EMBEDDING_INITS, FeatureEmbedding, embeddings_of, tables_of
from ctrkit.fields import FieldShape

FIELDS = [
    5,
    FieldShape(cardinality=2, has_value=True),
    FieldShape(cardinality=6, num_slots=3),
    FieldShape(cardinality=5, shares_with=0),
    FieldShape(cardinality=9, width=2),
    FieldShape(cardinality=2, has_value=True, width=2),
    FieldShape(cardinality=6, num_slots=2, shares_with=2),
]


@pytest.fixture
def embedding() -> FeatureEmbedding:
    torch.manual_seed(0)
    return FeatureEmbedding(FIELDS, 4, init="xavier_normal")


@pytest.fixture
def rows() -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.tensor(
        [
            [4, 1, 5, 2, 0, 3, 8, 1, 4, 0],
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [2, 1, 1, 1, 1, 2, 3, 1, 0, 5],
        ]
    )
    return ids, torch.tensor([[0.5, -2.0], [1.0, 1.0], [3.0, 0.25]])


def test_equals_the_definition_written_out(embedding, rows):
    ids, values = rows
    narrow, wide = embedding.tables  # widths 2 and 4
    # First rows: wide holds fields 0 (5), 1 (2), 2 (6), shared by 3 and 6; narrow 4 (9), 5 (2).
    projection = embedding.projections[0]
    for row, value, vectors in zip(ids, values, embedding(ids, values), strict=True):
        pooled = [wide[7 + i] for i in row[2:5] if i] or [wide[7]]
        last = [wide[7 + i] for i in row[8:10] if i] or [wide[7]]
        expected = [
            wide[row[0]],
            wide[5 + row[1]] * value[0],
            torch.stack(pooled).mean(0),
            wide[row[5]],
            narrow[row[6]] @ projection[0],
            narrow[9 + row[7]] @ projection[1] * value[1],
            torch.stack(last).mean(0),
        ]
        torch.testing.assert_close(vectors, torch.stack(expected))


MOVED = [
    FieldShape(cardinality=5, num_values=2),
    FieldShape(cardinality=2, has_value=True),
    FieldShape(cardinality=6, num_slots=3, num_values=1),
    4,
    FieldShape(cardinality=5, shares_with=0, num_values=3),
    FieldShape(cardinality=9, width=2, num_values=2),
    FieldShape(cardinality=2, has_value=True, width=2),
]


@pytest.fixture
def moved() -> tuple[FeatureEmbedding, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    embedding = FeatureEmbedding(MOVED, 4).double()
    limits = [shape.cardinality for shape in embedding.shapes for _ in range(shape.num_slots)]
    ids = torch.stack([torch.randint(0, limit, (7,)) for limit in limits], dim=1)
    return embedding, ids, torch.randn(7, 10, dtype=torch.float64)


def test_numbers_beside_an_id_move_its_vector(moved):
    embedding, ids, values = moved
    still = [dataclasses.replace(s, num_values=0) for s in embedding.shapes]
    unmoved = FeatureEmbedding(still, 4).double()
    unmoved.load_state_dict({k: v for k, v in embedding.state_dict().items() if "dir" not in k})
    expected = unmoved(ids, values[:, [2, 9]]).detach()
    columns_and_directions = [
        (0, [(0, 0), (1, 1)]),
        (2, [(3, 2)]),
        (4, [(4, 3), (5, 4), (6, 5)]),
        (5, [(7, 6), (8, 7)]),
    ]
    for row in range(len(ids)):
        for field, pairs in columns_and_directions:
            for column, direction in pairs:
                expected[row, field] += values[row, column] * embedding.directions[direction]
    torch.testing.assert_close(embedding(ids, values), expected, rtol=1e-12, atol=1e-12)
    assert embedding.num_values == 10
    assert tuple(embedding.directions.shape) == (8, 4)


def test_changing_a_number_changes_the_vector_of_its_field_only(moved):
    embedding, ids, values = moved
    before = embedding(ids, values)
    for column, field in enumerate([0, 0, 1, 2, 4, 4, 4, 5, 5, 6]):
        other = values.clone()
        other[3, column] += 1
        changed = (embedding(ids, other) != before).any(dim=2)
        assert changed.nonzero().tolist() == [[3, field]]


def test_gradients_of_moved_vectors_are_those_of_finite_differences(moved):
    embedding, ids, values = moved
    weights = [*embedding.tables, *embedding.projections, embedding.directions]

    def vectors(*_: torch.Tensor) -> torch.Tensor:
        return embedding(ids, values)

    assert torch.autograd.gradcheck(vectors, weights)


def test_directions_are_no_table(moved):
    embedding, _, _ = moved
    assert embedding.num_rows == sum(map(len, embedding.tables)) == 28
    assert not any(table is embedding.directions for table in tables_of(embedding))


def test_directions_exist_only_for_values_and_are_drawn_last():
    torch.manual_seed(0)
    plain = FeatureEmbedding(FIELDS, 4)
    assert "directions" not in plain.state_dict()
    torch.manual_seed(0)
    fields = [FieldShape(cardinality=5, num_values=1), *FIELDS[1:]]
    moving = FeatureEmbedding(fields, 4).state_dict()
    assert moving.pop("directions").shape == (1, 4)
    assert all(torch.equal(moving[name], table) for name, table in plain.state_dict().items())


def test_moved_vectors_can_be_exported_compiled_and_made_without_numbers(moved):
    embedding, ids, values = moved
    rows = {0: torch.export.Dim("rows", min=2, max=10_000)}
    exported = torch.export.export(embedding, (ids[:5], values[:5]), dynamic_shapes=(rows, rows))
    torch.testing.assert_close(exported.module()(ids, values), embedding(ids, values))
    compiled = torch.compile(embedding, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(ids, values), embedding(ids, values))
    assert embedding(ids[:0], values[:0]).shape == (0, 7, 4)
    assert embedding.to("meta")(ids.to("meta"), values.to("meta")).shape == (7, 7, 4)


def test_moved_vectors_keep_their_type_under_autocast():
    embedding = FeatureEmbedding([FieldShape(cardinality=3, num_values=2)], 4)
    with torch.autocast("cpu", torch.bfloat16):
        vectors = embedding(torch.tensor([[1]]), torch.ones(1, 2))
    assert vectors.dtype == torch.float32


def test_changing_one_field_changes_its_vector_only(embedding, rows):
    ids, values = rows
    before = embedding(ids, values)
    ids[0, 6] = 7
    changed = (embedding(ids, values) != before).any(dim=2)
    assert changed.nonzero().tolist() == [[0, 4]]


def test_shared_fields_use_the_same_row(embedding, rows):
    ids, values = rows
    ids[:, 5] = ids[:, 0]
    vectors = embedding(ids, values)
    assert vectors[:, 3].equal(vectors[:, 0])


def test_shared_fields_take_no_rows_of_their_own():
    assert FeatureEmbedding([5, FieldShape(cardinality=5, shares_with=0)], 3).num_rows == 5


def test_padding_does_not_count_in_a_pool():
    embedding = FeatureEmbedding([FieldShape(cardinality=4, num_slots=3)], 2)
    one = embedding(torch.tensor([[3, 0, 0], [0, 3, 0], [3, 3, 3]]))
    assert one[0].equal(one[1])
    torch.testing.assert_close(one[0], one[2])


def test_only_looked_up_rows_get_a_gradient():
    embedding = FeatureEmbedding([4, 4], 3)
    embedding(torch.tensor([[1, 2]])).sum().backward()
    touched = embedding.tables[0].grad.abs().sum(dim=1).nonzero().flatten()
    assert touched.tolist() == [1, 6]


def test_sparse_gradient_equals_the_dense_one(rows):
    ids, _ = rows
    torch.manual_seed(0)
    embedding = FeatureEmbedding([9, 9, 9], 3)
    embedding(ids[:, :3]).pow(2).sum().backward()
    dense = embedding.tables[0].grad
    embedding.tables[0].grad = None
    embedding.sparse_gradient = True
    embedding(ids[:, :3]).pow(2).sum().backward()
    assert embedding.tables[0].grad.is_sparse
    torch.testing.assert_close(embedding.tables[0].grad.to_dense(), dense)


@pytest.mark.parametrize("init", sorted(EMBEDDING_INITS.keys() - {"zeros"}))
def test_every_initialisation_fills_the_table(init):
    torch.manual_seed(0)
    fields = [50, FieldShape(cardinality=50, num_values=90)]
    embedding = FeatureEmbedding(fields, 8, init=init)
    table = embedding.tables[0]
    assert 0 < table.std() < 1
    assert torch.isfinite(table).all()
    assert 0.009 < embedding.directions.std() < 0.011


def test_zeros_stand_for_weights_without_influence():
    embedding = FeatureEmbedding([FieldShape(cardinality=5, num_values=2)], 1, init="zeros")
    assert [name for name, weights in embedding.named_parameters() if weights.any()] == []


@pytest.mark.parametrize(
    ("ids", "values", "message"),
    [
        ((3, 2), (3, 1), r"ids must have shape \(B, 3\), got \(3, 2\)"),
        ((3,), (3, 1), r"ids must have shape \(B, 3\), got \(3,\)"),
        ((3, 3), None, r"values must have shape \(3, 1\), got None"),
        ((3, 3), (3, 2), r"values must have shape \(3, 1\), got \(3, 2\)"),
    ],
)
def test_wrong_shapes_are_errors(ids, values, message):
    embedding = FeatureEmbedding([2, 2, FieldShape(cardinality=2, has_value=True)], 4)
    given = None if values is None else torch.ones(values)
    with pytest.raises(ValueError, match=message):
        embedding(torch.zeros(ids, dtype=torch.int64), given)


@pytest.mark.parametrize("given", [None, (3, 2), (2, 4)])
def test_a_column_for_each_value_must_be_there(given):
    fields = [FieldShape(cardinality=2, num_values=3), FieldShape(cardinality=2, has_value=True)]
    values = None if given is None else torch.ones(given)
    with pytest.raises(ValueError, match=r"values must have shape \(3, 4\), got (None|\()"):
        FeatureEmbedding(fields, 4)(torch.zeros(3, 2, dtype=torch.int64), values)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FeatureEmbedding([], 4), "must name at least one field"),
        (lambda: FeatureEmbedding([3, 0], 4), "cardinality must be at least 1, got 0"),
        (lambda: FeatureEmbedding([3], 0), "embedding_dim must be positive, got 0"),
        (lambda: FeatureEmbedding([3], 4, init="normal"), "unknown embedding initialisation"),
        (
            lambda: FeatureEmbedding([FieldShape(cardinality=3, shares_with=1), 3], 4),
            "field 0 must share the table of an earlier field, got 1",
        ),
        (
            lambda: FeatureEmbedding([4, FieldShape(cardinality=3, shares_with=0)], 4),
            "field 1 must have the cardinality and width of field 0",
        ),
        (
            lambda: FieldShape(cardinality=3, num_slots=2, has_value=True),
            "a multi-valued field cannot carry a value",
        ),
        (
            lambda: FieldShape(cardinality=3, num_values=-1),
            "num_values must not be negative, got -1",
        ),
        (
            lambda: FieldShape(cardinality=3, has_value=True, num_values=2),
            "has_value, whose value scales its vector, cannot have num_values, which move it, got",
        ),
        (
            lambda: FeatureEmbedding([3, FieldShape(cardinality=3, num_values=10**12)], 4),
            "fields must have at most 200,000 values together, got 1000000000000",
        ),
    ],
)
def test_refuses_nonsense_when_built(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_every_table_of_a_model_is_found_once():
    model = torch.nn.Module()
    model.first = FeatureEmbedding(FIELDS, 4)
    model.inner = torch.nn.ModuleDict({"second": FeatureEmbedding([3, 4], 1)})
    model.again = model.first
    assert list(embeddings_of(model)) == ["first", "inner.second"]
    expected = [*model.first.tables, model.inner["second"].tables[0]]
    assert [id(table) for table in tables_of(model)] == [id(table) for table in expected]


def test_widths_can_be_ignored():
    embedding = FeatureEmbedding(FIELDS, 1, ignore_widths=True)
    assert [tuple(table.shape) for table in embedding.tables] == [(24, 1)]
