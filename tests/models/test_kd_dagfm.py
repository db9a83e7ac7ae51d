"""KD_DAGFM: the losses of its three phases, and what each phase leaves alone."""

import copy
import functools

import pytest
import torch
from reference import assert_close, load, part, table_of
from test_crossnet import model_from as crossnet_from
from test_dagfm import model_from as dagfm_from
from torch import nn

from ctrkit.models import DAGFM, KD_DAGFM, MODELS, Batch, CrossNet, DCNv2, EulerNet
from ctrkit.models.kd_dagfm import PHASES

CARDINALITIES = [5, 3, 7, 4]


def make_pair(phase: str, **options) -> KD_DAGFM:
    torch.manual_seed(0)
    teacher = DCNv2(CARDINALITIES, embedding_dim=6, hidden_dims=[8], batch_norm=True, dropout=0.5)
    return KD_DAGFM(teacher, DAGFM(CARDINALITIES, embedding_dim=6), phase=phase, **options)


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    columns = [torch.randint(0, c, (12, 1), generator=generator) for c in CARDINALITIES]
    return Batch(torch.cat(columns, dim=1), (torch.arange(12) % 2).float())


def same(module: nn.Module, before: dict[str, torch.Tensor]) -> bool:
    now = module.state_dict()
    return all(torch.equal(now[name], before[name]) for name in before)


def train(pair: KD_DAGFM, batch: Batch) -> None:
    optimizer = torch.optim.AdamW(pair.parameters(), lr=0.1, weight_decay=0.1)
    pair.train()
    for _ in range(3):
        optimizer.zero_grad()
        pair.calculate_loss(batch).backward()
        optimizer.step()


@pytest.mark.parametrize("phase", PHASES)
def test_losses_equal_the_published_formulas(phase):
    golden = load("kd_dagfm_losses")
    teacher = crossnet_from(part(golden, "teacher."), cardinality=16)
    student = dagfm_from(part(golden, "student."), "outer", cardinality=16)
    ids = table_of(teacher, golden["embeddings"])
    table_of(student, golden["embeddings"])
    pair = KD_DAGFM(teacher, student, phase=phase)
    assert_close(pair.calculate_loss(Batch(ids, golden["labels"])), golden[f"loss_{phase}"])
    assert_close(teacher(ids), golden["teacher_logits"])
    assert_close(student(ids), golden["student_logits"])
    learner = "teacher" if phase == "teacher_training" else "student"
    assert_close(pair(ids), golden[f"{learner}_logits"])
    assert_close(pair.predict(ids), torch.sigmoid(golden[f"{learner}_logits"]))


def test_weights_are_the_reference_weights_by_default():
    golden = load("kd_dagfm_losses")
    pair = make_pair("distillation")
    assert (pair.ctr_weight, pair.kd_weight) == (golden["alpha"], golden["beta"])


def test_distillation_copies_the_teachers_table():
    pair = make_pair("distillation")
    theirs, ours = pair.teacher.embedding.tables[0], pair.student.embedding.tables[0]
    assert torch.equal(theirs, ours)
    assert theirs.data_ptr() != ours.data_ptr()


@pytest.mark.parametrize("phase", ["teacher_training", "finetuning"])
def test_other_phases_copy_no_table(phase):
    pair = make_pair(phase)
    assert not torch.equal(pair.teacher.embedding.tables[0], pair.student.embedding.tables[0])


def test_distillation_changes_neither_teacher_nor_table(batch):
    pair = make_pair("distillation")
    teacher, student = copy.deepcopy(pair.teacher.state_dict()), copy.deepcopy(pair.student)
    train(pair, batch)
    assert same(pair.teacher, teacher)  # running statistics of its batch norm included
    assert all(p.grad is None for p in pair.teacher.parameters())
    assert pair.student.embedding.tables[0].grad is None
    changed = {
        name
        for name, value in pair.student.state_dict().items()
        if not torch.equal(value, student.state_dict()[name])
    }
    assert changed == {name for name, _ in student.named_parameters()} - {"embedding.tables.0"}


