"""Figures in the documentation are those of ``benchmarks/results``, rounded as they are printed.

The tables of docs/development/performance.md are generated (``tests/test_benchmarks.py``). The
tables here were written by hand; each cell is compared with the file it came from.
"""

import json
from functools import cache
from pathlib import Path
from statistics import mean

import pytest

from benchmarks.harness import RESULTS
from benchmarks.statistics import mean_interval
from ctrkit.models import build_model
from ctrkit.models.cost import cost_of

ROOT = Path(__file__).parents[1]
MODELS = ("teacher", "alone", "distilled", "finetuned")
LOGS = {"Frappe_x1": "frappe", "Criteo 100k": "criteo", "Avazu 23k": "avazu"}
PAIRS = {"CrossNet-3 -> outer-3": "crossnet", "CIN -> inner-3": "cin"}
MIB, GIB = 1 << 20, 1 << 30


@cache
def results(name: str) -> list[dict]:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["results"]


@cache
def tables(page: str) -> list[list[list[str]]]:
    """Return the tables of a page: their rows without the rule, each a list of cells."""
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    found, rows = [], []
    for line in [*lines, ""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip()[1:-1].split("|")])
        elif rows:
            found.append([rows[0], *rows[2:]])
            rows = []
    return found


def table(page: str, *heads: str) -> list[list[str]]:
    """Return the rows below the head of the one table that begins with these heads."""
    (rows,) = [rows for rows in tables(page) if rows[0][: len(heads)] == list(heads)]
    return rows[1:]


def short(value: float, digits: int) -> str:
    """Spell a number below one as the pages do, without a zero in front."""
    return f"{value:.{digits}f}".removeprefix("0")


def signed(value: float, digits: int) -> str:
    return f"{'−' if value < 0 else '+'}{short(abs(value), digits)}"


def spread(values: list[float], digits: int, half_digits: int | None = None) -> str:
    middle, half = mean_interval(values)
    return f"{short(middle, digits)} ± {short(half, half_digits or digits)}"


def of_seeds(name: str, key: str) -> list[float]:
    return [seed[key] for seed in results(name)[0]["seeds"]]


def of_models(name: str, model: str, key: str) -> list[float]:
    models = [seed["models"][model] for seed in results(name)[0]["seeds"]]
    return [m[key] if key in m else m["agreement"][key] for m in models]


def difference(ours: list[float], theirs: list[float]) -> str:
    middle, half = mean_interval([a - b for a, b in zip(ours, theirs, strict=True)])
    return f"{signed(middle, 5)} ± {short(half, 5)}"


def test_readme_results():
    rows = {(row[0], row[1].split(",")[0]): row for row in table("README.md", "data", "what")}
    frappe, criteo, avazu, planted, by_cin, by_crossnet = rows.values()
    start = "frappe_xavier_uniform_pairs"
    assert frappe[2] == spread(of_seeds(start, "auc"), 5, 4)
    assert frappe[3] == spread(of_seeds(start, "logloss"), 4)
    for row, name in ((criteo, "samples_criteo"), (avazu, "samples_avazu")):
        assert row[2] == spread(of_seeds(name, "eulernet_auc"), 4)
        assert row[3] == short(mean(of_seeds(name, "eulernet_logloss")), 4)
        linear = (short(mean(of_seeds(name, f"linear_{key}")), 4) for key in ("auc", "logloss"))
        assert row[4] == "tuned logistic regression {} / {} on the same splits".format(*linear)
    (found,) = results("planted_2m")
    best = f"best possible {short(found['best_auc'], 4)} / {short(found['best_logloss'], 4)}"
    assert planted[2:4] == [short(found[f"eulernet_{key}"], 4) for key in ("auc", "logloss")]
    assert planted[4] == f"{best}, logistic regression {short(found['linear_auc'], 4)}"
    for row, name, digits in (
        (by_cin, "distillation_frappe_cin", 0),
        (by_crossnet, "distillation_criteo_crossnet", 1),
    ):
        students, teachers = (
            [
                short(mean(of_models(name, model, "auc")), 5),
                short(mean(of_models(name, model, "logloss")), 4),
            ]
            for model in ("finetuned", "teacher")
        )
        costs = [mean(of_models(name, m, "multiply_adds")) for m in ("teacher", "finetuned")]
        assert row[2:4] == students
        times = f"{costs[0] / costs[1]:.{digits}f}"
        said = f"its teacher {' / '.join(teachers)}, with {times} times the arithmetic"
        assert row[4].startswith(said)


