"""The learning rate: divided where the validation error stops falling, and in time before training ends (section 3)."""

import math
from dataclasses import dataclass, field
from typing import Any

from zfpipe.params import Training

SHORTEST = 3
"""Epochs of a stretch, at least: the mean of fewer is mostly noise."""


@dataclass
class AnnealingSchedule:
    """Divides the learning rate by `anneal` at a plateau, and after the epochs `latest` in any case.

    The paper divides by hand, when the validation error plateaus. Here a plateau is two stretches of `patience` epochs
    one after the other, with one learning rate, of which the second has no lower mean validation error than the first
    by more than its standard error over `images` validation images. So neither one lucky epoch nor one bad one decides.
    A network that is no better than after its first epoch has not begun to learn, and is no plateau.

    The rate is divided as often as there are epochs in `latest`, no more: the number-th time after the number-th of
    them at the latest. So the last rate is the same in every run, and no noise can end training early.
    """

    learning_rate: float
    anneal: float
    patience: int
    latest: tuple[int, ...]
    images: int
    epochs: int = 0
    divided: int = 0
    first: float | None = None
    errors: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, training: Training, images: int) -> "AnnealingSchedule":
        """Return the schedule that a number of epochs asks for, with so many images to validate on."""
        return cls(
            training.learning_rate,
            training.anneal,
            max(SHORTEST, round(training.patience * training.epochs)),
            last_epochs(training.anneal_at, training.epochs),
            images,
        )

    def update(self, val_error: float | None) -> None:
        """Take the validation error of the epoch that has just ended; None: there is none, so there is no plateau."""
        self.epochs += 1
        if val_error is not None:
            self.first = val_error if self.first is None else self.first
            self.errors.append(val_error)
        if self.divided < len(self.latest) and self.plateau():
            self.divide()
        while self.divided < len(self.latest) and self.epochs >= self.latest[self.divided]:
            self.divide()

    def plateau(self) -> bool:
        """Whether the last stretch is no better than the one before, beyond what its images leave open."""
        if self.first is None or len(self.errors) < 2 * self.patience:
            return False
        before, now = (
            sum(part) / self.patience
            for part in (self.errors[-2 * self.patience : -self.patience], self.errors[-self.patience :])
        )
        error = math.sqrt(now * (1 - now) / self.images)
        return now >= before - error and now < self.first - error

    def divide(self) -> None:
        """Go on with a smaller rate, whose errors alone count from here."""
        self.learning_rate /= self.anneal
        self.divided += 1
        self.errors = []

    def state(self) -> dict[str, Any]:
        """Return what goes from one epoch to the next."""
        return vars(self) | {"errors": list(self.errors)}


def last_epochs(shares: tuple[float, ...], epochs: int) -> tuple[int, ...]:
    """Return the epochs after which the rate has been divided once, twice and so on.

    These are the `shares` of all epochs, rounded down, but earlier where a rate would be left without an epoch.
    """
    count = len(shares)
    ends = (min(int(share * epochs + 1e-9), epochs - count + place) for place, share in enumerate(shares))
    return tuple(max(1, end) for end in ends)
