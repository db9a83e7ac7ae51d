"""Extreme numbers as options: a run that works, or one clear line before or while it trains."""

import contextlib
import math
import typing
from types import SimpleNamespace

import pytest
import torch
from small_rows import make_rows

from ctrkit.data import PrepareConfig
from ctrkit.distill import DistillationTrainer, DistillConfig
from ctrkit.models import KD_DAGFM, MODELS, CrossNet, build_model, model_options
from ctrkit.ops.dropout import dropout
from ctrkit.options import from_mapping, members, option_types
from ctrkit.runs.space import check_fits_memory, training_memory
from ctrkit.training import TrainConfig, Trainer, score_stream

TRAIN, VALID = make_rows(60), make_rows(40, seed=1)
FIELDS = [6, 6, 6]
EXTREMES = [
    *(0, -1, 1, -0.0, 5e-324, 1e-320, 0.999995, 0.999999999, 1e39, 1e300, -1e300),
    *(1.7976931348623157e308, 2**31, 2**63 - 1, 2**63, 10**12, 10**30, 10**400),
    *(math.nan, math.inf, "", True, [], [0], [2**31], [10**30], [1] * 2000),
]


def numeric(cls: type) -> list[str]:
    """Return the options that are numbers, or lists of them."""
    return [
        name
        for name, kind in option_types(cls).items()
        if any(member in (int, float) or typing.get_origin(member) for member in members(kind))
    ]


@contextlib.contextmanager
def works_or_is_refused(**given):
    """Let one clear line pass; any other error, of a kind that is a traceback, fails the test."""
    try:
        yield
    except (ValueError, TypeError) as error:
        words = (*given, "sizes are too large", "fit the memory")
        refusal = (str(error), words)
    except FloatingPointError as error:
        refusal = (str(error), ("must be finite, got",))
    except Exception as error:
        error.add_note(f"with {given}")
        raise
    else:
        return
    message, words = refusal
    assert "\n" not in message
    assert 0 < len(message) < 1100
    assert any(word in message for word in words), message


@pytest.mark.parametrize("name", numeric(TrainConfig))
def test_training(name):
    for value in EXTREMES:
        with works_or_is_refused(**{name: value}):
            schedule = {"schedule": "plateau"} if name.startswith("plateau") else {}
            # Steps so short that patience ends a run of any number of epochs.
            short = {"epochs": 2, "learning_rate": 1e-9, "batch_size": 30, "patience": 1}
            small = {**short, **schedule}
            config = from_mapping(TrainConfig, {**small, name: value}, where="x")
            torch.manual_seed(0)
            Trainer(config).fit(CrossNet(FIELDS, embedding_dim=2, num_layers=1), TRAIN, VALID)


@pytest.mark.parametrize("kd_loss", ["logits", "soft_labels"])
@pytest.mark.parametrize("name", numeric(DistillConfig))
def test_distillation(name, kd_loss):
    teacher = CrossNet(FIELDS, embedding_dim=2, num_layers=1)
    data = SimpleNamespace(train=TRAIN, valid=VALID)
    for value in EXTREMES:
        with works_or_is_refused(**{name: value}):
            config = from_mapping(DistillConfig, {"kd_loss": kd_loss, name: value}, where="x")
            student = CrossNet(FIELDS, embedding_dim=2, num_layers=1)
            train = TrainConfig(epochs=1, batch_size=60, patience=1)
            DistillationTrainer(config, train=train).fit(student, teacher, data)


@pytest.mark.parametrize(
    ("model", "name"),
    [(model, name) for model in MODELS for name in numeric(model_options(model))],
)
def test_models(model, name):
    own = option_types(model_options(model))
    small = {"embedding_dim": 2, "hidden_dims": [3], "num_maps": [2], "num_layers": 1}
    small = {key: value for key, value in small.items() if key in own}
    for value in EXTREMES:
        with works_or_is_refused(**{name: value}):
            options = {**small, name: value}
            check_fits_memory(model, FIELDS, options)
            built = build_model(model, FIELDS, options, where="x")
            Trainer(TrainConfig(epochs=1, batch_size=60)).fit(built, TRAIN)


@pytest.mark.parametrize("name", numeric(PrepareConfig))
def test_preparation(name):
    for value in EXTREMES:
        with works_or_is_refused(**{name: value}):
            from_mapping(PrepareConfig, {name: value}, where="x")


@pytest.mark.parametrize("name", ["ctr_weight", "kd_weight"])
def test_a_pair_of_teacher_and_student(name):
    for value in (-1.0, math.nan, math.inf, 1e300):
        with pytest.raises(ValueError, match=name):
            KD_DAGFM(CrossNet(FIELDS), CrossNet(FIELDS), **{name: value})


def test_a_temperature_that_float32_cannot_tell_apart_is_refused():
    for value in (1e300, 1e5, 1e-4, 5e-324):
        with pytest.raises(ValueError, match=r"temperature must lie between 0\.001 and 10000, got"):
            DistillConfig(kd_loss="soft_labels", temperature=value)
    assert DistillConfig(kd_loss="soft_labels", temperature=1e4).temperature == 1e4


def test_dropout_of_nearly_everything_leaves_finite_numbers():
    torch.manual_seed(0)
    x = torch.ones(1 << 20, requires_grad=True)
    dropped = dropout(x, 0.999995, True)
    assert set(dropped.unique().tolist()) == {0.0, 65536.0}
    assert 0.2 < dropped.mean().item() < 5.0
    dropped.sum().backward()
    assert bool(torch.isfinite(x.grad).all())


def test_a_billion_threads_are_refused():
    with pytest.raises(ValueError, match="num_workers must be at most 1024, got 1000000000"):
        next(score_stream(CrossNet(FIELDS), [], num_workers=10**9))
    with pytest.raises(ValueError, match="num_workers must be at most 1024, got 1000000000"):
        PrepareConfig(num_workers=10**9)


def test_a_batch_takes_no_more_memory_than_the_rows():
    model = CrossNet(FIELDS, embedding_dim=2)
    needed = [
        sum(training_memory(model, TrainConfig(batch_size=size), num_rows=1000, row_bytes=20))
        for size in (1000, 10**12)
    ]
    assert needed[0] == needed[1]
