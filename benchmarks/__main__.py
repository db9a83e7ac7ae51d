"""``python -m benchmarks NAME``: run one benchmark and keep its result."""

from __future__ import annotations

import argparse
from importlib import import_module

SPEED = {
    "roofline": "what the machine can do at most: matrix products, memory",
    "parts": "dropout, table optimizers and lookup, against PyTorch's own",
    "interact": "every model forward and backward, by batch size, against its plain formula",
    "train": "whole training steps, against the plain formula and PyTorch's Adam",
    "score": "scoring rows in memory, against the plain formula; students against teachers",
    "products": "matrix products of a step alone: about the most that can be won",
    "table": "training steps by rows of the table and its optimizer",
    "growth": "training steps by fields, width and threads",
    "epoch": "an epoch of training and an evaluation, with one thread and two",
    "auc": "the AUC of five million scores, against scikit-learn",
    "distill_epoch": "an epoch of distillation against an epoch of training the student",
    "batches": "shuffled blocks of rows against shuffled rows: speed, memory, AUC",
    "memory": "peak memory by the formula of docs/memory.md, and as measured",
    "short_rows": "peak memory of preparing and reading the shortest rows, of many ids",
    "vocabularies": "peak memory of prepare with millions of categories, by the formula",
    "prepare": "raw Criteo rows to prepared data: rows/s and peak memory",
    "predict": "raw Criteo rows to the scores of a DAGFM student: rows/s and peak memory",
}
ACCURACY = {
    "schema_guess": "whole numbers as amounts or codes, against the truth; rare values",
    "baseline": "the logistic regression of every run: figures, seconds, peak memory",
    "samples": "EulerNet and a tuned logistic regression on the Criteo and Avazu samples",
    "frappe": "EulerNet on Frappe_x1, and where its weights start",
    "distillation": "teacher, student alone, distilled and fine-tuned on the public samples",
    "duel": "every model at its defaults against a logistic regression, LightGBM and CatBoost",
    "planted": "EulerNet and a logistic regression on generated rows, against the best possible",
}
OPTIONAL = {
    "digests": "whether prepared bytes, weights and scores are those of another commit",
    "huge_pages": "large tables with and without huge pages",
    "peers": "whole training steps, against other libraries that happen to be installed",
}
REPORT = {"report": "write docs/development/performance.md from the results"}
BENCHMARKS = {**SPEED, **ACCURACY, **OPTIONAL, **REPORT}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    for name, purpose in BENCHMARKS.items():
        module = import_module(f"benchmarks.{name}")
        module.add_to(names.add_parser(name, help=purpose, description=purpose))
    names.add_parser("all", help="every benchmark of speed and memory, then the report")
    arguments = parser.parse_args()
    if arguments.name != "all":
        import_module(f"benchmarks.{arguments.name}").run(arguments)
        return
    for name in (*SPEED, *REPORT):
        import_module(f"benchmarks.{name}").run(parser.parse_args([name]))


if __name__ == "__main__":
    main()
