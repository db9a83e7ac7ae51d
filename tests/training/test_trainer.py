"""The trainer: what is promised of a run, on small generated rows."""

import itertools
import threading

import numpy as np
import pytest
import torch
from small_rows import make_rows
from torch.nn import functional

from ctrkit.fields import FieldShape
from ctrkit.models import Batch, DCNv2, EulerNet
from ctrkit.rows import Rows
from ctrkit.training import TrainConfig, Trainer, evaluate, score, score_stream
from ctrkit.training.schedule import Schedule

TRAIN, VALID = make_rows(2000), make_rows(500, seed=1)


def make_model(seed: int = 0) -> EulerNet:
    torch.manual_seed(seed)
    return EulerNet([6, 6, 6], embedding_dim=4, orders=[6], embedding_init="xavier_normal")


def fit(model=None, *, train=TRAIN, valid=VALID, criterion=None, **options):
    model = model or make_model()
    defaults = {"epochs": 3, "batch_size": 128, "learning_rate": 0.02, "schedule": "constant"}
    defaults |= {"validations_per_epoch": 1, "warmup_steps": 0, "table_l2": 0.0}
    settings = {**defaults, **options}
    return model, Trainer(TrainConfig(**settings)).fit(model, train, valid, criterion=criterion)


def test_learns_an_interaction():
    _, result = fit(epochs=15, patience=15)
    assert result.best.valid_auc > 0.78  # the truth itself reaches about .82


def test_keeps_the_weights_of_the_best_validation():
    model, result = fit(epochs=12, learning_rate=0.3, patience=12)
    aucs = [record.valid_auc for record in result.history]
    assert result.best.valid_auc == max(aucs)
    assert evaluate(model, VALID).auc == result.best.valid_auc


def test_goes_back_to_the_best_weights_where_later_ones_are_worse():
    marks = iter([3.0, 1.0, 2.0])  # smaller is better
    model, result = fit(criterion=lambda _: next(marks))
    aucs = [record.valid_auc for record in result.history]
    assert len(set(aucs)) == 3
    assert evaluate(model, VALID).auc == result.best.valid_auc == aucs[1]


def test_same_seed_gives_the_same_weights():
    first, second = (score(fit()[0], VALID) for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, score(fit(seed=7)[0], VALID))


def test_does_not_disturb_the_callers_random_numbers_and_settings():
    model = make_model()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    fit(model)
    assert torch.rand(3).equal(expected)
    assert torch.get_float32_matmul_precision() == "highest"
    assert torch.tensor(1e-40) * 1.0 != 0


@pytest.mark.parametrize("table_optimizer", ["dense", "lazy"])
@pytest.mark.parametrize("reg_weight", [0.0, 0.01])
def test_chunks_of_rows_change_nothing(table_optimizer, reg_weight):
    scores = []
    for chunk_rows in (None, 1000, 50, 1):
        torch.manual_seed(0)
        model = EulerNet(
            [6] * 3, embedding_dim=4, dropout_ex=0, dropout_im=0, reg_weight=reg_weight
        )
        options = {"chunk_rows": chunk_rows, "table_optimizer": table_optimizer}
        fit(model.double(), train=make_rows(300), epochs=1, **options)
        scores.append(score(model, VALID))
    for other in scores[1:]:
        np.testing.assert_allclose(other, scores[0], rtol=1e-6)


def test_a_model_with_batch_norm_sees_whole_batches():
    rows_seen = []

    def fit_dcn(**options):
        model = DCNv2([6] * 3, embedding_dim=4, hidden_dims=[4], batch_norm=True)
        model.mlp.norms[0].register_forward_hook(lambda _, x, __: rows_seen.append(len(x[0])))
        fit(model, valid=None, epochs=1, batch_size=1000, **options)
        return rows_seen[-1]

    assert fit_dcn() == 1000
    assert fit_dcn(chunk_rows=100) == 100


