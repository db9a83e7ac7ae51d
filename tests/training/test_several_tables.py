"""Models with several tables, and with none of vectors: trained, resumed, estimated, taught."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from own_models import FM, LR
from small_rows import make_rows

from ctrkit.data import prepare
from ctrkit.distill import DistillationTrainer, DistillConfig, agreement
from ctrkit.embedding import tables_of
from ctrkit.models import KD_DAGFM, CrossNet
from ctrkit.models.cost import cost_of
from ctrkit.models.shared_table import common_tables, take_table
from ctrkit.runs import Run, train_run
from ctrkit.runs.space import table_bytes, training_memory
from ctrkit.synthetic import generate
from ctrkit.training import TrainConfig, Trainer, evaluate, score
from ctrkit.training.input.batches import id_limits
from ctrkit.training.optimizers import make_optimizers, table_optimizer
from ctrkit.training.step import TrainStep

TRAIN, VALID = make_rows(600), make_rows(300, seed=1)
DATA = SimpleNamespace(train=TRAIN, valid=VALID)
CARDINALITIES = [6, 6, 6]
KINDS = ["dense", "lazy", "adagrad"]


def make(kind, **options):
    torch.manual_seed(0)
    return kind(CARDINALITIES, **options)


def fit(model, kind="dense", **options):
    config = TrainConfig(
        epochs=3, batch_size=64, learning_rate=0.05, table_optimizer=kind, patience=9
    )
    return Trainer(config).fit(model, TRAIN, VALID, **options)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", [FM, LR])
def test_every_table_learns_with_every_optimizer(model, kind):
    model = make(model)
    before = copy.deepcopy(tables_of(model))
    fit(model, kind)
    assert all(not torch.equal(a, b) for a, b in zip(before, tables_of(model), strict=True))
    assert np.isfinite(score(model, VALID)).all()


def test_a_model_of_pairs_learns_what_single_ids_cannot_say():
    models = [make(FM, embedding_init="xavier_normal"), make(LR)]
    for model in models:
        fit(model)
    pairs, linear = (evaluate(model, VALID).auc for model in models)
    assert pairs > 0.68
    assert linear < 0.6


@pytest.mark.parametrize("kind", KINDS)
def test_all_tables_go_to_the_tables_optimizer(kind):
    model = make(FM)
    tables, net = make_optimizers(model, TrainConfig(table_optimizer=kind))
    assert [id(p) for p in tables.param_groups[0]["params"]] == [id(t) for t in tables_of(model)]
    assert [id(p) for p in net.param_groups[0]["params"]] == [id(model.bias)]
    assert model.embedding.sparse_gradient
    assert model.linear.sparse_gradient


def test_rows_of_all_tables_decide_how_they_are_updated():
    with torch.device("meta"):
        small, large = FM([900_000]), FM([1_100_000])
    assert table_optimizer(small, TrainConfig()) == "dense"
    assert table_optimizer(large, TrainConfig()) == "lazy"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", [FM, LR])
def test_a_run_that_was_interrupted_has_the_same_bits(model, kind, tmp_path):
    whole, halved, resumed = make(model), make(model), make(model)
    fit(whole, kind)

    class Stop(BaseException):
        pass

    class At:
        def on_start(self, **_): ...
        def on_validation(self, record): ...
        def on_end(self): ...
        def on_step(self, *, step, **_):
            if step == 17:
                raise Stop

    config = TrainConfig(
        epochs=3,
        batch_size=64,
        learning_rate=0.05,
        table_optimizer=kind,
        patience=9,
        checkpoint_steps=5,
    )
    with pytest.raises(Stop):
        Trainer(config, observers=[At()]).fit(halved, TRAIN, VALID, checkpoints=tmp_path)
    Trainer(config).fit(resumed, TRAIN, VALID, checkpoints=tmp_path, resume=True)
    for ours, theirs in zip(resumed.parameters(), whole.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("kind", "numbers"), [("dense", 4 * 5), ("lazy", 3 * 5 + 2), ("adagrad", 5 + 2)]
)
def test_memory_counts_every_table(kind, numbers):
    model = make(FM)
    config = TrainConfig(table_optimizer=kind, device="cpu", batch_size=64)
    found = training_memory(model, config, num_rows=600, row_bytes=13)
    assert found.table == 4 * 18 * numbers
    assert found.batch == 64 * 3 * (13 + 3 * (4 * 5 + 2 * 8))
    assert table_bytes(model) == 4 * 18 * 5
    assert cost_of(model).table_parameters == 18 * 5
    assert id_limits(make(LR)).tolist() == CARDINALITIES


def test_a_dense_gradient_of_a_penalty_on_a_table_is_taken():
    class Penalised(FM):
        def penalty(self):
            return 0.1 * self.linear.tables[0].square().sum()

    batch = next(iter(_batches()))
    models = [make(Penalised), make(Penalised)]
    step = TrainStep(models[0], TrainConfig(learning_rate=0.1, chunk_rows=9999))
    step(batch)
    plain = torch.optim.Adam(models[1].parameters(), lr=0.1)
    models[1].calculate_loss(batch).backward()
    plain.step()
    for ours, theirs in zip(*(model.parameters() for model in models), strict=True):
        torch.testing.assert_close(ours, theirs)


def _batches():
    from ctrkit.models import Batch

    labels = torch.from_numpy(TRAIN.labels.astype(np.float32))
    yield Batch(torch.from_numpy(TRAIN.ids).long(), labels)


def test_tables_of_one_name_are_copied_and_the_others_are_the_students_own():
    teacher, student = make(CrossNet, embedding_dim=4), make(FM, embedding_dim=4)
    fit(teacher)
    before = student.linear.tables[0].clone()
    trainer = DistillationTrainer(DistillConfig(), train=TrainConfig(epochs=2, batch_size=64))
    trainer.distill(student, teacher, DATA)
    assert torch.equal(student.embedding.tables[0], teacher.embedding.tables[0])
    assert not torch.equal(student.linear.tables[0], before)
    assert all(p.requires_grad for p in student.parameters())
    other = make(FM, embedding_dim=4)
    assert [their for their, _ in common_tables(student, other)] == [
        student.embedding,
        student.linear,
    ]
    assert take_table(student, other) == [other.embedding, other.linear]
    assert torch.equal(other.linear.tables[0], student.linear.tables[0])


@pytest.mark.parametrize("student", [FM, LR])
def test_they_learn_from_a_teacher(student):
    teacher, student = make(FM, embedding_init="xavier_normal"), make(student)
    fit(teacher)
    before = agreement(score(student, VALID), score(teacher, VALID)).rmse
    train = TrainConfig(epochs=5, batch_size=64, learning_rate=0.01, patience=99)
    DistillationTrainer(train=train).distill(student, teacher, DATA)
    assert agreement(score(student, VALID), score(teacher, VALID)).rmse < before


def test_a_student_of_tables_alone_keeps_its_own():
    teacher, student = make(LR), make(LR, bias=False)
    with pytest.raises(ValueError, match="must have more to learn than the tables it takes over"):
        common_tables(teacher, student)
    trainer = DistillationTrainer(DistillConfig(), train=TrainConfig(epochs=1, batch_size=64))
    trainer.fit(student, teacher, DATA)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", [FM, LR])
def test_a_run_is_written_and_opened(model, kind, tmp_path):
    generate(tmp_path / "criteo.txt", rows=1000, seed=1)
    data = prepare(tmp_path / "criteo.txt", format="criteo", out=tmp_path / "data")
    config = TrainConfig(epochs=1, batch_size=256, table_optimizer=kind)
    done = train_run(data, model=model, config=config, out=tmp_path / "run")
    run = Run(tmp_path / "run", models=[model])
    assert run.evaluate_rows(data, "test") == done.evaluations["test"]
    assert run.model.options() == done.model.options()


def test_a_teacher_without_a_common_table_cannot_give_one():
    teacher, student = make(LR), make(FM)
    with pytest.raises(ValueError, match="must have a table of the teacher's, weights, to take it"):
        common_tables(teacher, student)
    trainer = DistillationTrainer(DistillConfig(), train=TrainConfig(epochs=1, batch_size=64))
    trainer.fit(student, teacher, DATA)
    teacher.weights.ignore_widths = False
    with pytest.raises(ValueError, match="must ignore the widths of fields as the teacher does"):
        common_tables(teacher, make(LR))


def test_the_pair_freezes_the_common_tables_only():
    teacher, student = make(CrossNet, embedding_dim=4), make(FM, embedding_dim=4)
    KD_DAGFM(teacher, student, phase="distillation")
    assert not student.embedding.tables[0].requires_grad
    assert student.linear.tables[0].requires_grad
    KD_DAGFM(teacher, student, phase="finetuning")
    assert all(p.requires_grad for p in student.parameters())
