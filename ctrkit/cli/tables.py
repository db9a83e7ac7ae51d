"""Tables on a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from ctrkit.training import Metrics

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
    lines = [["", *COLUMNS.values()]]
    for name, figures in metrics.items():
        row = figures.to_dict()
        cells = [f"{row[c]:.5f}" if isinstance(row[c], float) else f"{row[c]:,}" for c in COLUMNS]
        lines.append([name, *cells])
    return aligned(lines)


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
