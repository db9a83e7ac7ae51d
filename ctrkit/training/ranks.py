"""Ranks: what the processes of one training must agree on."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


class Ranks:
    """The processes that train a model together. This class is for one process.

    All processes run the same loop. Before it decides by a local clock, signal or loss, it asks
    here, so that all decide alike at the same step; otherwise some would wait for the others
    forever. For one process, the answer is what it asked with, at no cost.

    A subclass for several processes overrides every method; all of them call it at the same places.

    Attributes:
        rank: number of this process, counted from 0.
        size: number of processes.
    """

    rank = 0
    size = 1

    @property
    def writes(self) -> bool:
        """Whether this process writes files and tells observers: only the first one does."""
        return self.rank == 0

    def largest(self, *votes: int) -> tuple[int, ...]:
        """Return the largest vote of any process, for each question; 0 means no."""
        return votes

    def first(self, answer: T) -> T:
        """Return the answer of the first process."""
        return answer

    def wait(self) -> None:
        """Wait until all processes are here."""


ALONE = Ranks()
