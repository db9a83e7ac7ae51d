"""Digests of what users have: prepared bytes, trained weights and scores of small fixed runs.

For a change that must change nothing: ``python -m benchmarks digests --out before.json`` before
it, ``python -m benchmarks digests --like before.json`` after it, on the same machine. Everything
is done by the command line, so that no module's name matters. JSON files are left out: they hold
times and versions.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.harness import begin
from ctrkit.cli import main as ctrkit
from ctrkit.synthetic import generate

ROWS = 6000
FORMATS = ("criteo", "avazu")
MODELS = {
    "eulernet": ["--orders", "7", "--embedding-dim", "8"],
    "dagfm": ["--embedding-dim", "8"],
    "crossnet": ["--embedding-dim", "8", "--table-optimizer", "lazy"],
    "xdeepfm": ["--embedding-dim", "4", "--num-maps", "5,5", "--table-optimizer", "adagrad"],
}
TRAINING = ["--epochs", "2", "--batch-size", "512", "--device", "cpu"]


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, help="file to write")
    parser.add_argument("--like", type=Path, help="file of an earlier commit, to be equal to")
    parser.add_argument("--threads", type=int, default=1)


def run(arguments: argparse.Namespace) -> None:
    begin(arguments)
    with tempfile.TemporaryDirectory() as folder:
        found = {
            name: digest
            for kind in FORMATS
            for name, digest in _digests(kind, Path(folder)).items()
        }
    text = json.dumps(found, indent=1) + "\n"
    if arguments.out is not None:
        arguments.out.write_text(text, encoding="utf-8")
    if arguments.like is not None:
        wanted = json.loads(arguments.like.read_text(encoding="utf-8"))
        other = [name for name in {**wanted, **found} if wanted.get(name) != found.get(name)]
        for name in other:
            print(f"differs: {name}")
        print(f"{len(found) - len(other)} of {len(found)} are equal")
        if other:
            raise SystemExit(1)
    elif arguments.out is None:
        print(text, end="")


def _digests(kind: str, folder: Path) -> dict[str, str]:
    log, data = folder / f"{kind}.log", folder / kind
    generate(log, rows=ROWS, seed=3, format=kind)
    _command("prepare", log, "--format", kind, "--out", data, "--min-count", "2")
    found = {
        f"{kind} {path.relative_to(data)}": _sha256(path.read_bytes())
        for path in sorted(data.rglob("*"))
        if path.suffix in (".npy", ".txt")
    }
    for model, options in MODELS.items():
        run_folder = folder / f"{kind}-{model}"
        _command("train", data, "--model", model, *options, *TRAINING, "--out", run_folder)
        found |= _of_run(run_folder, log, f"{kind} {model}")
    student = folder / f"{kind}-student"
    teacher = ["--teacher", folder / f"{kind}-crossnet", "--student", "dagfm"]
    _command("distill", data, *teacher, "--embedding-dim", "8", *TRAINING, "--out", student)
    return found | _of_run(student, log, f"{kind} student")


def _of_run(folder: Path, log: Path, name: str) -> dict[str, str]:
    weights = torch.load(folder / "checkpoints" / "best.pt", weights_only=True)["model"]
    scores = folder.with_suffix(".csv")
    _command("predict", folder, log, "--out", scores)
    numbers = np.loadtxt(scores, skiprows=1, dtype=np.float64)
    return {
        **{f"{name} {key}": _sha256(value.numpy().tobytes()) for key, value in weights.items()},
        f"{name} scores": _sha256(numbers.tobytes()),
    }


def _command(*words: object) -> None:
    if ctrkit([str(word) for word in words]) != 0:
        raise SystemExit(f"ctrkit {words[0]} failed")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
