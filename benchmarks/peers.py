"""Whole training steps against those of other libraries, of whichever are installed.

Every library trains a model of its own at the same sizes, on its own embedding, with the Adam and
the binary cross-entropy that it takes by itself. Penalties are off and no file is read: models are
made directly, from a description of the fields. A library or a model that does not run is named
and skipped.

No library here is a dependency of ctrkit. They ask for versions that exclude each other, so in an
environment of their own, beside what ctrkit needs::

    pip install --no-deps recbole fuxictr deepctr-torch
    pip install colorama colorlog tensorboard texttable h5py polars pyarrow pyyaml ray requests

FuxiCTR's package has no EulerNet, and no DCNv2 for plain fields. They lie in its repository: a
checkout on ``PYTHONPATH`` adds them. DeepCTR-Torch asks the network for its newest version when it
is imported; without an answer it says so, and runs.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from benchmarks.harness import ComparedModel, begin, compare_apart, save
from benchmarks.side import Work
from benchmarks.suite import EMBEDDING_DIM, NUM_FIELDS, make_batch
from benchmarks.train import add_steps, make_ours, step_options

MODELS = {
    "recbole": ("eulernet", "dcnv2"),
    "fuxictr": ("eulernet", "dcnv2"),
    "deepctr_torch": ("dcnv2", "cin"),
}
"""Models timed of each library, by the name that Python imports it under."""

FIELDS = [f"field_{number}" for number in range(NUM_FIELDS)]
LABEL = "label"

# The published sizes that ctrkit's models have in `benchmarks.suite`.
ORDERS = [NUM_FIELDS, NUM_FIELDS]
DROPOUT_EX, DROPOUT_IM = 0.1, 0.2
NUM_CROSS_LAYERS, HIDDEN_DIMS = 3, [400, 400, 400]
NUM_MAPS = [200, 200, 200]


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--peers", nargs="+", choices=MODELS, default=list(MODELS))
    add_steps(parser)


def run(arguments: argparse.Namespace) -> None:
    begin(arguments)
    versions, skipped = _try_all(arguments.peers)
    if not versions:
        raise SystemExit(
            "no other library can be timed here; install recbole, fuxictr or deepctr-torch in an "
            "environment of their own (benchmarks/peers.py says how)"
        )
    found = []
    for peer in versions:
        for name in MODELS[peer]:
            if _case(peer, name) not in skipped:
                found += _compare(peer, name, arguments)
    save("peers", found, peers=versions, skipped=skipped, table_rows=arguments.rows)


def _try_all(peers: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the version of each library that runs, and why the others and some models do not."""
    versions, skipped = {}, {}
    for peer in peers:
        if find_spec(peer) is None:
            skipped[peer] = "not installed"
            continue
        for name in MODELS[peer]:
            try:
                versions[peer] = _in_another_process(_try, peer, name)
            except Exception as error:
                # Whatever a library made for other versions of NumPy and PyTorch may raise.
                skipped[_case(peer, name)] = f"{type(error).__name__}: {error}"
    for case, reason in skipped.items():
        print(f"{case} is skipped: {reason}", flush=True)
    return versions, skipped


def _case(peer: str, name: str) -> str:
    return f"{peer} {name}"


def _in_another_process(function: Callable[..., str], *arguments: str) -> str:
    """Call it where it may import what it likes, and crash."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


def _try(peer: str, name: str) -> str:
    """Make two small steps and return the library's version."""
    _maker(peer)(name, rows=16, batch_size=8, table_rows=2 * NUM_FIELDS)()
    version: str = import_module(peer).__version__
    return version


def _compare(peer: str, name: str, arguments: argparse.Namespace) -> list[ComparedModel]:
    found = []
    for options, table in step_options(name, arguments):
        found.append(
            compare_apart(
                f"{_case(peer, name)}, batch {options['batch_size']}, {table}",
                "rows",
                options["rows"],
                Work(make_ours, {**options, "table": table}),
                Work(_maker(peer), options),
                threads=arguments.threads,
                repeats=arguments.repeats,
                details={
                    "peer": peer,
                    "model": name,
                    "batch_size": options["batch_size"],
                    "table_optimizer": table,
                },
            )
        )
    return found


def _maker(peer: str) -> Callable[..., Callable[[], None]]:
    makers = {"recbole": make_recbole, "fuxictr": make_fuxictr, "deepctr_torch": make_deepctr}
    return makers[peer]


class _RecBoleConfig(dict[str, Any]):
    """Options read by key or as attributes; one that is not given is None."""

    __getattr__ = dict.get

    def __missing__(self, key: str) -> None:
        return None


