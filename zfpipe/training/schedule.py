"""The learning rate: divided when the validation error stops falling, or at a fixed epoch at the latest (section 3)."""

import math
from dataclasses import dataclass, field
from typing import Any

from zfpipe.sections import Training

SHORTEST = 3
"""Smallest number of epochs in a stretch; a mean over fewer epochs is mostly noise."""


@dataclass
class AnnealingSchedule:
    """Divides the learning rate by `anneal` at a plateau, and after the epochs `latest` in any case.

    The paper divides by hand when the validation error plateaus. Here the mean errors of two consecutive stretches of
    `patience` epochs, with the same learning rate, are compared. There is a plateau if the second mean is not lower
    than the first by more than the standard error over `images` validation images. So one lucky or unlucky epoch does
    not decide. A network that is no better than after the first epoch has not begun to learn: this is no plateau.

    The rate is divided exactly `len(latest)` times: the n-th time after the n-th epoch of `latest` or before. So the
    last rate is the same in every run, and noise can't end training early.
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
        """Return the schedule for the training parameters and this number of validation images."""
        return cls(
            training.learning_rate,
            training.anneal,
            max(SHORTEST, round(training.patience * training.epochs)),
            last_epochs(training.anneal_at, training.epochs),
            images,
        )

    def update(self, val_error: float | None) -> None:
        """Record the validation error of the last epoch and divide the rate if due. With None there is no plateau."""
        self.epochs += 1
        if val_error is not None:
            self.first = val_error if self.first is None else self.first
            self.errors.append(val_error)
        if self.divided < len(self.latest) and self.plateau():
            self.divide()
        while self.divided < len(self.latest) and self.epochs >= self.latest[self.divided]:
            self.divide()

    def plateau(self) -> bool:
        """Return True if the last stretch is not better than the stretch before by more than the standard error."""
        if self.first is None or len(self.errors) < 2 * self.patience:
            return False
        before, now = (
            sum(part) / self.patience
            for part in (self.errors[-2 * self.patience : -self.patience], self.errors[-self.patience :])
        )
        error = math.sqrt(now * (1 - now) / self.images)
        return now >= before - error and now < self.first - error

    def divide(self) -> None:
        """Divide the rate, and forget the errors of the larger rate."""
        self.learning_rate /= self.anneal
        self.divided += 1
        self.errors = []

    def state(self) -> dict[str, Any]:
        """Return the values to restore the schedule from."""
        return vars(self) | {"errors": list(self.errors)}


def last_epochs(shares: tuple[float, ...], epochs: int) -> tuple[int, ...]:
    """Return the epochs after which the rate has been divided once, twice and so on.

    These are the `shares` of all epochs, rounded down, but early enough that each rate has an epoch.
    """
    count = len(shares)
    ends = (min(int(share * epochs + 1e-9), epochs - count + place) for place, share in enumerate(shares))
    return tuple(max(1, end) for end in ends)
