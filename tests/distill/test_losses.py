"""The distillation losses, against the published fixture and their definitions."""

import math

import pytest
import torch
from small import CARDINALITIES, make_student, make_teacher
from torch.nn import functional

from ctrkit.distill import DistillConfig, distillation_loss, logit_distance, soft_label_distance
from ctrkit.models import KD_DAGFM, Batch, EulerNet

LOGITS = torch.tensor([-2.0, 0.5, 3.0], dtype=torch.float64)
TEACHER = torch.tensor([-1.0, 0.0, 4.0], dtype=torch.float64)


@pytest.fixture
def batch() -> Batch:
    ids = torch.randint(0, 6, (12, 3), generator=torch.Generator().manual_seed(1))
    return Batch(ids, (torch.arange(12) % 2).float())


def test_loss_with_cached_logits_equals_that_of_kd_dagfm(batch):
    """KD_DAGFM is held to the published fixture; this loss must be the same without a teacher."""
    teacher, student = make_teacher(), make_student()
    pair = KD_DAGFM(teacher, student, phase="distillation")
    expected = pair.calculate_loss(batch)
    targets = teacher(batch.ids).detach()
    found = distillation_loss(student, DistillConfig())(batch._replace(targets=targets))
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)


def test_logit_distance_is_the_mean_square():
    assert float(logit_distance(LOGITS, TEACHER)) == (1 + 0.25 + 1) / 3


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_soft_label_distance_is_a_cross_entropy_of_two_coins(temperature):
    expected = 0.0
    for ours, theirs in zip(LOGITS.tolist(), TEACHER.tolist(), strict=True):
        p = 1 / (1 + math.exp(-ours / temperature))
        q = 1 / (1 + math.exp(-theirs / temperature))
        expected -= temperature**2 * (q * math.log(p) + (1 - q) * math.log(1 - p)) / 3
    found = soft_label_distance(LOGITS, TEACHER, temperature=temperature)
    assert float(found) == pytest.approx(expected, rel=1e-12)


def test_soft_labels_at_a_high_temperature_compare_logits():
    logits = LOGITS.clone().requires_grad_()
    soft_label_distance(logits, TEACHER, temperature=1e4).backward()
    assert torch.allclose(logits.grad, (LOGITS - TEACHER) / 12, rtol=1e-3)


def test_soft_labels_are_least_where_student_and_teacher_agree():
    logits = TEACHER.clone().requires_grad_()
    soft_label_distance(logits, TEACHER, temperature=2.0).backward()
    assert logits.grad.abs().max() < 1e-15


def test_weights_are_factors_of_the_two_terms(batch):
    student = make_student()
    targets = torch.linspace(-1, 1, 12)
    config = DistillConfig(kd_loss="soft_labels", ctr_weight=2.0, kd_weight=3.0, temperature=2.0)
    logits = student(batch.ids)
    expected = 2 * functional.binary_cross_entropy_with_logits(logits, batch.labels)
    expected = expected + 3 * soft_label_distance(logits, targets, temperature=2.0)
    found = distillation_loss(student, config)(batch._replace(targets=targets))
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)


def test_penalty_of_the_student_is_added(batch):
    batch = batch._replace(targets=torch.zeros(12))
    torch.manual_seed(0)
    student = EulerNet(CARDINALITIES, embedding_dim=4, orders=[3], reg_weight=0.5).eval()
    with_penalty = distillation_loss(student, DistillConfig())(batch).item()
    penalty = student.penalty().item()
    student.reg_weight = 0.0
    without = distillation_loss(student, DistillConfig())(batch).item()
    assert penalty > 0
    assert with_penalty - without == pytest.approx(penalty, rel=1e-4)


def test_half_precision_logits_are_widened(batch):
    student = make_student()
    with torch.autocast("cpu", torch.bfloat16):
        loss = distillation_loss(student, DistillConfig())(batch._replace(targets=torch.zeros(12)))
    assert loss.dtype == torch.float32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kd_loss": "logit"}, "unknown kd_loss 'logit'; did you mean 'logits'"),
        ({"student_table": "shared"}, "unknown student_table 'shared'"),
        ({"select_by": "loss"}, "unknown select_by 'loss'; choose from agreement, auc"),
        ({"temperature": 0.0}, "temperature must be positive, got 0.0"),
        ({"temperature": 2.0}, "temperature must be 1 with kd_loss 'logits', got 2.0"),
        ({"kd_weight": -1.0}, "kd_weight must not be negative, got -1.0"),
        ({"ctr_weight": 0.0, "kd_weight": 0.0}, "must not both be 0"),
        ({"finetune_epochs": 0}, "finetune_epochs must be positive, got 0"),
    ],
)
def test_nonsense_is_refused_when_the_options_are_built(options, message):
    with pytest.raises(ValueError, match=message):
        DistillConfig(**options)


def test_weights_that_are_not_given_are_those_of_the_loss():
    assert DistillConfig().weights == (0.1, 921.6)
    assert DistillConfig(kd_loss="soft_labels").weights == (0.1, 0.9)
    assert DistillConfig(ctr_weight=0.0).weights == (0.0, 921.6)
