"""The tables and plots of docs/development/performance.md, made from committed results."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import RESULTS

DOCS = Path(__file__).parents[1] / "docs" / "development"
PAGE = DOCS / "performance.md"
PLOTS = DOCS / "images"

BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", flags=re.DOTALL)

Content = dict[str, Any]


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-plots", action="store_true", help="write the tables only")


def run(arguments: argparse.Namespace) -> None:
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{PAGE} written")
    if not arguments.no_plots:
        plot_all()
        print(f"{PLOTS} written")


def with_tables(page: str) -> str:
    """Return the page with every table made anew of the results."""

    def made(match: re.Match[str]) -> str:
        start, name, end = match.groups()
        content = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
        return f"{start}\n{TABLES[name](content)}\n\n{_conditions(content)}\n\n{end}"

    return BLOCK.sub(made, page)


def _conditions(content: Content) -> str:
    machine = content["machine"]
    return (
        f"{machine['processor']}, {machine['processors']} processors, torch {machine['torch']}, "
        f"commit {machine['commit']}."
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, rule, *rows])


def _rate(spread: Content) -> str:
    return f"{spread['median']:,.0f}"


def _ratio(spread: Content) -> str:
    return f"{spread['median']:.2f} ({spread['low']:.2f} to {spread['high']:.2f})"


def _bytes(count: float) -> str:
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= size:
            return f"{count / size:.{1 if count < 100 * size else 0}f} {unit}"
    return f"{count:.0f} B"


def _share(result: Content, roofline: Content) -> str:
    """Return the multiplications done per second as a share of the best matrix product's."""
    done = result["ours"]["median"] * result["details"]["flop_per_row"]
    return f"{done / roofline['full_rate_gemm']:.0%}"


def _roofline(content: Content) -> str:
    return _table(
        ["threads", "GFLOP/s", "PyTorch's default", "copying, GB/s"],
        (
            [
                str(r["threads"]),
                f"{r['full_rate_gemm'] / 1e9:.0f}",
                f"{r['gemm'] / 1e9:.0f}",
                f"{r['copy'] / 1e9:.1f}",
            ]
            for r in content["results"]
        ),
    )


def _train(content: Content) -> str:
    return _table(
        ["model", "batch", "table", "rows/s", "times", "", "of peak", "peak memory"],
        (
            [
                r["details"]["model"],
                str(r["details"]["batch_size"]),
                r["details"]["table_optimizer"],
                _rate(r["ours"]),
                _ratio(r["ratio"]),
                r["details"]["reference"],
                _share(r, content["roofline"]),
                f"{_bytes(r['details']['peak_bytes'])} "
                f"(other {_bytes(r['details']['reference_peak_bytes'])})",
            ]
            for r in content["results"]
        ),
    )


def _interact(content: Content) -> str:
    def saved(details: Content) -> str:
        if "saved_bytes" not in details:
            return ""
        ours, plain = details["saved_bytes"], details["reference_saved_bytes"]
        return f"{_bytes(ours)} (plain {_bytes(plain)})"

    return _table(
        ["model", "", "batch", "rows/s", "times the plain way", "of peak", "saved for backward"],
        (
            [
                r["details"]["model"],
                r["details"]["kind"],
                str(r["details"]["batch_size"]),
                _rate(r["ours"]),
                _ratio(r["ratio"]),
                _share(r, content["roofline"]),
                saved(r["details"]),
            ]
            for r in content["results"]
        ),
    )


def _products(content: Content) -> str:
    return _table(
        ["model", "", "batch", "rows/s", "times the plain way"],
        (
            [
                r["details"]["model"],
                r["details"]["kind"],
                str(r["details"]["batch_size"]),
                _rate(r["ours"]),
                _ratio(r["ratio"]),
            ]
            for r in content["results"]
        ),
    )


def _comparisons(first: str, unit: str) -> Callable[[Content], str]:
    def table(content: Content) -> str:
        return _table(
            [first, f"{unit}/s", "times the other way"],
            ([r["name"], _rate(r["ours"]), _ratio(r["ratio"])] for r in content["results"]),
        )

    return table


