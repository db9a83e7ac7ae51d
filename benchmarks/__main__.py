"""``python -m benchmarks NAME``: run one benchmark and keep its result."""

from __future__ import annotations

import argparse
from importlib import import_module

BENCHMARKS = {
    "speed": "training, scoring and AUC against the plain way, in turn",
    "interactions": "DAGFM and CIN against einsum and Conv1d, students against teachers",
    "prepare": "raw Criteo rows to prepared data: rows/s and peak memory",
    "predict": "raw Criteo rows to the scores of a DAGFM student: rows/s and peak memory",
    "samples": "EulerNet and a tuned logistic regression on the Criteo and Avazu samples",
    "frappe": "EulerNet on Frappe_x1, and where its weights start",
    "distillation": "teacher, student alone, distilled and fine-tuned on the public samples",
    "distill_epoch": "an epoch of distillation against an epoch of training the student",
    "planted": "EulerNet and a logistic regression on generated rows, against the best possible",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    for name, purpose in BENCHMARKS.items():
        module = import_module(f"benchmarks.{name}")
        module.add_to(names.add_parser(name, help=purpose, description=purpose))
    arguments = parser.parse_args()
    import_module(f"benchmarks.{arguments.name}").run(arguments)


if __name__ == "__main__":
    main()
