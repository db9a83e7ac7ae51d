"""The models: embedding and interaction, ids in, logits out."""

from ctrkit.models.autoint import AutoIntPlus
from ctrkit.models.base import Batch, CTRModel
from ctrkit.models.catalog import MODELS, blueprint, build_model, model_options
from ctrkit.models.cin import CIN, CINComp
from ctrkit.models.cost import cost_of, saved_bytes_per_row
from ctrkit.models.crossnet import CrossNet
from ctrkit.models.dagfm import DAGFM, DAGFMPlus
from ctrkit.models.dcnv2 import DCNv2
from ctrkit.models.distillation import CTR_WEIGHT, KD_WEIGHT, Distance, logit_distance, student_loss
from ctrkit.models.eulernet import EulerInteractionLayer, EulerNet
from ctrkit.models.kd_dagfm import KD_DAGFM
from ctrkit.models.shared_table import check_same_table, take_table
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
