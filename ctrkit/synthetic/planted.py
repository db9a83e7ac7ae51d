"""The truth behind generated clicks: main effects, and interactions of two to four fields."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ctrkit.options import check_fraction, check_not_negative, check_positive, option
from ctrkit.synthetic.fields import TAIL_ENTRY, Entries, GeneratedColumn, LogLayout

Floats = npt.NDArray[np.float32]
Hours = npt.NDArray[np.intp]
Doubles = npt.NDArray[np.float64]

ORDERS = (1, 2, 3, 4)

# A field takes part in interactions if its groups cover most rows and its two signs are about even.
_LEAST_COVER = 0.6
_LARGEST_IMBALANCE = 0.3
# How far the effects of values lean on the sign of their group: the lowest step of the staircase.
_LEANING = 1.0
# Share of a pair's variance that is not the product of two signs.
_TEXTURE = 0.2


@dataclass(frozen=True, kw_only=True)
class SyntheticConfig:
    """What is planted in a generated log.

    A strength is the standard deviation, over rows, of that part of the logit; 0 leaves it out.

    Raises:
        ValueError: if a share, strength, count or number of groups is out of range.
    """

    click_rate: float = option(0.0, "expected share of clicks; 0 for the format's own")
    main_strength: float = option(1.1, "main effects of single values")
    pair_strength: float = option(0.75, "interactions of two fields")
    triple_strength: float = option(0.4, "interactions of three fields")
    quadruple_strength: float = option(0.3, "interactions of four fields")
    num_pairs: int = option(8, "interactions of two fields")
    num_triples: int = option(3, "interactions of three fields, each extending a pair")
    num_quadruples: int = option(2, "interactions of four fields, each extending a triple")
    num_groups: int = option(2, "groups that the frequent values of a field fall into")
    num_fields: int = option(8, "fields that take part in interactions")
    frequent_share: float = option(1e-2, "share of rows from which a value counts as frequent")
    tail_start: float = option(
        0.25, "0 for a tail with many values seen some tens of times, 0.25 for few"
    )
    num_days: int = option(10, "days that an Avazu log covers")

    def __post_init__(self) -> None:
        check_fraction(
            click_rate=self.click_rate,
            frequent_share=self.frequent_share,
            tail_start=self.tail_start,
        )
        check_not_negative(
            main_strength=self.main_strength,
            pair_strength=self.pair_strength,
            triple_strength=self.triple_strength,
            quadruple_strength=self.quadruple_strength,
            num_pairs=self.num_pairs,
            num_triples=self.num_triples,
            num_quadruples=self.num_quadruples,
        )
        check_positive(num_fields=self.num_fields, num_days=self.num_days)
        if not 2 <= self.num_groups <= 8:
            raise ValueError(f"num_groups must lie between 2 and 8, got {self.num_groups}")


class Interaction(NamedTuple):
    """Fields, and a weight for every combination of their groups, last field fastest."""

    fields: tuple[int, ...]
    weights: Floats


class _Grouping(NamedTuple):
    """A field's groups: that of each entry, and the share of rows and zero-mean score of each."""

    of_entry: npt.NDArray[np.uint16]
    shares: Doubles
    scores: Doubles


