"""A student's table as a copy of its teacher's."""

from __future__ import annotations

from ctrkit.models.base import CTRModel


def check_same_table(teacher: CTRModel, student: CTRModel) -> None:
    """Make sure that a student can take over its teacher's table.

    Raises:
        ValueError: if widths or fields differ.
    """
    if teacher.embedding_dim != student.embedding_dim:
        raise ValueError(
            f"embedding_dim of the student must be the teacher's, {teacher.embedding_dim}, to take "
            f"over its table, got {student.embedding_dim}"
        )
    theirs, ours = teacher.embedding.shapes, student.embedding.shapes
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


def take_table(teacher: CTRModel, student: CTRModel) -> None:
    """Copy the teacher's table into the student: from then on neither changes the other's.

    Raises:
        ValueError: if widths or fields differ.
    """
    check_same_table(teacher, student)
    student.embedding.load_state_dict(teacher.embedding.state_dict())