def test_finetuning_trains_the_student_and_its_table_alone(batch):
    first = make_pair("distillation")
    pair = KD_DAGFM(first.teacher, first.student, phase="finetuning")
    teacher = copy.deepcopy(pair.teacher.state_dict())
    table = pair.student.embedding.tables[0].clone()
    train(pair, batch)
    assert same(pair.teacher, teacher)
    assert not torch.equal(pair.student.embedding.tables[0], table)


def test_teacher_training_leaves_the_student_alone(batch):
    pair = make_pair("teacher_training")
    teacher, student = (copy.deepcopy(m.state_dict()) for m in (pair.teacher, pair.student))
    train(pair, batch)
    assert same(pair.student, student)
    assert not same(pair.teacher, teacher)


def test_the_teacher_trains_on_after_it_has_taught(batch):
    pair = make_pair("distillation")
    pair.teacher.calculate_loss(batch).backward()
    assert all(p.grad is not None for p in pair.teacher.parameters())


def test_a_teacher_that_only_teaches_stays_in_eval_mode():
    pair = make_pair("distillation")
    assert not pair.teacher.training
    pair.train()
    assert pair.student.training
    assert not pair.teacher.training
    assert make_pair("teacher_training").train().teacher.training


def test_the_student_is_a_model_by_itself(batch):
    pair = make_pair("distillation").eval()
    alone = DAGFM(CARDINALITIES, **pair.student.options()).eval()
    alone.load_state_dict(pair.student.state_dict())
    assert torch.equal(alone.predict(batch.ids), pair.predict(batch.ids))


@pytest.mark.parametrize("name", MODELS)
def test_every_model_can_teach_and_be_taught(name, batch):
    model = functools.partial(MODELS[name], CARDINALITIES, embedding_dim=6)
    KD_DAGFM(model(), DAGFM(CARDINALITIES, embedding_dim=6)).calculate_loss(batch).backward()
    KD_DAGFM(CrossNet(CARDINALITIES, embedding_dim=6), model()).calculate_loss(batch).backward()


@pytest.mark.parametrize("phase", PHASES)
def test_lives_on_meta_and_runs_under_bf16_autocast(phase, batch):
    pair = make_pair(phase)
    with torch.autocast("cpu", torch.bfloat16):
        loss = pair.calculate_loss(batch)
    assert loss.dtype == torch.float32
    assert loss.isfinite()
    loss.backward()
    rows = Batch(batch.ids.to("meta"), batch.labels.to("meta"))
    assert pair.to("meta").calculate_loss(rows).device.type == "meta"


def test_distillation_adds_the_students_own_penalty(batch):
    teacher = CrossNet(CARDINALITIES, embedding_dim=6)
    torch.manual_seed(0)
    student = EulerNet(CARDINALITIES, embedding_dim=6, reg_weight=0.5)
    pair = KD_DAGFM(teacher, student, ctr_weight=0, kd_weight=0).eval()
    torch.testing.assert_close(pair.calculate_loss(batch), student.penalty())


def test_refuses_nonsense_when_built():
    teacher = CrossNet(CARDINALITIES, embedding_dim=6)
    student = DAGFM(CARDINALITIES, embedding_dim=6)
    for arguments, message in [
        ({"phase": "distilation"}, r"unknown phase 'distilation'; did you mean 'distillation'\?"),
        ({"kd_weight": -1.0}, r"kd_weight must not be negative, got -1.0"),
        ({"student": teacher}, r"teacher and student must be two models, got one object for both"),
        (
            {"student": DAGFM(CARDINALITIES, embedding_dim=4)},
            r"embedding_dim of the student must be the teacher's, 6, to take over .*, got 4",
        ),
        (
            {"student": DAGFM([5, 3], embedding_dim=6)},
            r"student must have the teacher's 4 fields to take over its table, got 2",
        ),
        (
            {"student": DAGFM([5, 3, 8, 4], embedding_dim=6)},
            r"field 2 of the student must be the teacher's, .*=7.*, got .*=8",
        ),
    ]:
        with pytest.raises(ValueError, match=message):
            KD_DAGFM(**{"teacher": teacher, "student": student, **arguments})
