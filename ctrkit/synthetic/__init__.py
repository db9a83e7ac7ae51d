"""Generated click logs, whose truth is known."""

from ctrkit.synthetic.logs import (
    BestScores,
    SyntheticLog,
    Truth,
    best_scores,
    frame,
    generate,
    truth,
)
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