def _table_growth(content: Content) -> str:
    return _table(
        ["model", "table optimizer", "table rows", "rows/s", "step against smallest", "peak"],
        (
            [
                r["model"],
                r["table_optimizer"],
                f"{r['table_rows']:,}",
                _rate(r["rows_per_second"]),
                _ratio(r["ratio_to_smallest"]),
                _bytes(r["peak_bytes"]),
            ]
            for r in content["results"]
        ),
    )


def _growth(content: Content) -> str:
    return _table(
        ["model", "option", "value", "rows/s", "times the standard"],
        (
            [
                r["model"],
                r["option"],
                str(r["value"]),
                _rate(r["rows_per_second"]),
                _ratio(r["ratio_to_standard"]),
            ]
            for r in content["results"]
        ),
    )


def _epoch(content: Content) -> str:
    return _table(
        ["model", "", "rows/s, one thread", "two threads", "two against one"],
        (
            [
                r["model"],
                r["kind"],
                _rate(r["rows_per_second"][0]),
                _rate(r["rows_per_second"][1]),
                _ratio(r["ratio_two_to_one"]),
            ]
            for r in content["results"]
        ),
    )


def _raw(content: Content) -> str:
    return _table(
        ["rows of the file", "workers", "rows/s", "peak memory"],
        (
            [
                f"{r['rows']:,}",
                str(r["workers"]),
                _rate(r["rows_per_second"]),
                _bytes(r["peak_bytes"]),
            ]
            for r in content["results"]
        ),
    )


TABLES: dict[str, Callable[[Content], str]] = {
    "roofline": _roofline,
    "parts": _comparisons("part", "units"),
    "interact": _interact,
    "train": _train,
    "products": _products,
    "score": _comparisons("rows in memory", "rows"),
    "table": _table_growth,
    "growth": _growth,
    "epoch": _epoch,
    "auc": _comparisons("scores", "scores"),
    "distill_epoch": _comparisons("student", "rows"),
    "prepare": _raw,
    "predict": _raw,
}


def plot_all() -> None:
    """Draw how training grows with the table, the fields, the width and the threads."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    PLOTS.mkdir(exist_ok=True)
    content = json.loads((RESULTS / "table.json").read_text(encoding="utf-8"))
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), sharey=True, layout="constrained")
    for axis, model in zip(
        axes, dict.fromkeys(r["model"] for r in content["results"]), strict=True
    ):
        for kind in dict.fromkeys(r["table_optimizer"] for r in content["results"]):
            points = [
                (r["table_rows"], r["ratio_to_smallest"]["median"])
                for r in content["results"]
                if (r["model"], r["table_optimizer"]) == (model, kind)
            ]
            axis.loglog(*zip(*points, strict=True), marker="o", label=kind)
        axis.set(title=model, xlabel="rows of the table", ylabel="time of a step, smallest = 1")
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("{x:g}")
        axis.label_outer()
    axes[0].legend(title="table optimizer")
    figure.savefig(PLOTS / "performance_table.png", dpi=110)
    plt.close(figure)

    content = json.loads((RESULTS / "growth.json").read_text(encoding="utf-8"))
    options = list(dict.fromkeys(r["option"] for r in content["results"]))
    figure, axes = plt.subplots(
        1, len(options), figsize=(10, 3.6), sharey=True, layout="constrained"
    )
    for axis, option in zip(axes, options, strict=True):
        for model in dict.fromkeys(r["model"] for r in content["results"]):
            points = [
                (r["value"], r["rows_per_second"]["median"])
                for r in content["results"]
                if (r["model"], r["option"]) == (model, option)
            ]
            axis.plot(*zip(*points, strict=True), marker="o", label=model)
        axis.set(xlabel=option.replace("_", " "), ylabel="rows/s", yscale="log")
        axis.set_xticks(sorted({r["value"] for r in content["results"] if r["option"] == option}))
        axis.label_outer()
    axes[0].legend()
    figure.savefig(PLOTS / "performance_growth.png", dpi=110)
    plt.close(figure)