def test_stops_after_patience_validations_without_a_better_one():
    _, result = fit(epochs=50, learning_rate=1e-12, schedule="constant", patience=3)
    assert result.epochs < 50
    assert result.stopped == "no validation better by 1e-05 in 3"


def test_runs_all_epochs_without_validation_rows():
    _, result = fit(valid=None)
    assert result.epochs == 3
    assert result.best.valid_auc is None


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"validations_per_epoch": 1}, [16, 32, 48]),
        ({"validations_per_epoch": 2}, [8, 16, 24, 32, 40, 48]),
        ({"validate_every": 20}, [20, 40, 48]),
        ({"validations_per_epoch": 1000, "epochs": 1}, list(range(1, 17))),
    ],
)
def test_validates_when_asked(options, steps):
    _, result = fit(patience=1000, **options)
    assert [record.step for record in result.history] == steps


def test_history_is_plain_data():
    _, result = fit()
    assert len(result.history.to_frame()) == len(result.history.to_dicts()) == 3
    assert result.to_dict()["num_parameters"] == sum(p.numel() for p in make_model().parameters())
    assert "<table" in result._repr_html_()


def test_plateau_lowers_the_step_size_without_improvement():
    _, result = fit(
        epochs=4, learning_rate=1e-12, min_learning_rate=0, schedule="plateau", patience=4
    )
    rates = [record.learning_rate for record in result.history]
    assert rates[-1] < rates[0]


@pytest.mark.parametrize(("patience", "drops"), [(1, [1, 2, 3, 4]), (2, [0, 1, 1, 2])])
def test_plateau_waits_for_its_patience(patience, drops):
    config = TrainConfig(
        schedule="plateau", plateau_patience=patience, min_learning_rate=0, warmup_steps=0
    )
    optimizer = torch.optim.Adam(make_model().parameters(), lr=1.0)
    schedule = Schedule([optimizer], config, total_steps=10)
    rates = []
    for step in range(1, 5):
        schedule.after_validation(improved=False)
        schedule.before_step(step)
        rates.append(schedule.learning_rate)
    assert rates == pytest.approx([0.1**drop for drop in drops])


def test_plateau_may_be_that_of_another_figure_than_the_one_that_chooses():
    """AUC still improves where logloss, grown overconfident, does not; and the reverse."""
    plateau = {"schedule": "plateau", "plateau_patience": 1, "plateau_factor": 0.5}
    options = {**plateau, "epochs": 12, "learning_rate": 0.1, "patience": 12}
    _, result = fit(**options, monitor="auc", plateau_monitor="logloss")
    losses = [record.valid_logloss for record in result.history]
    worse = [i for i in range(1, 12) if losses[i] >= min(losses[:i])]
    rates = [record.learning_rate for record in result.history]
    lowered = [i for i in range(11) if rates[i + 1] < rates[i]]
    assert lowered == [i for i in worse if i < 11]
    aucs = [record.valid_auc for record in result.history]
    assert result.best.valid_auc == max(aucs)
    assert [a < max(aucs[:i]) for i, a in enumerate(aucs) if i] != [
        b >= min(losses[:i]) for i, b in enumerate(losses) if i
    ]  # so that the two figures differed at all


def test_cosine_falls_to_the_floor_after_a_warm_up():
    _, result = fit(
        schedule="cosine", warmup_steps=8, validate_every=4, patience=99, min_learning_rate=1e-4
    )
    rates = [record.learning_rate for record in result.history]
    assert rates[0] == pytest.approx(0.01)
    assert rates[1] == pytest.approx(0.02)
    assert rates[-1] == pytest.approx(1e-4)


def test_l2_on_the_table_falls_with_the_number_of_rows_where_none_is_given():
    assert TrainConfig().for_rows(1000).table_l2 == 1e-2
    assert TrainConfig().for_rows(800_000).table_l2 == pytest.approx(2e-3)
    assert TrainConfig(table_l2=0.5).for_rows(800_000).table_l2 == 0.5
    _, result = fit()
    assert result.settings["table_l2"] == 0.0


