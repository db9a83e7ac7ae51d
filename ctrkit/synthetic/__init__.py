"""Generated click logs, whose truth is known."""

from ctrkit.synthetic.best_scores import BestScores, best_scores
from ctrkit.synthetic.logs import SyntheticLog, Truth, frame, generate, truth
from ctrkit.synthetic.planted import SyntheticConfig

__all__ = [
    "BestScores",
    "SyntheticConfig",
    "SyntheticLog",
    "Truth",
    "best_scores",
    "frame",
    "generate",
    "truth",
]
