"""Rows in the order of training, cut into batches ahead of their use."""

from ctrkit.training.input.batches import (
    Examples,
    check_examples,
    check_ids,
    check_inputs,
    id_limits,
    shuffled_batches,
)
from ctrkit.training.input.shuffling import POOL_BYTES, POSITION_BYTES, choose_order, chosen_shuffle
