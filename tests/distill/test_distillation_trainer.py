"""DistillationTrainer: what a student learns, and what stays as it is."""

import copy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small import CARDINALITIES, DATA, TRAIN, make_student, make_teacher, unchanged, weights

from ctrkit.distill import DistillationTrainer, DistillConfig, agreement
from ctrkit.distill.teachers import compute_logits
from ctrkit.fields import FieldShape
from ctrkit.models import DAGFM, CrossNet, EulerNet
from ctrkit.training import Trainer, evaluate, score


@pytest.fixture(scope="module")
def taught() -> CrossNet:
    teacher = make_teacher()
    Trainer(TRAIN).fit(teacher, DATA.train, DATA.valid)
    return teacher


def trainer(*, train=TRAIN, **options) -> DistillationTrainer:
    return DistillationTrainer(DistillConfig(**options), train=train)


def rmse(student, teacher) -> float:
    theirs = compute_logits(teacher, DATA.valid, what="validation")
    return agreement(score(student, DATA.valid), theirs).rmse


LONG = replace(TRAIN, epochs=5, learning_rate=0.004, patience=30)


# Inner messages of width 4 cannot say what the teacher's own vectors were made for.
@pytest.mark.parametrize(("interaction", "table"), [("inner", "own"), ("outer", "copy")])
def test_a_student_learns_its_teachers_logits(taught, interaction, table):
    student = make_student(interaction=interaction)
    before = rmse(student, taught)
    trainer(train=LONG, student_table=table).distill(student, taught, DATA)
    assert rmse(student, taught) < before / 3
    assert evaluate(student, DATA.valid).auc > 0.78


def test_soft_labels_teach_as_well(taught):
    student = make_student()
    before = rmse(student, taught)
    trainer(train=LONG, kd_loss="soft_labels", temperature=2.0).distill(student, taught, DATA)
    assert rmse(student, taught) < before / 4


def test_neither_phase_changes_the_teacher(taught):
    teacher, student = copy.deepcopy(taught).train(), make_student()
    before = weights(teacher)
    trainer().fit(student, teacher, DATA)
    assert unchanged(teacher, before)
    assert teacher.training
    assert all(p.grad is None and p.requires_grad for p in teacher.parameters())
    after = weights(student)
    with torch.no_grad():
        for parameter in teacher.parameters():
            parameter.add_(1)
    assert unchanged(student, after)


def test_a_copied_table_is_frozen_in_distillation_and_learns_in_fine_tuning(taught):
    student = make_student()
    trainer().distill(student, taught, DATA)
    table, theirs = student.embedding.tables[0], taught.embedding.tables[0]
    assert torch.equal(table, theirs)
    assert table.data_ptr() != theirs.data_ptr()
    assert table.requires_grad
    trainer().finetune(student, DATA)
    assert not torch.equal(table, theirs)


def test_an_own_table_learns_in_distillation(taught):
    student = make_student()
    before = student.embedding.tables[0].clone()
    trainer(student_table="own").distill(student, taught, DATA)
    table = student.embedding.tables[0]
    assert not torch.equal(table, before)
    assert not torch.equal(table, taught.embedding.tables[0])


def test_a_table_that_does_not_fit_is_not_copied_by_default(taught):
    student = make_student(embedding_dim=5)
    trainer().distill(student, taught, DATA)
    assert student.embedding.tables[0].shape[1] == 5
    assert all(p.requires_grad for p in student.parameters())


def test_teachers_of_any_kind_teach(taught):
    for teacher in ([taught, make_teacher(1)], lambda ids: ids[:, 0] - 2.5):
        student = make_student()
        before = rmse(student, teacher)
        trainer(train=LONG).distill(student, teacher, DATA)
        assert rmse(student, teacher) < before / 2


def test_any_model_can_be_the_student(taught):
    torch.manual_seed(0)
    student = EulerNet(CARDINALITIES, embedding_dim=4, orders=[3], dropout_ex=0, dropout_im=0)
    before = rmse(student, taught)
    trainer(train=LONG).distill(student, taught, DATA)
    assert rmse(student, taught) < before / 2