def make_recbole(name: str, rows: int, batch_size: int, table_rows: int) -> Callable[[], None]:
    """Return training steps of RecBole."""
    from recbole.model.context_aware_recommender import dcnv2, eulernet
    from recbole.utils import FeatureType

    torch.manual_seed(0)
    dataset = SimpleNamespace(
        fields=lambda source: FIELDS,  # noqa: ARG005 - RecBole names the argument
        field2type=dict.fromkeys(FIELDS, FeatureType.TOKEN),
        num=dict.fromkeys(FIELDS, table_rows // NUM_FIELDS).get,
    )
    config = _RecBoleConfig(
        LABEL_FIELD=LABEL, device="cpu", numerical_features=[], embedding_size=EMBEDDING_DIM
    )
    if name == "eulernet":
        config |= {
            "order_list": ORDERS,
            "drop_ex": DROPOUT_EX,
            "drop_im": DROPOUT_IM,
            "apply_norm": True,
            "reg_weight": 0,
        }
        model = eulernet.EulerNet(config, dataset)
    else:
        # Its MLP is always normalised over the batch, which ctrkit's is not.
        config |= {
            "mixed": False,
            "structure": "parallel",
            "cross_layer_num": NUM_CROSS_LAYERS,
            "mlp_hidden_size": HIDDEN_DIMS,
            "reg_weight": 0,
            "dropout_prob": 0.0,
        }
        model = dcnv2.DCNV2(config, dataset)
    adam = torch.optim.Adam(model.parameters())  # as its Trainer does
    batches = _batches_by_field(rows, batch_size, table_rows)

    def do() -> None:
        for batch in batches:
            adam.zero_grad()
            model.calculate_loss(batch).backward()
            adam.step()

    return do


def make_fuxictr(name: str, rows: int, batch_size: int, table_rows: int) -> Callable[[], None]:
    """Return training steps of FuxiCTR, which clip the norm of the gradient."""
    from fuxictr.features import FeatureMap

    torch.manual_seed(0)
    feature_map = FeatureMap("suite", data_dir="")
    feature_map.labels = [LABEL]
    feature_map.num_fields = NUM_FIELDS
    feature_map.default_emb_dim = EMBEDDING_DIM
    for field in FIELDS:
        spec = {"type": "categorical", "source": "", "vocab_size": table_rows // NUM_FIELDS}
        feature_map.features[field] = spec
    kind = {"eulernet": "EulerNet", "dcnv2": "DCNv2"}[name]
    sizes = {
        "eulernet": {
            "shape": ORDERS,
            "net_ex_dropout": DROPOUT_EX,
            "net_im_dropout": DROPOUT_IM,
            "layer_norm": True,
        },
        "dcnv2": {
            "num_cross_layers": NUM_CROSS_LAYERS,
            "parallel_dnn_hidden_units": HIDDEN_DIMS,
        },
    }
    model = getattr(import_module(f"model_zoo.{kind}.src.{kind}"), kind)(
        feature_map,
        embedding_dim=EMBEDDING_DIM,
        optimizer="adam",
        loss="binary_crossentropy",
        metrics=["AUC"],
        model_root="",
        verbose=0,
        **sizes[name],
    )
    model._max_gradient_norm = 10.0  # the default of its `fit`, which sets it
    model.train()
    batches = _batches_by_field(rows, batch_size, table_rows)

    def do() -> None:
        for batch in batches:
            model.train_step(batch)

    return do


def make_deepctr(name: str, rows: int, batch_size: int, table_rows: int) -> Callable[[], None]:
    """Return training steps of DeepCTR-Torch, without the loading of rows that is in its `fit`."""
    from deepctr_torch.inputs import SparseFeat
    from deepctr_torch.models import DCN, xDeepFM

    fields = [SparseFeat(field, table_rows // NUM_FIELDS, EMBEDDING_DIM) for field in FIELDS]
    no_penalties = {"l2_reg_linear": 0, "l2_reg_embedding": 0}
    if name == "dcnv2":
        model = DCN(
            [],
            fields,
            cross_num=NUM_CROSS_LAYERS,
            cross_parameterization="matrix",
            dnn_hidden_units=HIDDEN_DIMS,
            l2_reg_cross=0,
            **no_penalties,
        )
    else:
        model = xDeepFM(
            [],
            fields,
            dnn_hidden_units=(),
            cin_layer_size=NUM_MAPS,
            cin_split_half=False,
            cin_activation="linear",
            **no_penalties,
        )
    model.compile("adam", "binary_crossentropy")
    model.train()
    batches = [
        (batch.ids.float(), batch.labels)  # as it takes ids
        for batch in make_batch(rows, table_rows=table_rows).split(batch_size)
    ]

    def do() -> None:
        for ids, labels in batches:
            model.optim.zero_grad()
            loss = model.loss_func(model(ids).squeeze(1), labels, reduction="sum")
            (loss + model.get_regularization_loss() + model.aux_loss).backward()
            model.optim.step()

    return do


def _batches_by_field(rows: int, batch_size: int, table_rows: int) -> list[dict[str, Tensor]]:
    """Draw rows as one int64 tensor for every field."""
    batches = make_batch(rows, table_rows=table_rows).split(batch_size)
    return [
        {**dict(zip(FIELDS, batch.ids.long().t().contiguous(), strict=True)), LABEL: batch.labels}
        for batch in batches
    ]