class PlantedTruth:
    """Effects of every field's entries, the interactions, and the bias that gives the click rate.

    Every part of the logit is scaled to its strength on a sample of rows::

        parts[0] = hour_effects[hour of day] + sum of effects[f][entry[f]]
        parts[k - 1] = sum over interactions of k fields of weights[groups of the k entries]
        logit = bias + sum of parts

    Args:
        layout: the columns.
        config: what to plant.
        generator: where effects, groups and the choice of fields come from.
        sample: entries of every field ``(F, N)`` for some rows, to set scales and bias on.
        sample_hours: hour of day ``(N,)`` of these rows; all alike in a log that has no time.
        click_rate: mean probability on the sample.

    Raises:
        ValueError: if the layout has too few fields for the interactions asked for.
    """

    def __init__(
        self,
        layout: LogLayout,
        config: SyntheticConfig,
        generator: np.random.Generator,
        *,
        sample: Sequence[Entries],
        sample_hours: Hours,
        click_rate: float,
    ) -> None:
        groupings = [
            _grouping(field, layout.missing_rate(field), config) for field in layout.fields
        ]
        self.effects = [
            _effects(field, layout.missing_rate(field), grouping, config, generator)
            for field, grouping in zip(layout.fields, groupings, strict=True)
        ]
        turn = np.arange(24) / 24 + generator.random()
        self.hour_effects: Floats = np.sin(2 * np.pi * turn).astype(np.float32)
        self.groups = [grouping.of_entry for grouping in groupings]
        self.num_groups = config.num_groups
        eligible = [index for index, grouping in enumerate(groupings) if _is_eligible(grouping)]
        if len(eligible) > config.num_fields:
            picks = generator.choice(len(eligible), size=config.num_fields, replace=False)
            eligible = [eligible[pick] for pick in sorted(picks)]
        chosen = _staircase(
            eligible, (config.num_pairs, config.num_triples, config.num_quadruples), generator
        )
        self.interactions = [
            Interaction(fields, _weights([groupings[index] for index in fields], generator))
            for fields in chosen
        ]
        self.bias = np.float32(0)
        strengths = (
            config.main_strength,
            config.pair_strength,
            config.triple_strength,
            config.quadruple_strength,
        )
        self._scale(strengths, sample, sample_hours)
        self._center(click_rate, sample, sample_hours)

    def parts(self, entries: Sequence[Entries], hours: Hours) -> npt.NDArray[np.float32]:
        """Return the parts ``(4, N)`` of the logit, by the number of fields they depend on."""
        parts = np.zeros((len(ORDERS), len(hours)), dtype=np.float32)
        parts[0] = self.hour_effects[hours]
        for effects, column in zip(self.effects, entries, strict=True):
            parts[0] += effects[column]
        used = {index for interaction in self.interactions for index in interaction.fields}
        groups = {index: self.groups[index][entries[index]] for index in used}
        for fields, weights in self.interactions:
            parts[len(fields) - 1] += weights[self.combination(fields, groups)]
        return parts

    def combination(
        self, fields: tuple[int, ...], groups: dict[int, npt.NDArray[np.uint16]]
    ) -> npt.NDArray[np.uint16]:
        """Return the number of each row's combination of the groups of `fields`."""
        index = groups[fields[0]]
        for field in fields[1:]:
            index = index * np.uint16(self.num_groups + 1) + groups[field]
        return index

    def probabilities(self, entries: Sequence[Entries], hours: Hours) -> Floats:
        """Return the chance ``(N,)`` of a click."""
        logits = self.parts(entries, hours).sum(axis=0) + self.bias
        chances: Floats = 1 / (1 + np.exp(-logits))
        return chances

    def _scale(
        self,
        strengths: Sequence[float],
        sample: Sequence[Entries],
        sample_hours: Hours,
    ) -> None:
        """Give every part its strength as standard deviation on the sample."""
        spreads = self.parts(sample, sample_hours).std(axis=1)
        factors = [
            np.float32(strength / spread if spread > 0 else 0)
            for strength, spread in zip(strengths, spreads, strict=True)
        ]
        self.effects = [effects * factors[0] for effects in self.effects]
        self.hour_effects = self.hour_effects * factors[0]
        self.interactions = [
            Interaction(fields, weights * factors[len(fields) - 1])
            for fields, weights in self.interactions
        ]

    def _center(
        self,
        click_rate: float,
        sample: Sequence[Entries],
        sample_hours: Hours,
    ) -> None:
        """Find, by bisection, the bias with which the sample has the click rate."""
        logits = self.parts(sample, sample_hours).sum(axis=0)
        low, high = -30.0, 30.0
        while high - low > 1e-6:
            middle = (low + high) / 2
            if np.mean(1 / (1 + np.exp(-(logits + middle)))) < click_rate:
                low = middle
            else:
                high = middle
        self.bias = np.float32(low)


