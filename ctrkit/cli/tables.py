"""Tables on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ctrkit.distill import ComparedModel
from ctrkit.metrics import Metrics
from ctrkit.runs import Baseline, Outcome

COLUMNS = {
    "auc": "AUC",
    "logloss": "logloss",
    "normalized_entropy": "norm. entropy",
    "calibration_error": "calib. error",
    "predicted_ratio": "pred./actual",
    "rows": "rows",
    "clicks": "clicks",
}


def metrics_table(metrics: Mapping[str, Metrics]) -> str:
    """Return metrics by name as aligned text, a line each."""
    return aligned([["", *COLUMNS.values()], *_lines_of(metrics)])


def outcome_table(outcome: Outcome) -> str:
    """Return the metrics of a run as `metrics_table`, each part with those of its baseline."""
    lines = [["", *COLUMNS.values()]]
    for part, metrics in outcome.evaluations.items():
        beside = _baseline_on(part, outcome.baseline)
        lines += _lines_of({part: metrics, **{f"  {name}": m for name, m in beside.items()}})
    return aligned(lines)


def _lines_of(metrics: Mapping[str, Metrics]) -> list[list[str]]:
    lines = []
    for name, figures in metrics.items():
        row = figures.to_dict()
        cells = [f"{row[c]:.5f}" if isinstance(row[c], float) else f"{row[c]:,}" for c in COLUMNS]
        lines.append([name, *cells])
    return lines


def _baseline_on(part: str, baseline: Baseline | None) -> dict[str, Metrics]:
    """Return what a model is compared with on a part of the data, by name."""
    if baseline is None:
        return {}
    sources = {"logistic regression": baseline.regression, "base rate": baseline.base_rate}
    return {name: metrics[part] for name, metrics in sources.items() if part in metrics}


def comparison_table(
    models: Sequence[ComparedModel], baseline: Baseline | None = None, part: str = "test"
) -> str:
    """Return the figures as aligned text: a line for each, a column for each model.

    Args:
        models: what was measured.
        baseline: what they are compared with, in columns of its own; None for nothing.
        part: the rows of the figures.
    """
    beside = _baseline_on(part, baseline)
    lines = [["", *(model.name for model in models), *beside]]

    def line(name: str, cells: list[str]) -> None:
        lines.append([name, *cells, *[""] * (len(models) + len(beside) - len(cells))])

    scored: list[ComparedModel | Metrics] = [*models, *beside.values()]
    line("AUC", [f"{s.auc:.5f}" for s in scored])
    line("logloss", [f"{s.logloss:.5f}" for s in scored])
    line("parameters: table", [f"{s.table_parameters:,}" for s in models])
    line("parameters: net", [f"{s.net_parameters:,}" for s in models])
    line("multiply-adds per row", [f"{s.multiply_adds:,}" for s in models])
    for size in models[0].seconds_per_row:
        line(f"us per row, {size} at a time", [_microseconds(s, size) for s in models])
    line("MB on disk", [f"{s.bytes_on_disk / 1e6:.2f}" for s in models])
    for key, title in (
        ("rmse", "RMSE to the teacher's logits"),
        ("correlation", "correlation with them"),
        ("pairs_alike", "pairs ordered alike"),
    ):
        figures = [s.agreement.to_dict()[key] if s.agreement else None for s in models]
        line(title, ["" if figure is None else f"{figure:.4f}" for figure in figures])
    return aligned(lines)


def _microseconds(model: ComparedModel, size: int) -> str:
    """Return the median and half the distance between the quartiles."""
    low, high = model.seconds_per_row_quartiles[size]
    return f"{1e6 * model.seconds_per_row[size]:,.2f} ± {1e6 * (high - low) / 2:,.2f}"


def aligned(lines: list[list[str]]) -> str:
    """Return rows of cells as text, the first column left, the others right."""
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
