"""Small rows and models that the tests of distillation share."""

from types import SimpleNamespace

import numpy as np
import torch

from ctrkit.models import DAGFM, CrossNet, CTRModel
from ctrkit.training import TrainConfig

CARDINALITIES = [6, 6, 6]
TRAIN = TrainConfig(epochs=3, batch_size=128, learning_rate=0.02, table_l2=0.0)


def make_rows(num_rows: int, seed: int = 0) -> SimpleNamespace:
    """Rows whose clicks depend on two of three fields."""
    generator = np.random.default_rng(seed)
    ids = generator.integers(0, 6, (num_rows, 3)).astype(np.int32)
    logits = np.where((ids[:, 0] < 3) == (ids[:, 1] < 3), 1.5, -1.5)
    labels = (generator.random(num_rows) < 1 / (1 + np.exp(-logits))).astype(np.uint8)
    return SimpleNamespace(ids=ids, labels=labels, values=None)


DATA = SimpleNamespace(train=make_rows(2000), valid=make_rows(500, seed=1))


def make_teacher(seed: int = 0, **options) -> CrossNet:
    """A teacher whose logits differ from row to row."""
    torch.manual_seed(seed)
    settings = {"embedding_dim": 4, "embedding_init": "xavier_normal", **options}
    return CrossNet(CARDINALITIES, **settings)


def make_student(seed: int = 1, **options) -> DAGFM:
    torch.manual_seed(seed)
    settings = {
        "embedding_dim": 4,
        "depth": 2,
        "interaction": "outer",
        "embedding_init": "xavier_normal",
        **options,
    }
    return DAGFM(CARDINALITIES, **settings)


def weights(model: CTRModel) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def unchanged(model: CTRModel, before: dict[str, torch.Tensor]) -> bool:
    now = model.state_dict()
    return now.keys() == before.keys() and all(torch.equal(now[name], before[name]) for name in now)
