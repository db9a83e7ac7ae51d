"""Generated click logs, whose truth is known."""

from ctrkit.synthetic.logs import best_scores, generate

__all__ = [
    "best_scores",
    "generate",
]
