"""What the benchmarks rest on: plain formulas that are right, and tables that are the results."""

import time

import pytest
import torch

from benchmarks import interact, products, report
from benchmarks.harness import RESULTS, Spread, compare, compare_apart
from benchmarks.plain import plain_interaction
from benchmarks.side import Side, Work
from benchmarks.suite import MODELS, make_batch, make_model, make_vectors


@pytest.mark.parametrize("name", MODELS)
def test_the_plain_way_computes_the_same(name):
    model = make_model(name, num_fields=5, embedding_dim=4).double().eval()
    vectors = make_vectors(7, num_fields=5, embedding_dim=4).double()
    torch.testing.assert_close(plain_interaction(model)(vectors), model.interact(vectors))


def test_frequent_ids_are_frequent():
    ids = make_batch(4000, table_rows=3900).ids
    assert ids.min() >= 0
    assert 95 <= ids.max() < 100
    assert ids.lt(10).float().mean() > 0.5


def sleeper(seconds: float):
    """Return work that takes `seconds` of the wall clock; by its name it reaches a process."""
    return lambda: time.sleep(seconds)


def test_a_side_works_in_a_process_of_its_own():
    with Side(Work(sleeper, {"seconds": 0.05}), threads=1) as side:
        assert 0.1 <= side.run(2, clock="wall") < 5
        assert side.run(2, clock="cpu") < 0.1
        assert side.peak_bytes() > 1 << 20


def burner(rounds: int):
    """Return work that takes time of the processor in proportion to `rounds`."""
    return lambda: sum(i * i for i in range(rounds))


def test_a_ratio_is_that_of_the_two_sides(capsys):
    found = compare("short, long", "rounds", 1, burner(100_000), burner(1_000_000), repeats=3)
    assert 3 < found.ratio.median < 40
    assert found.ratio.low <= found.ratio.median <= found.ratio.high
    assert "times the other way" in capsys.readouterr().out


def test_sides_apart_give_the_same_kind_of_result():
    found = compare_apart(
        "short, long",
        "rounds",
        1,
        Work(burner, {"rounds": 100_000}),
        Work(burner, {"rounds": 1_000_000}),
        repeats=2,
        details={"model": "none"},
    )
    assert 3 < found.ratio.median < 40
    assert found.details["model"] == "none"
    assert found.details["threads"] == 1


def test_a_spread_is_smallest_median_largest():
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(1.0, 2.0, 3.0)


def test_bytes_saved_for_backward_are_counted_once():
    x = torch.ones(1000, requires_grad=True)
    assert interact._saved_bytes(lambda: (x * x).sum()) == 4000
    assert interact._saved_bytes(lambda: (x.exp() * 2).sum()) == 4000


def test_the_page_shows_the_results_that_are_committed():
    page = report.PAGE.read_text(encoding="utf-8")
    assert report.with_tables(page) == page
    shown = {name for _, name, _ in report.BLOCK.findall(page)}
    assert shown == set(report.TABLES)
    assert all((RESULTS / f"{name}.json").exists() for name in shown)


@pytest.mark.parametrize("kind", ["train", "score"])
def test_products_alone_are_those_of_a_step(kind, monkeypatch):
    model = make_model("crossnet", num_fields=3, embedding_dim=2)
    monkeypatch.setattr(products, "make_model", lambda name: model)
    monkeypatch.setattr(products, "make_batch", lambda rows: make_batch(rows, num_fields=3))
    work = products.make_products("crossnet", 7, kind)
    work()  # the first time, it finds out which kernel is exact
    with products.Recorder() as recorder:
        work()
    layers = model.num_layers + 1  # and the output
    assert len(recorder.products) == (layers if kind == "score" else 3 * layers)