def test_the_teacher_runs_once_for_each_row(taught):
    seen = []

    def teacher(ids):
        seen.append(len(ids))
        return taught(ids)

    trainer().fit(make_student(), teacher, DATA)
    assert sum(seen) == len(DATA.train.labels) + len(DATA.valid.labels)


def test_selection_keeps_the_weights_nearest_to_the_teacher(taught):
    student = make_student()
    rough = replace(TRAIN, epochs=3, learning_rate=0.04, schedule="constant", patience=30)
    result = trainer(train=rough, select_by="agreement").distill(student, taught, DATA)
    distances = [record.valid_criterion for record in result.history]
    assert result.best.valid_criterion == min(distances)
    assert rmse(student, taught) == pytest.approx(min(distances), rel=1e-6)
    assert distances[-1] != min(distances)  # so that a choice was made at all


def test_selection_by_auc_keeps_the_best_auc(taught):
    student = make_student()
    rough = replace(TRAIN, epochs=3, learning_rate=0.08, schedule="constant", patience=30)
    rough = replace(rough, monitor="logloss")
    result = trainer(train=rough, select_by="auc").distill(student, taught, DATA)
    aucs = [record.valid_auc for record in result.history]
    assert result.best.valid_auc == max(aucs) == evaluate(student, DATA.valid).auc
    losses = [record.valid_logloss for record in result.history]
    assert aucs.index(max(aucs)) != losses.index(min(losses))  # so that a choice was made
    assert all(record.valid_criterion is None for record in result.history)


def test_works_without_validation_rows(taught):
    student = make_student()
    result = trainer().fit(student, taught, SimpleNamespace(train=DATA.train))
    assert result.finetuning.best.valid_auc is None


def test_each_phase_starts_from_the_student_as_it_is(taught):
    whole, parts = make_student(), make_student()
    trainer().fit(whole, taught, DATA)
    trainer().distill(parts, taught, DATA)
    trainer().finetune(parts, DATA)
    assert unchanged(whole, weights(parts))


def test_a_failed_distillation_leaves_the_table_trainable(taught):
    student = make_student()
    with torch.no_grad():
        student.output.bias.fill_(float("inf"))
    with pytest.raises(FloatingPointError):
        trainer().distill(student, taught, DATA)
    assert all(p.requires_grad for p in student.parameters())


def test_bf16_distils(taught):
    student = make_student()
    before = rmse(student, taught)
    trainer(train=replace(LONG, precision="bf16")).distill(student, taught, DATA)
    assert rmse(student, taught) < before / 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
@pytest.mark.parametrize(
    ("teachers", "students"), [("cuda", "cuda"), ("cpu", "cuda"), ("cuda", "cpu")]
)
def test_cuda_distils(teachers, students, taught):
    student, teacher = make_student(), copy.deepcopy(taught).to(teachers)
    before = rmse(student, taught)
    trainer(train=replace(LONG, device=students)).fit(student, teacher, DATA)
    assert next(student.parameters()).device.type == students
    assert next(teacher.parameters()).device.type == teachers
    assert rmse(student.cpu(), taught) < before / 2


def test_a_table_that_the_caller_froze_stays_frozen(taught):
    student = make_student()
    student.embedding.requires_grad_(False)
    before = student.embedding.tables[0].clone()
    trainer(student_table="own").distill(student, taught, DATA)
    assert not student.embedding.tables[0].requires_grad
    assert torch.equal(student.embedding.tables[0], before)


