"""FeatureEmbedding: encoded fields -> vectors, one table for all fields; all tables of a model."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from ctrkit.fields import MISSING_ID, Cardinalities, field_shapes
from ctrkit.machine import on_huge_pages
from ctrkit.options import check_choice, check_positive

EMBEDDING_INITS: dict[str, Callable[[Tensor], Tensor]] = {
    "zeros": nn.init.zeros_,
    "normal_1e-4": lambda table: nn.init.normal_(table, std=1e-4),
    "normal_1e-2": lambda table: nn.init.normal_(table, std=1e-2),
    "xavier_normal": nn.init.xavier_normal_,
    "xavier_uniform": nn.init.xavier_uniform_,
}
"""Initialisations of a table by name: a linear part's, FuxiCTR's, a common middle way, and
RecBole's (Glorot over the whole table, so that its scale shrinks with the number of rows)."""

_SCALING = ("scaled_fields", "scaling_columns")
"""Buffers of fields with a value that scales them, and its columns of values."""

_MOVING = ("moved_fields", "moving_columns", "moving_directions")
"""Buffers of fields, columns of values and rows of directions, for each number of values."""


class FeatureEmbedding(nn.Module):
    """Embedding of all fields, from ids ``(B, S)`` to vectors ``(B, F, D)``.

    The rows of all fields lie in one table, so that one lookup and one optimizer serve them;
    field ``f`` begins at row ``offset[f]``::

        vectors[b, f] = table[ids[b, f] + offset[f]]                        one id
        vectors[b, f] = table[ids[b, f] + offset[f]] * values[b, f]         a number kept as value
        vectors[b, f] = mean(table[id + offset[f]] for id in slots if id)   multi-valued
        vectors[b, f] = table_w[ids[b, f] + offset[f]] @ projection[f]      width w other than D
        vectors[b, f] += sum(values[b, c] * directions[c] for c of f)       numbers beside its ids

    Fields of another width lie in a table of that width (mixed dimensions: Ginart et al., "Mixed
    Dimension Embeddings with Application to Memory-Efficient Recommendation Systems", ISIT 2021).
    A multi-valued field without any value takes the vector of ``MISSING_ID``.

    ``directions`` are no table: every row uses all of them, and the optimizer of the net has them.

    Args:
        cardinalities: number of distinct ids of each field, in column order, or `FieldShape`.
        embedding_dim: length D of a field vector.
        init: name of the tables' initialisation, a key of `EMBEDDING_INITS`. Directions start at
            ``zeros`` with it, else like ``normal_1e-2``.
        ignore_widths: give every field rows of length D, whatever `FieldShape.width` says. A weight
            per id needs it, ``FeatureEmbedding(cardinalities, 1, ignore_widths=True)``.

    Shape:
        ids: ``(B, S)`` int32 or int64, S columns in field order, F of them unless multi-valued
        values: ``(B, V)`` float, in field order a column for each value of a field; None for V 0
        returns: ``(B, F, D)``

    Raises:
        ValueError: if a size is not positive, the name is unknown, or ids or values have the
            wrong number of columns.

    Example:
        >>> embedding = FeatureEmbedding([10, 3], embedding_dim=4)
        >>> embedding(torch.tensor([[9, 2], [0, 0], [5, 1]])).shape
        torch.Size([3, 2, 4])
    """

    def __init__(
        self,
        cardinalities: Cardinalities,
        embedding_dim: int,
        *,
        init: str = "normal_1e-2",
        ignore_widths: bool = False,
    ) -> None:
        super().__init__()
        check_positive(embedding_dim=embedding_dim)
        check_choice("embedding initialisation", init, EMBEDDING_INITS)
        self.shapes = field_shapes(cardinalities)
        self.num_fields = len(self.shapes)
        self.embedding_dim = embedding_dim
        self.init = init
        self.ignore_widths = ignore_widths
        self.num_slots = sum(shape.num_slots for shape in self.shapes)
        self.num_values = sum(shape.value_columns for shape in self.shapes)
        self.sparse_gradient = False
        """Whether tables get sparse gradients; set by whoever owns the table's optimizer."""

        widths = [(not ignore_widths and shape.width) or embedding_dim for shape in self.shapes]
        self._widths = sorted(set(widths))
        self._fields_by_width = [
            [f for f in range(self.num_fields) if widths[f] == width] for width in self._widths
        ]
        self.tables = nn.ParameterList()
        self.projections = nn.ParameterList()
        for index, (width, fields) in enumerate(
            zip(self._widths, self._fields_by_width, strict=True)
        ):
            offsets, num_rows = self._lay_out(fields)
            self.tables.append(nn.Parameter(on_huge_pages(torch.empty(num_rows, width))))
            self.register_buffer(f"offsets_{index}", offsets, persistent=False)
            if width != embedding_dim:
                self.projections.append(
                    nn.Parameter(torch.empty(len(fields), width, embedding_dim))
                )
        # Most data have one id per field and one width; then a lookup is all there is to do.
        self._plain = len(self._widths) == 1 and self.num_slots == self.num_fields
        self._lay_out_values()
        self.reset_parameters()

    def _lay_out(self, fields: list[int]) -> tuple[Tensor, int]:
        """Return the first table row of every slot of `fields`, and the number of table rows."""
        first_row: dict[int, int] = {}
        num_rows = 0
        for field in fields:
            owner = self.shapes[field].shares_with
            if owner is None:
                first_row[field] = num_rows
                num_rows += self.shapes[field].cardinality
            else:
                first_row[field] = first_row[owner]
        slots = [first_row[field] for field in fields for _ in range(self.shapes[field].num_slots)]
        return torch.tensor(slots, dtype=torch.int64), num_rows

    def _lay_out_values(self) -> None:
        """Note which columns of values scale which field's vector, and which move it.

        Fields with equally many values are moved together, by one product.
        """
        scaled: tuple[list[int], list[int]] = ([], [])
        moved: dict[int, tuple[list[int], list[int], list[int]]] = {}
        column = num_directions = 0
        for field, shape in enumerate(self.shapes):
            count = shape.num_values
            if shape.has_value:
                scaled[0].append(field)
                scaled[1].append(column)
            elif count:
                fields, columns, rows = moved.setdefault(count, ([], [], []))
                fields.append(field)
                columns.extend(range(column, column + count))
                rows.extend(range(num_directions, num_directions + count))
                num_directions += count
            column += shape.value_columns
        self.directions: nn.Parameter | None = None
        """``(V', D)``, one for each value that moves a vector; None without any."""
        if num_directions:
            self.directions = nn.Parameter(torch.empty(num_directions, self.embedding_dim))
        self._scales = bool(scaled[0])
        self._moving_counts = sorted(moved)
        named = dict(zip(_SCALING, scaled, strict=True)) if self._scales else {}
        for count, indices in moved.items():
            named |= {f"{name}_{count}": i for name, i in zip(_MOVING, indices, strict=True)}
        for name, index in named.items():
            self.register_buffer(name, torch.tensor(index), persistent=False)

    def reset_parameters(self) -> None:
        """Draw new tables, projections and directions."""
        for table in self.tables:
            EMBEDDING_INITS[self.init](table.data)
        for projection in self.projections:
            nn.init.normal_(projection, std=projection.shape[1] ** -0.5)
        if self.directions is not None:
            init = self.init if self.init == "zeros" else "normal_1e-2"
            EMBEDDING_INITS[init](self.directions)

    @property
    def num_rows(self) -> int:
        """Number of rows of all tables together."""
        return sum(table.shape[0] for table in self.tables)

    def extra_repr(self) -> str:
        """Return the sizes, for ``print(model)``."""
        return (
            f"num_fields={self.num_fields}, embedding_dim={self.embedding_dim}, "
            f"num_rows={self.num_rows}"
        )

    def forward(self, ids: Tensor, values: Tensor | None = None) -> Tensor:
        """Look up, pool and scale."""
        self._check(ids, values)
        if self._plain:
            vectors = self._look_up(0, ids)
        else:
            vectors = torch.cat(self._vectors_by_field(ids), dim=1)
        if values is None or not self.num_values:
            return vectors
        values = values.to(vectors.dtype)
        if self._scales:
            fields, columns = (getattr(self, name) for name in _SCALING)
            ones = vectors.new_ones(ids.shape[0], self.num_fields)
            scale = ones.index_copy_(1, fields, values.index_select(1, columns))
            vectors = vectors * scale.unsqueeze(2)
        return self._move(vectors, values)

    def _move(self, vectors: Tensor, values: Tensor) -> Tensor:
        """Move vectors that nobody else holds along the directions of their values."""
        for count in self._moving_counts:
            fields, columns, rows = (getattr(self, f"{name}_{count}") for name in _MOVING)
            assert self.directions is not None
            amounts = values.index_select(1, columns).unflatten(1, (-1, count))  # (B, n, count)
            directions = self.directions.index_select(0, rows).unflatten(0, (-1, count))
            moves = torch.bmm(amounts.transpose(0, 1), directions).transpose(0, 1)  # (B, n, D)
            # Every field is there once, so that the order of additions is fixed on any device.
            vectors = vectors.index_add_(1, fields, moves.to(vectors.dtype))
        return vectors

    def _check(self, ids: Tensor, values: Tensor | None) -> None:
        if not isinstance(ids, Tensor) or ids.dtype not in (torch.int32, torch.int64):
            kind = ids.dtype if isinstance(ids, Tensor) else type(ids).__name__
            raise TypeError(f"ids must be a tensor of int32 or int64, got {kind}")
        if ids.dim() != 2 or ids.shape[1] != self.num_slots:
            raise ValueError(f"ids must have shape (B, {self.num_slots}), got {tuple(ids.shape)}")
        if self.num_values == 0 and values is None:
            return
        expected = (ids.shape[0], self.num_values)
        if values is None or tuple(values.shape) != expected:
            got = None if values is None else tuple(values.shape)
            raise ValueError(f"values must have shape {expected}, got {got}")

    def _look_up(self, index: int, ids: Tensor) -> Tensor:
        offsets: Tensor = getattr(self, f"offsets_{index}")
        return functional.embedding(ids + offsets, self.tables[index], sparse=self.sparse_gradient)

    def _vectors_by_field(self, ids: Tensor) -> list[Tensor]:
        """Return a ``(B, 1, D)`` tensor for each field, in field order."""
        num_slots = [shape.num_slots for shape in self.shapes]
        ids_of_field = ids.split(num_slots, dim=1)
        vectors: dict[int, Tensor] = {}
        projections = iter(self.projections)
        for index, fields in enumerate(self._fields_by_width):
            slots = self._look_up(index, torch.cat([ids_of_field[f] for f in fields], dim=1))
            pooled = [
                _mean_of_present(part, ids_of_field[f])
                for f, part in zip(
                    fields, slots.split([num_slots[f] for f in fields], dim=1), strict=True
                )
            ]
            if self._widths[index] != self.embedding_dim:
                projected = torch.einsum(
                    "bfw,fwd->bfd", torch.cat(pooled, dim=1), next(projections)
                )
                pooled = list(projected.split(1, dim=1))
            vectors.update(zip(fields, pooled, strict=True))
        return [vectors[f] for f in range(self.num_fields)]


