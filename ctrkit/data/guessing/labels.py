"""The label among the columns: by its name, or as the only column of two values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ctrkit.data.columns import is_number
from ctrkit.data.guessing.samples import ColumnSample
from ctrkit.data.reading import LABELS
from ctrkit.options import MAX_LISTED, shortened, shown, suggest

_EVENTS = "click clicked conversion converted purchase purchased bought installed attributed"
LABEL_NAMES = frozenset(
    ["label", "labels", "target", "targets", "y", "clicks", "clk", "isclk"]
    + [prefix + event for event in _EVENTS.split() for prefix in ("", "is", "has", "was")]
)
"""Names of label columns, in small letters and without marks."""

_PAIRS = {
    "yes": "no",
    "y": "n",
    "true": "false",
    "t": "f",
    "1": "-1",
    "1.0": "-1.0",
    "positive": "negative",
    "pos": "neg",
    "success": "failure",
    "like": "dislike",
    "good": "bad",
}
"""Texts of a click, and of no click beside it."""

_NEGATIONS = ("no", "not", "non", "un")
_FEW_BAD = 0.9
"""Where bad rows are skipped, the two values of a label column are those of so many rows."""


@dataclass(frozen=True)
class LabelTexts:
    """How clicks are spelt in the label column.

    Args:
        positive: the text of a click; None for 0 and 1.
        negative: the other text.
        reason: what a click is, and why.
    """

    positive: str | None = None
    negative: str | None = None
    reason: str = "0 or 1, or true or false"


def choose_label(where: str, samples: Mapping[str, ColumnSample], *, skip: bool) -> tuple[str, str]:
    """Return the name of the label column, and why it is the label.

    Args:
        where: the source, for messages.
        samples: the columns, by name.
        skip: whether rows with another label will be skipped.

    Raises:
        ValueError: if it is not clear which column is the label.
    """
    named = [name for name in samples if re.sub(r"[\W_]", "", name.lower()) in LABEL_NAMES]
    of_two = [name for name, sample in samples.items() if _is_of_two(sample, skip=skip)]
    both = [name for name in named if name in of_two]
    if len(both) == 1 or len(named) == 1:
        return (both or named)[0], "by its name"
    if named:
        raise ValueError(
            f"{where}: only one column may be called label, click, target or the like, got "
            f"{' and '.join(both or named)}; name the label column, and drop the other in a schema"
        )
    if len(of_two) == 1:
        return of_two[0], "as the only column of two values"
    kind = "several have two values" if of_two else "none has two values"
    raise ValueError(
        f"{where}: no column is called label, click, target or the like, and {kind}; name the "
        f"label column, one of {shortened(', '.join(of_two or samples), MAX_LISTED)}"
    )


def check_label(where: str, label: str, samples: Mapping[str, ColumnSample]) -> None:
    """Raise ``ValueError`` unless there is a column of this name."""
    if label not in samples:
        raise ValueError(f"{where}: unknown column {shown(label)}{suggest(label, samples)}")


def _is_of_two(sample: ColumnSample, *, skip: bool) -> bool:
    return len(_label_texts(sample, skip=skip)) == 2 and (skip or not sample.missing)


def _label_texts(sample: ColumnSample, *, skip: bool) -> list[str]:
    """Return the texts of a column if there are two at most, not counting bad rows to skip."""
    if len(sample.tokens) <= 2:
        return sample.texts
    frequent = np.argsort(-sample.counts, kind="stable")[:2]
    if not skip or sample.counts[frequent].sum() < _FEW_BAD * sample.num_rows:
        return []
    return [sample.texts[at] for at in sorted(frequent)]


def label_texts_of(
    where: str, sample: ColumnSample, positive: str | None, *, skip: bool
) -> LabelTexts:
    """Return how clicks are spelt in the label column.

    Args:
        where: the source, for messages.
        sample: the column.
        positive: the text of a click, where it is known.
        skip: whether rows with another label will be skipped.

    Raises:
        ValueError: if the column holds two texts, and neither is `positive`.
    """
    texts = _label_texts(sample, skip=skip)
    if positive is not None:
        others = [text for text in texts if text != positive]
        if len(others) > 1:
            raise ValueError(
                f"{where}: positive must be one of the two texts of column {shown(sample.name)}, "
                f"{' and '.join(map(shown, texts))}, got {shown(positive)}"
            )
        return LabelTexts(positive, others[0] if others else None, f"{shown(positive)} is a click")
    if len(texts) != 2 or all(text in LABELS for text in texts):
        return LabelTexts()
    return _pair(texts, [int(sample.counts[sample.texts.index(text)]) for text in texts])


def _pair(texts: Sequence[str], counts: Sequence[int]) -> LabelTexts:

    def spelt(positive: str, negative: str, why: str) -> LabelTexts:
        return LabelTexts(positive, negative, f"{shown(positive)} is a click, {why}")

    for positive, negative in (texts, texts[::-1]):
        yes, no = (re.sub(r"[^\w.+-]|_", "", text.lower()) for text in (positive, negative))
        no_plain = re.sub(r"-", "", no)
        if _PAIRS.get(yes) == no or no_plain in [word + yes for word in _NEGATIONS]:
            return spelt(positive, negative, "by its meaning")
    if all(map(is_number, texts)):
        negative, positive = sorted(texts, key=float)
        return spelt(positive, negative, "as the larger number")
    rarer = min(range(2), key=lambda at: (counts[at], texts[at]))
    return spelt(texts[rarer], texts[1 - rarer], "as the rarer text")