def _grouping(field: GeneratedColumn, missing_rate: float, config: SyntheticConfig) -> _Grouping:
    """Deal the frequent units of a field out to the groups, the largest first, to the lightest.

    Odd groups score above zero and even ones below, by what makes the mean over rows zero. Rare
    and missing units are group 0, which scores nothing.
    """
    unit_shares = field.unit_shares(missing_rate)
    group_of_unit = np.zeros(len(unit_shares), dtype=np.uint16)
    shares = np.zeros(config.num_groups + 1)
    sides = (np.arange(1, config.num_groups + 1, 2), np.arange(2, config.num_groups + 1, 2))
    for unit in np.argsort(-unit_shares, kind="stable"):
        if unit <= TAIL_ENTRY or unit_shares[unit] < config.frequent_share:
            continue
        side = min(sides, key=lambda groups: shares[groups].sum())
        group = side[np.argmin(shares[side])]
        group_of_unit[unit] = group
        shares[group] += unit_shares[unit]
    covered = shares.sum()
    scores = np.zeros(config.num_groups + 1)
    for side, other in (sides, sides[::-1]):
        sign = 1 if side is sides[0] else -1
        scores[side] = sign * 2 * shares[other].sum() / covered if covered else 0.0
    return _Grouping(group_of_unit[field.units], shares, scores)


def _is_eligible(grouping: _Grouping) -> bool:
    balance = abs(grouping.shares[1::2].sum() - grouping.shares[2::2].sum())
    covered = grouping.shares.sum()
    return bool(covered >= _LEAST_COVER and balance <= _LARGEST_IMBALANCE * covered)


def _effects(
    field: GeneratedColumn,
    missing_rate: float,
    grouping: _Grouping,
    config: SyntheticConfig,
    generator: np.random.Generator,
) -> Floats:
    """Draw the main effect of every entry; the rare units of a field share one."""
    unit_shares = field.unit_shares(missing_rate)
    of_unit = generator.standard_normal(len(unit_shares))
    is_rare = unit_shares < config.frequent_share
    is_rare[TAIL_ENTRY] = False
    of_unit[is_rare] = of_unit[TAIL_ENTRY]
    of_entry = of_unit[field.units] + _LEANING * grouping.scores[grouping.of_entry]
    importance = np.exp(0.5 * generator.standard_normal())
    effects: Floats = (importance * of_entry).astype(np.float32)
    return effects


def _staircase(
    eligible: Sequence[int], counts: Sequence[int], generator: np.random.Generator
) -> list[tuple[int, ...]]:
    """Choose distinct sets of fields: pairs, then triples that extend pairs, and so on.

    Raises:
        ValueError: if there are not enough sets of a size.
    """
    chosen: list[tuple[int, ...]] = []
    smaller: Iterable[tuple[int, ...]] = [(index,) for index in eligible]
    for order, count in zip(ORDERS[1:], counts, strict=True):
        extended = {
            tuple(sorted((*fields, index)))
            for fields, index in itertools.product(smaller, eligible)
            if index not in fields
        }
        if count > len(extended):
            raise ValueError(
                f"the number of interactions of {order} fields must be at most {len(extended)} "
                f"here, since each extends one of {order - 1}, got {count}"
            )
        candidates = sorted(extended)
        picks = generator.choice(len(candidates), size=count, replace=False)
        smaller = [candidates[pick] for pick in picks]
        chosen += smaller
    return chosen


def _weights(groupings: Sequence[_Grouping], generator: np.random.Generator) -> Floats:
    """Return an interaction's weights: the product of scores, and for pairs some texture."""
    weights = groupings[0].scores
    for grouping in groupings[1:]:
        weights = np.multiply.outer(weights, grouping.scores)
    spread = _spread(weights, groupings)
    weights = weights / spread if spread else weights
    if len(groupings) == 2:
        first, second = groupings
        texture = generator.standard_normal(weights.shape)
        texture[0], texture[:, 0] = 0, 0
        rows, columns = first.shares / first.shares.sum(), second.shares / second.shares.sum()
        texture[1:, 1:] -= rows @ texture[:, 1:]
        texture[1:, 1:] -= (texture @ columns)[1:, np.newaxis]
        spread = _spread(texture, groupings)
        if spread:
            weights = np.sqrt(1 - _TEXTURE) * weights + np.sqrt(_TEXTURE) * texture / spread
    flat: Floats = weights.reshape(-1).astype(np.float32)
    return flat


def _spread(weights: Doubles, groupings: Sequence[_Grouping]) -> float:
    """Return the standard deviation of a zero-mean interaction over independent fields."""
    square = weights**2
    for grouping in reversed(groupings):
        square = square @ grouping.shares
    return float(np.sqrt(square))