@pytest.mark.parametrize("change", [{"device": "cuda:99"}, {}])
def test_a_refused_distillation_changes_nothing_and_runs_no_teacher(change, taught):
    student = make_student()
    before = weights(student)
    one_class = SimpleNamespace(ids=DATA.train.ids, labels=np.zeros(2000, np.uint8), values=None)
    rows = DATA.train if change else one_class

    def teacher(ids):
        raise AssertionError("the teacher must not be run")

    for who in (taught, teacher):
        with pytest.raises(ValueError, match=r"is not there|need both classes"):
            trainer(train=replace(TRAIN, **change)).distill(
                student, who, SimpleNamespace(train=rows)
            )
    assert unchanged(student, before)


def test_an_own_step_size_of_the_table_follows_that_of_the_net():
    train = replace(TRAIN, learning_rate=0.01, table_learning_rate=0.1)
    distilling, finetuning = DistillConfig().distilling(train), DistillConfig().finetuning(train)
    assert distilling.table_learning_rate == pytest.approx(0.5)
    assert finetuning.table_learning_rate == pytest.approx(0.1 / 40)


def test_distillation_lasts_longer_unless_told():
    config = DistillConfig()
    assert config.distilling(TRAIN).learning_rate == 5 * TRAIN.learning_rate
    assert config.distilling(TRAIN).epochs == 3 * TRAIN.epochs
    told = DistillConfig(distill_epochs=7, distill_learning_rate=0.5).distilling(TRAIN)
    assert (told.epochs, told.learning_rate) == (7, 0.5)


def test_fine_tuning_takes_smaller_steps_unless_told():
    config = DistillConfig()
    assert config.finetuning(TRAIN).learning_rate == TRAIN.learning_rate / 40
    assert config.finetuning(TRAIN).epochs == TRAIN.epochs
    told = DistillConfig(finetune_epochs=7, finetune_learning_rate=0.5).finetuning(TRAIN)
    assert (told.epochs, told.learning_rate) == (7, 0.5)


def test_fine_tuning_keeps_what_it_cannot_better(taught):
    student = make_student()
    trainer(train=LONG).distill(student, taught, DATA)
    before, auc = weights(student), evaluate(student, DATA.valid).auc
    wild = {"finetune_learning_rate": 50.0, "finetune_epochs": 1}
    result = trainer(train=TRAIN, **wild).finetune(student, DATA)
    assert unchanged(student, before)
    assert (result.best.step, result.best.valid_auc) == (0, auc)
    assert (result.best.train_loss, result.best.rows_per_second) == (None, None)


@pytest.mark.parametrize(
    ("student", "message"),
    [
        (DAGFM([6, 6, 7], embedding_dim=4), r"field 2 of the student must be the teacher's, .*"),
        (DAGFM([6, 6], embedding_dim=4), "must have the teacher's 3 fields"),
        (DAGFM(CARDINALITIES, embedding_dim=5), "embedding_dim of the student must be the teac"),
        (
            DAGFM([6, 6, FieldShape(cardinality=6, num_slots=2)], embedding_dim=4),
            "field 2 of the student must be the teacher's",
        ),
    ],
)
def test_a_table_that_cannot_be_copied_is_named(student, message, taught):
    before = weights(student)
    with pytest.raises(ValueError, match=message):
        trainer(student_table="copy").distill(student, taught, DATA)
    assert unchanged(student, before)


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        ([make_teacher(), make_teacher(1)], "needs a teacher that is one model, got an ensemble"),
        (lambda ids: ids[:, 0], "needs a teacher that is one model, got a callable"),
    ],
)
def test_only_one_models_table_can_be_copied(teacher, message):
    with pytest.raises(ValueError, match=message):
        trainer(student_table="copy").distill(make_student(), teacher, DATA)


def test_a_model_cannot_teach_itself():
    model = make_teacher()
    for teacher in (model, [make_teacher(1), model]):
        with pytest.raises(ValueError, match="teacher and student must be two models"):
            trainer().distill(model, teacher, DATA)


def test_targets_must_be_one_per_row():
    with pytest.raises(ValueError, match=r"targets must have shape \(2000,\), .* got \(3,\)"):
        Trainer(TRAIN).fit(make_student(), DATA.train, targets=np.zeros(3, np.float32))
