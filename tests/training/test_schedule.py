"""Test the learning rate: by hand, against a slow twin, on noisy curves, and continued after any epoch."""

import math
import random
from collections.abc import Sequence
from statistics import mean

import pytest

from tests.conftest import SETTINGS
from zfpipe.training.schedule import AnnealingSchedule, last_epochs

TRAINING = SETTINGS.training.model_copy(
    update={"learning_rate": 1.0, "anneal": 10.0, "patience": 0.1, "anneal_at": (0.75, 0.9)}
)


def schedule(epochs: int, images: int = 1000, **changes: object) -> AnnealingSchedule:
    return AnnealingSchedule.of(TRAINING.model_copy(update={"epochs": epochs, **changes}), images)


def rates(subject: AnnealingSchedule, errors: Sequence[float | None]) -> list[float]:
    found = []
    for error in errors:
        found.append(subject.learning_rate)
        subject.update(error)
    return found


def falling(epochs: int) -> list[float]:
    return [0.95 * 0.8**epoch for epoch in range(epochs)]


@pytest.mark.parametrize(
    ("epochs", "counts"),
    [
        (1, (1, 0, 0)), (2, (1, 0, 1)), (3, (1, 1, 1)), (4, (2, 1, 1)), (7, (5, 1, 1)), (10, (7, 2, 1)),
        (16, (12, 2, 2)), (40, (30, 6, 4)), (70, (52, 11, 7)),
    ],
)  # fmt: skip
def test_a_network_is_annealed_in_any_number_of_epochs(epochs: int, counts: tuple[int, int, int]) -> None:
    """The error falls to the end, or there is no error to judge by."""
    expected = [1.0] * counts[0] + [0.1] * counts[1] + [0.01] * counts[2]
    steep = [0.95 - 0.9 * epoch / epochs for epoch in range(epochs)]
    assert rates(schedule(epochs), steep) == pytest.approx(expected)
    assert rates(schedule(epochs, images=0), [None] * epochs) == pytest.approx(expected)


def test_shares_beyond_the_last_epochs_leave_each_rate_an_epoch() -> None:
    assert last_epochs((0.5, 1.0, 1.0), 10) == (5, 8, 9)
    assert last_epochs((), 10) == ()
    assert rates(schedule(5, anneal_at=()), [0.5] * 5) == [1.0] * 5


def test_the_rate_is_divided_at_a_plateau() -> None:
    """With 20 epochs a stretch has 3.

    The rate is divided after the sixth epoch of a plateau, not before, and at most twice.
    """
    plateau = [0.9] + [0.5] * 19
    assert rates(schedule(20), plateau) == pytest.approx([1.0] * 7 + [0.1] * 6 + [0.01] * 7)


def test_a_gain_within_the_error_of_the_images_is_no_progress() -> None:
    """At an error of a half, a stretch must gain 5 points with 100 images, and half a point with 10,000."""
    slow = [0.9, *(0.55 - 0.01 * epoch for epoch in range(8))]
    assert rates(schedule(30, images=100), slow)[7:] == pytest.approx([0.1] * 2)
    assert rates(schedule(30, images=10_000), slow)[7:] == [1.0] * 2


def test_one_lucky_epoch_is_no_plateau() -> None:
    """A rule that waits for a new best would divide the rate after the lucky epoch."""
    errors = falling(12)
    errors[4] = 0.1
    assert rates(schedule(40, images=50_000), errors) == [1.0] * 12


def test_a_network_that_has_not_begun_to_learn_keeps_its_rate() -> None:
    chance = [0.999, 0.9991, 0.999, 0.9988, 0.999, 0.9991, 0.999, 0.999, 0.9992]
    assert rates(schedule(70, images=50_000), chance * 4) == [1.0] * 36


@pytest.mark.parametrize("noise", [0.003, 0.01])
@pytest.mark.parametrize(("epochs", "images", "least"), [(16, 10_000, 11), (40, 10_000, 18), (70, 50_000, 33)])
def test_noise_alone_does_not_end_training(noise: float, epochs: int, images: int, least: int) -> None:
    """An earlier rule, two epochs without a new best, had a hundredth of the rate after 19 to 46 of 70 epochs."""
    for seed in range(50):
        draw = random.Random(seed)
        errors = [0.4 + 0.57 * math.exp(-epoch / 7) + draw.gauss(0, noise) for epoch in range(epochs)]
        found = rates(schedule(epochs, images), errors)
        assert found.count(1.0) >= least
        assert found[-1] == pytest.approx(0.01)


@pytest.mark.parametrize("seed", range(20))
def test_the_schedule_equals_a_slow_twin_and_continues_after_any_epoch(seed: int) -> None:
    draw = random.Random(seed)
    epochs, images = draw.randint(1, 60), draw.choice([100, 1000, 50_000])
    errors = [0.3 + 0.6 * math.exp(-epoch / 4) + draw.gauss(0, 0.01) for epoch in range(epochs)]
    expected = twin(errors, images)
    assert rates(schedule(epochs, images), errors) == pytest.approx(expected)
    stopped = draw.randrange(epochs)
    one = schedule(epochs, images)
    rates(one, errors[:stopped])
    other = AnnealingSchedule(**one.state())
    rates(one, errors[stopped:])
    assert rates(other, errors[stopped:]) == pytest.approx(expected[stopped:])


def twin(errors: list[float], images: int) -> list[float]:
    """Compute the rates from the list of all errors, by the rule in the words of params.yaml."""
    epochs = len(errors)
    length = max(3, round(epochs / 10))
    found, since = [1.0], 0
    for done in range(1, epochs):
        rate, divided = found[-1], -round(math.log10(found[-1]))
        seen = errors[since:done]
        if divided < 2 and len(seen) >= 2 * length:
            before, now = mean(seen[-2 * length : -length]), mean(seen[-length:])
            error = math.sqrt(now * (1 - now) / images)
            if before - now <= error and errors[0] - now > error:
                divided, since = divided + 1, done
        for number, share in enumerate((0.75, 0.9), 1):
            if divided < number and done >= max(1, min(math.floor(share * epochs + 1e-9), epochs - 3 + number)):
                divided, since = number, done
        found.append(0.1**divided if divided else rate)
    return found