def test_table_l2_is_half_of_it_times_the_squared_norm():
    """One SGD-like look: the first Adam moment after a step is 0.1 times the whole gradient."""
    from ctrkit.training.optimizers.choice import make_optimizers

    model = make_model().eval()
    config = TrainConfig(table_l2=0.5, net_l2=0.25)
    table, net = make_optimizers(model, config)
    batch = Batch(torch.from_numpy(TRAIN.ids[:64]), torch.from_numpy(TRAIN.labels[:64]))
    loss = functional.binary_cross_entropy_with_logits(model(batch.ids), batch.labels.float())
    weight, mu = model.embedding.tables[0], model.mu
    whole = loss + 0.25 * weight.pow(2).sum() + 0.125 * mu.pow(2).sum()
    expected = torch.autograd.grad(whole, [weight, mu])
    model.calculate_loss(batch).backward()
    table.step()
    net.step()
    torch.testing.assert_close(table.state[weight]["exp_avg"], 0.1 * expected[0])
    torch.testing.assert_close(net.state[mu]["exp_avg"], 0.1 * expected[1])


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "adamw"},
        {"clip_norm": 0.1},
        {"table_optimizer": "lazy"},
        {"table_optimizer": "adagrad", "table_learning_rate": 0.2},
    ],
)
def test_other_options_train_too(options):
    _, result = fit(epochs=8, patience=8, **options)
    assert result.best.valid_auc > 0.7


def test_trains_under_bf16_autocast():
    _, result = fit(epochs=12, patience=12, precision="bf16")
    assert result.best.valid_auc > 0.7


def test_a_custom_loss_is_minimised_instead():
    model = make_model()
    target = 3.0
    Trainer(TrainConfig(epochs=30, learning_rate=0.02)).fit(
        model, TRAIN, loss=lambda batch: (model(batch.ids) - target).pow(2).mean()
    )
    assert abs(score(model, VALID).mean() - target) < 0.5


def test_non_finite_loss_stops_the_run_and_names_the_checkpoint(tmp_path):
    model = make_model()
    calls = []

    def loss(batch):
        calls.append(1)
        bad = float("nan") if len(calls) > 16 else 1.0
        return model.calculate_loss(batch) * bad

    trainer = Trainer(TrainConfig(epochs=3, batch_size=128))
    with pytest.raises(
        FloatingPointError,
        match=r"loss must be finite, got nan by step 20 with learning rate 0.001.*best\.pt",
    ):
        trainer.fit(model, TRAIN, VALID, checkpoints=tmp_path, loss=loss)
    saved = torch.load(tmp_path / "best.pt", weights_only=True)["model"]
    assert all(torch.isfinite(value).all() for value in saved.values())


def test_non_finite_loss_without_a_folder_gives_the_best_weights_back():
    model = make_model()
    calls = []

    def loss(batch):
        calls.append(1)
        return model.calculate_loss(batch) * (float("inf") if len(calls) > 16 else 1.0)

    with pytest.raises(FloatingPointError, match="holds the weights of its best validation again"):
        Trainer(TrainConfig(batch_size=128)).fit(model, TRAIN, VALID, loss=loss)
    assert np.isfinite(score(model, VALID)).all()


