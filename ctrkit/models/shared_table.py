"""Copy a teacher's tables into a student."""

from __future__ import annotations

from ctrkit.embedding import FeatureEmbedding, embeddings_of
from ctrkit.models.base import CTRModel


def common_tables(
    teacher: CTRModel, student: CTRModel
) -> list[tuple[FeatureEmbedding, FeatureEmbedding]]:
    """Return the embeddings that teacher and student have by one name, the teacher's first.

    A table that only the student has stays its own: a weight per id, for example, beside the
    vectors that both have.

    Raises:
        ValueError: if there is none, one has other widths or fields in the student, or the student
            has nothing else to learn.
    """
    theirs, ours = embeddings_of(teacher), embeddings_of(student)
    names = [name for name in ours if name in theirs]
    if not names:
        raise ValueError(
            f"student must have a table of the teacher's, {', '.join(theirs) or 'which has none'}, "
            f"to take it over, got {', '.join(ours) or 'none'}"
        )
    pairs = [(theirs[name], ours[name]) for name in names]
    for their, our in pairs:
        _check_same(their, our)
    taken = {id(weights) for _, our in pairs for weights in our.parameters()}
    if all(id(weights) in taken for weights in student.parameters()):
        raise ValueError(
            "student must have more to learn than the tables it takes over, "
            f"got {type(student).__name__}, which has no other weight"
        )
    return pairs


def _check_same(teacher: FeatureEmbedding, student: FeatureEmbedding) -> None:
    if teacher.embedding_dim != student.embedding_dim:
        raise ValueError(
            f"embedding_dim of the student must be the teacher's, {teacher.embedding_dim}, to take "
            f"over its table, got {student.embedding_dim}"
        )
    theirs, ours = teacher.shapes, student.shapes
    if len(theirs) != len(ours):
        raise ValueError(
            f"student must have the teacher's {len(theirs)} fields to take over its table, "
            f"got {len(ours)}"
        )
    for index, (their, our) in enumerate(zip(theirs, ours, strict=True)):
        if their != our:
            raise ValueError(
                f"field {index} of the student must be the teacher's, {their}, to take over its "
                f"table, got {our}"
            )
    if teacher.ignore_widths != student.ignore_widths:
        raise ValueError("student must ignore the widths of fields as the teacher does, or not")


def take_table(teacher: CTRModel, student: CTRModel) -> list[FeatureEmbedding]:
    """Copy the teacher's tables into the student; they share no memory afterwards.

    Returns:
        The student's embeddings that hold a copy.

    Raises:
        ValueError: as `common_tables`.
    """
    pairs = common_tables(teacher, student)
    for theirs, ours in pairs:
        ours.load_state_dict(theirs.state_dict())
    return [ours for _, ours in pairs]
