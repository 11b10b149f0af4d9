"""The learning rate: divided when the validation error stops falling (section 3, automated)."""

from dataclasses import dataclass


@dataclass
class PlateauSchedule:
    """Divides the learning rate by `anneal` after `patience` epochs in a row without a new best validation error."""

    learning_rate: float
    anneal: float
    patience: int
    best: float = float("inf")
    waited: int = 0

    def update(self, val_error: float) -> None:
        """Takes the validation error of the epoch that has just ended."""
        if val_error < self.best:
            self.best, self.waited = val_error, 0
            return
        self.waited += 1
        if self.waited == self.patience:
            self.learning_rate /= self.anneal
            self.waited = 0