def test_writes_best_and_last_checkpoints(tmp_path):
    model = make_model()
    Trainer(TrainConfig(epochs=2)).fit(model, TRAIN, VALID, checkpoints=tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["best.pt", "last.pt"]


def test_observers_hear_of_every_step_and_row():
    heard = {"rows": 0, "steps": [], "validations": 0, "ended": 0, "losses": 0}

    class Ear:
        def on_start(self, *, total_steps, num_rows, done_rows):
            heard["total"] = (total_steps, num_rows)

        def on_step(self, *, step, rows, loss):
            heard["steps"].append(step)
            heard["rows"] += rows
            heard["losses"] += loss is not None

        def on_validation(self, record):
            heard["validations"] += 1

        def on_end(self):
            heard["ended"] += 1

    config = TrainConfig(epochs=2, batch_size=128, validations_per_epoch=1)
    Trainer(config, observers=[Ear()]).fit(make_model(), TRAIN, VALID)
    assert heard["total"] == (32, 2000)
    assert heard["steps"] == list(range(1, 33))
    assert (heard["rows"], heard["validations"], heard["ended"]) == (4000, 2, 1)
    assert heard["losses"] > 0


def test_logits_do_not_depend_on_how_rows_arrive():
    model = make_model()
    rows = make_rows(5000)
    whole = score(model, rows)
    cuts = [0, 1, 700, 2500, 2501, 5000]
    blocks = [Rows(rows.ids[a:b]) for a, b in itertools.pairwise(cuts)]
    assert np.array_equal(np.concatenate(list(score_stream(model, blocks))), whole)


@pytest.mark.parametrize("num_workers", [1, 2, 5])
def test_logits_do_not_depend_on_the_number_of_threads(monkeypatch, num_workers):
    monkeypatch.setattr("ctrkit.training.scoring.BLOCK_ROWS", 2048)
    model = make_model()
    rows = make_rows(5000)
    parts = list(score_stream(model, [Rows(rows.ids)], num_workers=num_workers))
    assert [len(part) for part in parts] == [2048, 2048, 904]
    assert np.array_equal(np.concatenate(parts), score(model, rows))


def test_scoring_leaves_no_thread_behind(monkeypatch):
    monkeypatch.setattr("ctrkit.training.scoring.BLOCK_ROWS", 1024)
    rows = make_rows(5000)
    rows.ids[4000] = 6
    before = threading.active_count()
    found = score_stream(make_model(), [Rows(rows.ids)], num_workers=3)
    for _ in range(3):
        assert len(next(found)) == 1024
        assert threading.active_count() == before
    with pytest.raises(ValueError, match="id column 0 has id 6 but the model knows 6 ids"):
        next(found)
    assert threading.active_count() == before


def test_scoring_needs_a_thread():
    with pytest.raises(ValueError, match="num_workers must be positive, got 0"):
        next(score_stream(make_model(), [Rows(VALID.ids)], num_workers=0))


def test_scoring_leaves_the_mode_as_it_was():
    model = make_model().train()
    score(model, VALID)
    assert model.training


def test_training_without_rows_is_an_error():
    with pytest.raises(ValueError, match="training needs at least one row, got none"):
        Trainer().fit(make_model(), make_rows(0), VALID)


def test_validation_rows_of_one_class_are_an_error():
    valid = make_rows(100)
    valid.labels[:] = 1
    with pytest.raises(
        ValueError, match="validation rows need both classes, got 100 clicks in 100"
    ):
        Trainer().fit(make_model(), TRAIN, valid)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate must be positive, got 0.0"),
        ({"learning_rate": -1.0}, "learning_rate must be positive, got -1.0"),
        ({"learning_rate": float("nan")}, "learning_rate must be positive, got nan"),
        ({"batch_size": 0}, "batch_size must be positive, got 0"),
        ({"table_l2": -0.1}, "table_l2 must not be negative, got -0.1"),
        ({"optimizer": "adm"}, r"unknown optimizer 'adm'; did you mean 'adam'\?"),
        ({"schedule": "linear"}, "unknown schedule 'linear'; choose from constant, cosine, plat"),
        ({"clip_norm": 0.0}, "clip_norm must be positive, got 0.0"),
        (
            {"compile": True, "table_optimizer": "lazy"},
            "compile goes with the dense table optimizer only, got 'lazy'",
        ),
    ],
)
def test_options_out_of_range_are_errors(options, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**options)