def test_readme_rates():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    small, large = results("prepare")
    low, high = (f"{round(r['rows_per_second']['median'], -4):,.0f}" for r in (large, small))
    assert f"at {low} to {high} rows/s on two cores, in under 0.5 GiB" in text
    assert max(small["peak_bytes"], large["peak_bytes"]) < GIB / 2


def test_frappe_by_seed():
    seeds = results("frappe_xavier_uniform_pairs")[0]["seeds"]
    expected = [
        [str(s["seed"]), f"{s['epochs']:.0f}", short(s["auc"], 5), short(s["logloss"], 4)]
        for s in seeds
    ]
    means = [spread([s["auc"] for s in seeds], 5), spread([s["logloss"] for s in seeds], 4)]
    rows = table("docs/reproducing.md", "seed", "epochs")
    assert rows[:-1] == [*expected, ["mean", "", *means]]


def test_samples_against_logistic_regression():
    rows = table("docs/reproducing.md", "log", "test", "logistic regression")
    expected = []
    for log in ("Criteo", "Avazu"):
        for figure, printed in (("auc", "AUC"), ("logloss", "logloss")):
            ours, theirs = (
                of_seeds(f"samples_{log.lower()}", f"{model}_{figure}")
                for model in ("eulernet", "linear")
            )
            middle, half = mean_interval([a - b for a, b in zip(ours, theirs, strict=True)])
            gap = f"{signed(middle, 4)} ± {short(half, 4)}"
            name = log if figure == "auc" else ""
            expected.append([name, printed, spread(theirs, 4), spread(ours, 4), gap])
    assert rows == expected


def test_distillation_in_full():
    rows = table("docs/reproducing.md", "log", "pair", "model")
    expected = []
    for short_log in LOGS.values():
        for teacher in PAIRS.values():
            name = f"distillation_{short_log}_{teacher}"
            teachers = of_models(name, "teacher", "auc")
            for model in MODELS:
                aucs = of_models(name, model, "auc")
                cells = [spread(aucs, 5), "", short(mean(of_models(name, model, "logloss")), 4)]
                if model != "teacher":
                    cells[1] = difference(aucs, teachers)
                    cells += [
                        short(mean(of_models(name, model, key)), 4)
                        for key in ("rmse", "correlation", "pairs_alike")
                    ]
                expected.append([model, *cells])
    assert [[cell for cell in row[2:] if cell] for row in rows] == [
        [cell for cell in row if cell] for row in expected
    ]


def test_distillation_in_short():
    rows = table("docs/distillation.md", "log", "pair", "teacher")
    assert len(rows) == len(LOGS) * len(PAIRS)
    for log, pair, *aucs in rows:
        name = f"distillation_{LOGS[log]}_{PAIRS[pair]}"
        assert aucs == [short(mean(of_models(name, model, "auc")), 5) for model in MODELS]


def test_what_chooses_the_distilled_weights():
    rows = table("docs/reproducing.md", "Avazu, CrossNet-3 -> outer-3")
    names = {"agreement": "distillation_avazu_crossnet", "AUC": "distillation_avazu_crossnet_auc"}
    for chosen_by, *aucs in rows:
        name = names[chosen_by]
        assert aucs == [spread(of_models(name, m, "auc"), 5) for m in ("distilled", "finetuned")]


def test_planted_rows():
    names = {"1,000,000": "planted_1m", "2,000,000": "planted_2m", "1,300,000": "planted_1300k"}
    rows = table("docs/reproducing.md", "rows", "epochs", "best possible")
    assert [row[0] for row in rows] == list(names)
    for size, _, *cells in rows:
        (found,) = results(names[size])
        best = found["best_auc"]
        short_of = [
            f"{short(found[key], 4)} ({short(best - found[key], 4)} short)"
            for key in ("eulernet_auc", "linear_auc")
        ]
        assert cells == [short(best, 4), *short_of]


@pytest.mark.parametrize(
    ("page", "second_head"),
    [("docs/reproducing.md", "rows/s, 2 threads"), ("docs/development/preparing.md", "file")],
)
def test_preparing(page, second_head):
    rows = table(page, "rows", second_head)
    for row, found in zip(rows, results("prepare"), strict=True):
        size = row[0].replace(",", "").replace(" M", "000000")
        assert int(size) == found["rows"]
        rate = f"{round(found['rows_per_second']['median'], -4):,.0f}"
        assert row[-2:] == [rate, f"{found['peak_bytes'] / GIB:.2f} GiB"]


