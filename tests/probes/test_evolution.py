"""Test the measurements of Fig. 4 against plain loops."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tests.conftest import CROP, SETTINGS
from tests.probes.test_probes import images
from zfpipe.network import weights
from zfpipe.network.architecture import merged
from zfpipe.network.convnet import ConvNet, initialise
from zfpipe.probes import evolution
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.reading.reader import Batches


def built(seed: int) -> ConvNet:
    network = weights.build(merged(SETTINGS.model, {"width": 0.05}), CROP, 25)
    initialise(network, "he", 0.01, seed)
    network.conv(2).get_parameter("bias").data[1] = -1e6  # map 1 is dead
    return network.eval()


def watched(network: ConvNet, beton: Path, inputs: MeanSubtraction, batch: int) -> dict[int, evolution.Snapshot]:
    with Batches(beton, batch=batch, crop=CROP, crops="centre") as batches:
        return evolution.together([evolution.watch({0: network}, batches, inputs)[0].seen()])


def test_the_strongest_image_of_every_map_has_its_maximum(beton: Path, inputs: MeanSubtraction) -> None:
    network = built(0)
    seen = watched(network, beton, inputs, 32)
    pixels, _, ids = images(beton, inputs)
    with torch.no_grad():
        for trace in network.trace(pixels):
            rows = seen[trace.layer].strongest
            for number in range(trace.rectified.shape[1]):
                maps, row = trace.rectified[:, number], rows.loc[number]
                assert row["activation"] == pytest.approx(maps.max().item(), rel=1e-4, abs=1e-5)
                place = maps[int((ids == row["id"]).nonzero()), int(row["y"]), int(row["x"])]
                assert place.item() == pytest.approx(row["activation"], rel=1e-4, abs=1e-5)
    with Batches(beton, batch=1, crop=CROP, crops="centre") as batches:
        first = int(batches.ids[0])
    dead = seen[2].strongest.loc[1]
    assert (dead["activation"], dead["id"]) == (0, first), "among equal activations the first image must count"


def test_the_batch_size_changes_nothing(beton: Path, inputs: MeanSubtraction) -> None:
    network = built(0)
    one, other = (watched(network, beton, inputs, batch) for batch in (7, 100))
    for layer, snapshot in one.items():
        columns = ["layer", "map", "id", "y", "x"]
        alive = snapshot.strongest["activation"] > 0
        assert snapshot.strongest.loc[alive, columns].equals(other[layer].strongest.loc[alive, columns])
        np.testing.assert_allclose(snapshot.maxima, other[layer].maxima, rtol=1e-4, atol=1e-5)


def test_likeness_is_the_correlation_over_images() -> None:
    rng = np.random.default_rng(0)
    final = rng.gamma(1, 1, (50, 4)).astype(np.float32)
    before = final + rng.normal(0, 1, final.shape).astype(np.float32)
    before[:, 3] = 0
    alike = evolution.likeness(before, final)
    for number in range(3):
        assert alike[number] == pytest.approx(np.corrcoef(before[:, number], final[:, number])[0, 1], rel=1e-5)
    assert alike[3] == 0
    np.testing.assert_allclose(evolution.likeness(final, final), 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("likeness", "epoch", "dead"),
    [
        ((0.95, 0.99, 1), 1, False),
        ((0.2, 0.95, 1), 4, False),
        ((0.95, 0.2, 1), None, False),  # the last snapshot always equals itself, so this map is not known to settle
        ((0.95, 0.2, 0), None, True),
        ((0, 0, 0), None, True),
        ((0.95, 1), 1, False),
        ((1,), None, False),
    ],
)
def test_a_map_settles_at_the_epoch_from_which_it_stays_alike(
    likeness: tuple[float, ...], epoch: int | None, dead: bool
) -> None:
    epochs = [1, 4, 9][: len(likeness)]
    rows: pd.DataFrame = pd.DataFrame({"layer": 1, "map": 0, "epoch": epochs, "likeness": likeness})
    found = evolution.settled(rows.sample(frac=1, random_state=1))
    assert found["dead"].tolist() == [dead]
    assert np.array_equal(found["epoch"].to_numpy(np.float64), [epoch or np.nan], equal_nan=True)


def test_drawn_maps_are_a_seeded_subset_at_every_epoch(beton: Path, inputs: MeanSubtraction) -> None:
    seen = {epoch: watched(built(epoch), beton, inputs, 50) for epoch in (1, 5)}
    settings = SETTINGS.evolution.model_copy(update={"maps": 2})
    rows = evolution.compared(seen, settings)
    drawn = rows[rows["drawn"]]
    assert set(drawn.groupby(["layer", "epoch"])["map"].count().tolist()) == {2}
    assert set(drawn.groupby("layer")["map"].nunique().tolist()) == {2}
    alive = rows[(rows["epoch"] == 5) & (rows["activation"] > 0)]
    assert np.min(alive["likeness"]) > 0.999
    again = evolution.compared(seen, settings.model_copy(update={"seed": 1}))
    assert not again["drawn"].equals(rows["drawn"])
