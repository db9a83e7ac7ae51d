"""Small rows and models that the tests of distillation share."""

from types import SimpleNamespace

import torch
from small_rows import make_rows

from ctrkit.models import DAGFM, CrossNet, CTRModel
from ctrkit.training import TrainConfig

CARDINALITIES = [6, 6, 6]
TRAIN = TrainConfig(epochs=3, batch_size=128, learning_rate=0.02, table_l2=0.0)
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
