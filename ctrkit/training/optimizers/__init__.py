"""Optimizers: one for the embedding tables, one for everything else."""

from ctrkit.training.optimizers.choice import make_optimizers, net_parameters, table_optimizer
from ctrkit.training.optimizers.lazy_optimizers import LazyOptimizer
