"""A linear part is trained, resumed, kept in a run and handed on like any other table."""

from types import SimpleNamespace

import pytest
import torch
from small_rows import make_rows

from ctrkit.data import prepare
from ctrkit.distill import DistillationTrainer, DistillConfig, agreement
from ctrkit.models import DAGFM, KD_DAGFM, MODELS, Batch, CrossNet, student_loss
from ctrkit.runs import Run, train_run
from ctrkit.runs.space import training_memory
from ctrkit.synthetic import generate
from ctrkit.training import TrainConfig, Trainer, score
from ctrkit.training.optimizers import make_optimizers

TRAIN, VALID = make_rows(600), make_rows(300, seed=1)
DATA = SimpleNamespace(train=TRAIN, valid=VALID)
KINDS = ["dense", "lazy", "adagrad"]


def make(kind=CrossNet, **options):
    torch.manual_seed(0)
    return kind([6, 6, 6], embedding_dim=4, embedding_init="xavier_normal", **options)


def config(kind="dense", **options) -> TrainConfig:
    given = {"epochs": 3, "batch_size": 64, "learning_rate": 0.02, "patience": 9, **options}
    return TrainConfig(table_optimizer=kind, **given)


@pytest.mark.parametrize("kind", KINDS)
def test_its_weights_go_to_the_optimizer_of_tables_and_its_bias_to_the_nets(kind):
    model = make(linear=True)
    tables, net = make_optimizers(model, config(kind))
    assert any(p is model.weights.tables[0] for p in tables.param_groups[0]["params"])
    assert any(p is model.bias for p in net.param_groups[0]["params"])
    Trainer(config(kind)).fit(model, TRAIN, VALID)
    assert model.weights.tables[0].any()
    assert model.bias != 0


def test_memory_counts_its_weights():
    plain, linear = (
        training_memory(make(linear=linear), config(device="cpu"), num_rows=600, row_bytes=13)
        for linear in (False, True)
    )
    assert linear.table - plain.table == 4 * 18 * 4
    assert linear.batch - plain.batch == 64 * 3 * 3 * (4 + 8)
    assert linear.chunk > plain.chunk


@pytest.mark.parametrize(("of_teacher", "of_student"), [(True, True), (True, False), (False, True)])
def test_students_learn_from_teachers_with_and_without_it(of_teacher, of_student):
    teacher, student = make(linear=of_teacher), make(DAGFM, linear=of_student)
    Trainer(config(epochs=5)).fit(teacher, TRAIN, VALID)
    before = agreement(score(student, VALID), score(teacher, VALID)).rmse
    train = config(epochs=3, learning_rate=0.01, patience=99)
    DistillationTrainer(DistillConfig(), train=train).distill(student, teacher, DATA)
    assert agreement(score(student, VALID), score(teacher, VALID)).rmse < before
    if of_student:
        weights = student.weights.tables[0]
        assert weights.any()
        if of_teacher:
            assert torch.equal(weights, teacher.weights.tables[0])


def test_the_pair_of_teacher_and_student_scores_with_it():
    teacher, student = make(linear=True), make(DAGFM, linear=True)
    torch.nn.init.normal_(teacher.weights.tables[0])
    pair = KD_DAGFM(teacher, student, phase="distillation").eval()
    assert not student.weights.tables[0].requires_grad
    assert student.bias.requires_grad
    ids, labels = torch.from_numpy(VALID.ids), torch.from_numpy(VALID.labels).float()
    batch = Batch(ids, labels)
    expected = student_loss(student, batch, teacher(ids), ctr_weight=0.1, kd_weight=921.6)
    torch.testing.assert_close(pair.calculate_loss(batch), expected)
    assert torch.equal(pair(ids), student(ids))


@pytest.mark.parametrize("name", ["dagfm", "xdeepfm"])
def test_a_run_with_it_is_written_and_opened(name, tmp_path):
    generate(tmp_path / "criteo.txt", rows=1000, seed=1)
    data = prepare(tmp_path / "criteo.txt", format="criteo", out=tmp_path / "data")
    options = {"embedding_dim": 4, "linear": "ids" if name == "xdeepfm" else True}
    done = train_run(
        data,
        model=name,
        model_options=options,
        config=TrainConfig(epochs=1, batch_size=256),
        out=tmp_path / "run",
    )
    run = Run(tmp_path / "run")
    assert isinstance(run.model, MODELS[name])
    assert run.model.weights.tables[0].any()
    assert run.model.options() == done.model.options()
    assert run.evaluate_rows(data, "test") == done.evaluations["test"]
