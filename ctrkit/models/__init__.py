"""The models: embedding and interaction, ids in, logits out."""

from ctrkit.models.autoint import AutoIntPlus
from ctrkit.models.base import Batch, CTRModel, checked_model, to_float32
from ctrkit.models.catalog import (
    MODELS,
    blueprint,
    build_model,
    class_named,
    class_of,
    model_options,
    name_of,
)
from ctrkit.models.cin import CIN, CINComp
from ctrkit.models.cost import cost_of, saved_bytes_per_row
from ctrkit.models.crossnet import CrossNet
from ctrkit.models.dagfm import DAGFM, DAGFMPlus
from ctrkit.models.dcnv2 import DCNv2
from ctrkit.models.distillation import CTR_WEIGHT, KD_WEIGHT, Distance, logit_distance, student_loss
from ctrkit.models.eulernet import EulerInteractionLayer, EulerNet
from ctrkit.models.kd_dagfm import KD_DAGFM
from ctrkit.models.shared_table import common_tables, take_table
from ctrkit.models.xdeepfm import xDeepFM

__all__ = [
    "CIN",
    "DAGFM",
    "KD_DAGFM",
    "MODELS",
    "AutoIntPlus",
    "Batch",
    "CINComp",
    "CTRModel",
    "CrossNet",
    "DAGFMPlus",
    "DCNv2",
    "EulerInteractionLayer",
    "EulerNet",
    "build_model",
    "model_options",
    "xDeepFM",
]
