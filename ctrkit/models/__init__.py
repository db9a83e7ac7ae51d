"""The models: embedding and interaction, ids in, logits out."""

from ctrkit.models.base import Batch, CTRModel
from ctrkit.models.catalog import MODELS, build_model, model_options
from ctrkit.models.eulernet import EulerInteractionLayer, EulerNet

__all__ = [
    "MODELS",
    "Batch",
    "CTRModel",
    "EulerInteractionLayer",
    "EulerNet",
    "build_model",
    "model_options",
]
