"""Numbers beside ids: their directions are trained, resumed, copied and frozen like a net's."""

import copy
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small_rows import make_rows
from torch import nn

from ctrkit.distill import DistillationTrainer, DistillConfig
from ctrkit.distill.teachers import fingerprint_of
from ctrkit.fields import FieldShape
from ctrkit.models import DAGFM, KD_DAGFM, CrossNet, common_tables
from ctrkit.models.cost import cost_of
from ctrkit.training import TrainConfig, Trainer, evaluate
from ctrkit.training.optimizers import make_optimizers

FIELDS = [6, FieldShape(cardinality=6, num_values=2), FieldShape(cardinality=6, num_values=1)]
KINDS = ["dense", "lazy", "adagrad"]


def rows_with_values(num_rows: int, seed: int = 0) -> SimpleNamespace:
    """Rows whose clicks depend on the second number of the second field alone."""
    rows = make_rows(num_rows, seed)
    generator = np.random.default_rng(seed + 10)
    rows.values = generator.normal(size=(num_rows, 3)).astype(np.float32)
    chances = 1 / (1 + np.exp(-2 * rows.values[:, 1]))
    rows.labels = (generator.random(num_rows) < chances).astype(np.uint8)
    return rows


TRAIN, VALID = rows_with_values(600), rows_with_values(300, seed=1)
DATA = SimpleNamespace(train=TRAIN, valid=VALID)


def make(kind=CrossNet, **options) -> nn.Module:
    torch.manual_seed(0)
    return kind(FIELDS, embedding_dim=4, **options)


def config(kind: str = "dense", **options) -> TrainConfig:
    given = {"epochs": 3, "batch_size": 64, "learning_rate": 0.02, "patience": 9, **options}
    return TrainConfig(table_optimizer=kind, **given)


@pytest.mark.parametrize("kind", KINDS)
def test_directions_go_to_the_optimizer_of_the_net(kind):
    model = make()
    tables, net = make_optimizers(model, config(kind, table_l2=1.0))
    directions = model.embedding.directions
    assert any(p is directions for p in net.param_groups[0]["params"])
    assert not any(p is directions for p in tables.param_groups[0]["params"])
    assert cost_of(model).table_parameters == 18 * 4


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_learns_from_numbers(kind):
    model = make()
    Trainer(config(kind)).fit(model, TRAIN, VALID)
    assert evaluate(model, VALID).auc > 0.8


@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupted_training_ends_with_the_same_directions(kind, tmp_path):
    whole, halved, resumed = make(), make(), make()
    Trainer(config(kind)).fit(whole, TRAIN, VALID)

    class Stop(BaseException):
        pass

    class At:
        def on_start(self, **_): ...
        def on_validation(self, record): ...
        def on_end(self): ...
        def on_step(self, *, step, **_):
            if step == 17:
                raise Stop

    often = config(kind, checkpoint_steps=5)
    with pytest.raises(Stop):
        Trainer(often, observers=[At()]).fit(halved, TRAIN, VALID, checkpoints=tmp_path)
    Trainer(often).fit(resumed, TRAIN, VALID, checkpoints=tmp_path, resume=True)
    for ours, theirs in zip(resumed.parameters(), whole.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_student_takes_directions_over_with_the_table():
    teacher, student = make(), make(DAGFM)
    Trainer(config()).fit(teacher, TRAIN, VALID)
    DistillationTrainer(DistillConfig(), train=config()).distill(student, teacher, DATA)
    theirs, ours = teacher.embedding, student.embedding
    assert torch.equal(ours.tables[0], theirs.tables[0])
    assert torch.equal(ours.directions, theirs.directions)
    assert ours.directions.requires_grad
    pair = KD_DAGFM(teacher, student, phase="distillation")
    assert not pair.student.embedding.directions.requires_grad
    KD_DAGFM(teacher, student, phase="finetuning")
    assert student.embedding.directions.requires_grad


def test_a_student_of_other_values_cannot_take_the_table():
    other = CrossNet([6, FieldShape(cardinality=6, num_values=1), 6], embedding_dim=4)
    with pytest.raises(ValueError, match="field 1 of the student must be the teacher's"):
        common_tables(make(), other)


def test_rows_without_their_numbers_are_refused():
    rows = SimpleNamespace(ids=TRAIN.ids, labels=TRAIN.labels, values=None)
    with pytest.raises(ValueError, match=r"values must have shape \(64, 3\), got None"):
        Trainer(config()).fit(make(), rows)


def test_products_of_numbers_and_directions_count_as_arithmetic():
    plain = cost_of(CrossNet([6, 6, 6], embedding_dim=4))
    moved = cost_of(make())
    assert moved.multiply_adds == plain.multiply_adds + 3 * 4
    assert moved.net_parameters == plain.net_parameters + 3 * 4


def test_values_are_part_of_what_tells_a_teacher_from_another():
    model = make()
    same = copy.deepcopy(model)
    assert fingerprint_of(model) == fingerprint_of(same)
    with torch.no_grad():
        same.embedding.directions[0, 0] = math.pi
    assert fingerprint_of(model) != fingerprint_of(same)