def test_memory_of_vocabularies():
    rows = table("docs/development/memory.md", "categories", "bytes of each")
    keys = ("formula_bytes", "more_bytes", "peak_bytes")
    for row, found in zip(rows, results("vocabularies"), strict=True):
        assert row[:2] == [f"{found['categories'] // 1_000_000} M", str(found["text_bytes"])]
        assert row[2:] == [f"{found[key] / MIB:,.0f} MiB" for key in keys]


def test_memory_against_its_formula():
    rows = table("docs/development/memory.md", "what", "less the same with")
    found = [result for result in results("memory") if "formula_bytes" in result]
    assert [row[-2:] for row in rows] == [
        [f"{r['formula_bytes'] / MIB:.0f} MiB", f"{r['peak_bytes'] / MIB:.0f} MiB"] for r in found
    ]
    text = (ROOT / "docs/development/memory.md").read_text(encoding="utf-8")
    peaks = {r["name"]: [f"{b / MIB:.0f}" for b in r["peak_bytes"]] for r in results("memory")[-2:]}
    assert (
        "`prepare` took {} MiB for 200,000 generated Criteo rows and {}".format(*peaks["prepare"])
        in text
    )
    assert "`predict` {} and {}".format(*peaks["predict"]) in text


def test_batches_of_blocks_and_rows():
    rows = table("docs/development/memory.md", "order", "cache")
    epochs = [result for result in results("batches") if "times_read" in result]
    for row, found in zip(rows, epochs, strict=True):
        assert found["name"].startswith(f"epoch of {row[0]}")
        digits = 1 if found["times_read"] < 10 else 0
        rate = found["rows_per_wall_second"]
        assert row[2:] == [
            f"{found['peak_bytes'] / MIB:.0f} MiB",
            f"{found['times_read']:.{digits}f} times",
            f"{round(rate, -4 if rate > 1e6 else -3):,.0f}",
        ]


def test_what_blocks_and_rows_learn():
    rows = table("docs/development/memory.md", "log", "blocks", "rows")
    found = [result for result in results("batches") if "auc" in result]
    for (_, blocks, ones, gap), result in zip(rows, found, strict=True):
        assert blocks == spread(result["auc"]["blocks"], 4)
        assert ones == spread(result["auc"]["rows"], 4)
        middle, half = result["difference"]
        assert gap == f"{signed(middle, 4)} ± {short(half, 4)}"


def test_starts_of_the_implicit_weights_on_the_samples():
    rows = table("docs/models/eulernet.md", "log", "normal_0.01")
    for log, *cells in rows:
        starts = results(f"starts_{log.lower()}")[0]["starts"]
        for cell, seeds in zip(cells, starts.values(), strict=True):
            aucs = [seed["auc"] for seed in seeds]
            assert cell == f"{', '.join(short(a, 4) for a in aucs)} (mean {short(mean(aucs), 4)})"


def test_starts_of_the_implicit_weights_on_frappe():
    for start, aucs, middle, loss in table("docs/models/eulernet.md", "start", "test AUC by seed"):
        name = f"frappe_{start}_pairs"
        assert aucs == ", ".join(short(auc, 5) for auc in of_seeds(name, "auc"))
        assert middle == spread(of_seeds(name, "auc"), 5)
        assert loss == spread(of_seeds(name, "logloss"), 4)


def test_what_a_student_saves():
    ratios = {r["name"]: r["ratio"]["median"] for r in [*results("train"), *results("score")]}
    rows = table("docs/distillation.md", "student", "teacher", "multiply-adds")
    teachers = {"CrossNet-3": ("crossnet", {}, 1024, 1), "CIN [200] x 3": ("cin", {}, 256, 0)}
    for student, teacher, *cells in rows:
        kind = student.split(",")[0]
        name, options, batch, digits = teachers[teacher]
        costs = [
            cost_of(build_model(model, [2] * 39, given, where="")).multiply_adds
            for model, given in ((name, options), ("dagfm", {"interaction": kind}))
        ]
        training = ratios[f"train dagfm {kind}, batch {batch}, lazy, our {name}"]
        scoring = ratios[f"score dagfm {kind}, ours {name}"]
        assert [cell.split()[0] for cell in cells] == [
            f"{ratio:.{digits}f}" for ratio in (costs[0] / costs[1], training, scoring)
        ]