@pytest.mark.parametrize("name", ["cpux", "gpu"])
def test_unknown_devices_are_errors(name):
    with pytest.raises(ValueError, match=f"device must be auto, cpu, cuda or cuda:N, got '{name}'"):
        fit(device=name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_missing_cuda_device_is_an_error():
    with pytest.raises(ValueError, match="device 'cuda:1' is not there: 0 CUDA devices; use cpu"):
        fit(device="cuda:1")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
def test_trains_on_cuda():
    model, result = fit(device="cuda", epochs=15, patience=15)
    assert next(model.parameters()).is_cuda
    assert result.best.valid_auc > 0.78


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")  # torch.compile's own
def test_trains_compiled():
    _, result = fit(epochs=8, patience=8, compile=True)
    assert result.best.valid_auc > 0.7


def test_training_rows_of_one_class_are_an_error():
    train = make_rows(100)
    train.labels[:] = 0
    with pytest.raises(ValueError, match="training rows need both classes, got 0 clicks in 100"):
        Trainer().fit(make_model(), train, VALID)


def test_no_validation_rows_are_the_same_as_none():
    _, result = fit(valid=make_rows(0))
    assert result.best.valid_auc is None


def test_weights_that_become_nan_stop_the_run_and_name_the_checkpoint(tmp_path):
    model = make_model()

    class Breaker:
        def on_start(self, *, total_steps, num_rows, done_rows): ...

        def on_step(self, *, step, rows, loss):
            if step == 32:  # the last step before a validation
                with torch.no_grad():
                    model.mu.fill_(float("nan"))

        def on_validation(self, record): ...

        def on_end(self): ...

    trainer = Trainer(TrainConfig(batch_size=128), observers=[Breaker()])
    message = r"validation logits must be finite, got nan by step 32 .* checkpoint is .*best\.pt"
    with pytest.raises(FloatingPointError, match=message):
        trainer.fit(model, TRAIN, VALID, checkpoints=tmp_path)


def test_checkpoints_of_an_earlier_run_are_not_taken_for_this_ones(tmp_path):
    (tmp_path / "best.pt").write_bytes(b"old")
    model = make_model()
    with pytest.raises(FloatingPointError, match="There is no good checkpoint yet"):
        Trainer(TrainConfig(batch_size=64)).fit(
            model,
            TRAIN,
            VALID,
            checkpoints=tmp_path,
            loss=lambda batch: model.calculate_loss(batch) * float("nan"),
        )


@pytest.mark.parametrize("bad", [6, -1])
def test_ids_out_of_range_are_named(bad):
    rows = make_rows(100)
    rows.ids[7, 1] = bad
    message = rf"id column 1 has id {bad} but the model knows 6 ids"
    with pytest.raises(ValueError, match=message):
        score(make_model(), rows)
    with pytest.raises(ValueError, match=message):
        Trainer().fit(make_model(), rows)


def test_values_are_scored_in_chunks_too():
    torch.manual_seed(0)
    fields = [6, FieldShape(cardinality=2, has_value=True)]
    model = EulerNet(fields, embedding_dim=4, orders=[3], embedding_init="xavier_normal").eval()
    generator = np.random.default_rng(0)
    ids = np.stack([generator.integers(0, 6, 3000), np.ones(3000)], axis=1).astype(np.int32)
    values = generator.normal(size=(3000, 1)).astype(np.float32)
    rows = Rows(ids, values=values)
    blocks = [rows[:5], rows[5:2000], rows[2000:]]
    with torch.inference_mode():
        expected = model(torch.from_numpy(ids), torch.from_numpy(values)).numpy()
    actual = np.concatenate(list(score_stream(model, blocks)))
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_scoring_in_parts_leaves_the_caller_alone_in_between():
    model = make_model().train()
    rows = make_rows(3000)
    parts = score_stream(model, [Rows(rows.ids)])
    next(parts)
    assert not torch.is_inference_mode_enabled()
    assert torch.get_float32_matmul_precision() == "highest"
    assert model.training


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 2.5}, "epochs must be int, got 2.5"),
        ({"epochs": "3"}, "epochs must be int, got '3'"),
        ({"compile": 1}, "compile must be bool, got 1"),
    ],
)
def test_options_of_the_wrong_type_are_errors(options, message):
    with pytest.raises(TypeError, match=message):
        TrainConfig(**options)
