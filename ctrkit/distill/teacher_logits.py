"""The teacher's logits, computed once and kept beside the prepared data."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctrkit.data import PreparedData, entry_of, new_folder
from ctrkit.distill.teachers import Teacher, compute_logits, fingerprint_of, models_of
from ctrkit.fields import Cardinalities
from ctrkit.files import check_writable, crc32_of, load_json, map_array, part_of, save_json
from ctrkit.options import printable
from ctrkit.training import Examples

FOLDER = "teachers"
"""Folder in the prepared data that holds the logits of teachers, each in a folder of its own."""

FORMAT_VERSION = 1
DESCRIPTION = "logits.json"
PARTS = ("train", "valid")
LOGIT_BYTES = np.dtype(np.float32).itemsize


@dataclass(frozen=True)
class TeacherLogits:
    """The logits of one teacher on the rows of one data set.

    Attributes:
        train: logits ``(N,)`` float32 of the training rows, in their order.
        valid: those of the validation rows; None if there are none.
        teacher: the teacher's fingerprint, None for a callable without one.
        folder: where they are kept, None for logits in memory alone.
        reused: whether they were computed by an earlier run.
    """

    train: NDArray[np.float32]
    valid: NDArray[np.float32] | None
    teacher: str | None
    folder: Path | None
    reused: bool


def teacher_logits(teacher: Teacher, data: Any) -> TeacherLogits:
    """Return a teacher's logits on the training and validation rows; compute them only once.

    They are kept in ``DATA/teachers/``, under the fingerprints of teacher and data; any later run
    with the same two reads them. Logits of rows in memory, or of a callable without a
    ``fingerprint``, are not kept.

    Args:
        teacher: a model, several (the mean of their logits), or a callable on ids.
        data: prepared data, or any object whose ``train`` and ``valid`` are encoded rows.

    Raises:
        ValueError: if a logit is not finite, the teacher's fields are not the data's, or what is
            kept there is damaged or of another data set.
    """
    name = fingerprint_of(teacher)
    if not isinstance(data, PreparedData):
        return TeacherLogits(*_compute(teacher, data), name, None, reused=False)
    _check_fields(teacher, data)
    if name is None:
        return TeacherLogits(*_compute(teacher, data), name, None, reused=False)
    of_both = hashlib.sha256(f"{name} {_fingerprint(data)}".encode()).hexdigest()
    folder = part_of(data.path, FOLDER, of_both[:16])
    reused = (folder / DESCRIPTION).exists()
    if not reused:
        check_keepable(data)
        _save(folder, data, name, *_compute(teacher, data))
    # Read, memory-mapped, also by the run that has just computed them: it need not hold them.
    return replace(load_logits(folder, data, teacher=name), reused=reused)


def valid_rows(data: Any) -> Examples | None:
    """Return the validation rows of data, None if there are none."""
    valid: Examples | None = getattr(data, "valid", None)
    return None if valid is None or len(valid.labels) == len(valid.ids) == 0 else valid


def check_keepable(data: PreparedData) -> None:
    """Check, before long work, that logits can be kept beside the prepared data.

    Raises:
        OSError: if the folder is not writable.
    """
    folder = part_of(data.path, FOLDER)
    try:
        check_writable(folder / DESCRIPTION if folder.exists() else folder)
    except OSError as error:
        raise OSError(
            f"cannot keep the teacher's logits in {folder}: {error.strerror or error}; "
            "copy the prepared data to where you may write"
        ) from error


def _check_fields(teacher: Teacher, data: PreparedData) -> None:
    for model in models_of(teacher) or ():
        if tuple(model.cardinalities) != tuple(data.cardinalities):
            raise ValueError(
                f"the teacher's fields must be those of {data.path}, got a {type(model).__name__} "
                f"for {_spell(model.cardinalities)} instead of {_spell(data.cardinalities)}; "
                "give the data that it was trained on"
            )


def _spell(cardinalities: Cardinalities) -> str:
    sizes = [n if isinstance(n, int) else n.cardinality for n in cardinalities]
    shown = ", ".join(map(str, sizes[:3])) + (", ..." if len(sizes) > 3 else "")
    return f"{len(sizes)} fields of {shown} ids"


def load_logits(
    folder: str | Path, data: PreparedData, *, teacher: str | None = None
) -> TeacherLogits:
    """Read logits that `teacher_logits` has kept.

    Args:
        folder: one of ``DATA/teachers/``.
        data: the data they must belong to.
        teacher: the fingerprint of the teacher they must be of; any if not given.

    Raises:
        FileNotFoundError: if there are none.
        ValueError: if they are of another data set or teacher, or damaged.
    """
    folder = Path(folder)
    described = _describe(folder)
    of_data, of_teacher = (printable(described[key][:12]) for key in ("data", "teacher"))
    if described["data"] != _fingerprint(data):
        raise ValueError(
            f"{folder} holds logits for another data set ({of_data}) than "
            f"{data.path} ({_fingerprint(data)[:12]}); remove the folder, they are computed again"
        )
    if teacher is not None and described["teacher"] != teacher:
        raise ValueError(
            f"{folder} holds the logits of another teacher ({of_teacher}, "
            f"wanted {teacher[:12]}); remove the folder, they are computed again"
        )
    arrays = {part: _read(folder, part, described["crc32"]) for part in PARTS}
    for part, logits in arrays.items():
        rows = len(getattr(data, part))
        if (0 if logits is None else len(logits)) != rows:
            raise ValueError(
                f"{folder} must hold a logit for each of {rows} {part} rows; remove it"
            )
    train = arrays["train"]
    assert train is not None, "prepared data that was trained on has training rows"
    return TeacherLogits(train, arrays["valid"], described["teacher"], folder, reused=True)


def _compute(teacher: Teacher, data: Any) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    train = compute_logits(teacher, data.train, what="training")
    valid = valid_rows(data)
    return train, None if valid is None else compute_logits(teacher, valid, what="validation")


def _fingerprint(data: PreparedData) -> str:
    return str(data.info["fingerprint"])


def _save(
    folder: Path,
    data: PreparedData,
    teacher: str,
    train: NDArray[np.float32],
    valid: NDArray[np.float32] | None,
) -> None:
    with new_folder(folder, force=True, durable=True) as temporary:
        sums = {}
        for part, logits in (("train", train), ("valid", valid)):
            if logits is not None:
                np.save(temporary / f"{part}.npy", logits)
                sums[part] = crc32_of(logits)
        described = {"teacher": teacher, "data": _fingerprint(data), "crc32": sums}
        save_json(temporary / DESCRIPTION, {"format_version": FORMAT_VERSION, **described})


def _describe(folder: Path) -> dict[str, Any]:
    path = part_of(folder, DESCRIPTION)
    if not path.exists():
        raise FileNotFoundError(f"{folder} holds no teacher's logits: it has no {path.name}")
    try:
        described = load_json(path)
        version = entry_of(described, "format_version", where=path, kind=int)
        if version != FORMAT_VERSION:
            raise ValueError(f"{path} must have format version {FORMAT_VERSION}, got {version}")
        for key in ("teacher", "data"):
            entry_of(described, key, where=path, kind=str)
        for part in entry_of(described, "crc32", where=path, kind=dict):
            entry_of(described, "crc32", part, where=path, kind=str)
    except ValueError as error:
        raise ValueError(f"{error}; remove the folder") from error
    return described


def _read(folder: Path, part: str, sums: dict[str, str]) -> NDArray[np.float32] | None:
    if part not in sums:
        return None
    path = part_of(folder, f"{part}.npy")
    try:
        logits: NDArray[np.float32] = map_array(path, "<f4", 1)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error}); remove {folder}") from error
    if crc32_of(logits) != sums[part]:
        raise ValueError(f"{path} is damaged (its checksum differs); remove {folder}")
    return logits