def _mean_of_present(vectors: Tensor, ids: Tensor) -> Tensor:
    """Average slots ``(B, K, D)`` over those that hold a value: ``(B, 1, D)``."""
    if ids.shape[1] == 1:
        return vectors
    present = ids != MISSING_ID
    # With no value at all, the first slot, which holds MISSING_ID, stands for the row.
    first = torch.zeros_like(present)
    first[:, 0] = ~present.any(dim=1)
    weights = (present | first).to(vectors.dtype)
    weights = weights / weights.sum(dim=1, keepdim=True)
    return torch.einsum("bk,bkd->bd", weights, vectors).unsqueeze(1)


def embeddings_of(model: nn.Module) -> dict[str, FeatureEmbedding]:
    """Return every `FeatureEmbedding` of a model, by the name of the attribute that holds it."""
    return {name: m for name, m in model.named_modules() if isinstance(m, FeatureEmbedding)}


def tables_of(model: nn.Module) -> list[nn.Parameter]:
    """Return every embedding table of a model, each once.

    Example:
        >>> model = nn.ModuleList([FeatureEmbedding([10, 3], 4), FeatureEmbedding([10, 3], 1)])
        >>> [tuple(table.shape) for table in tables_of(model)]
        [(13, 4), (13, 1)]
    """
    embeddings = embeddings_of(model).values()
    return list(dict.fromkeys(table for embedding in embeddings for table in embedding.tables))
