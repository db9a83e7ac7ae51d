"""Weights and the state of a run on the disk, read with care."""

from ctrkit.training.checkpoints.best import WEIGHT_FILES, BestWeights
from ctrkit.training.checkpoints.resume import Checkpoints, remove_unfinished, unfinished
from ctrkit.training.checkpoints.weights import check_weights, load_weights
