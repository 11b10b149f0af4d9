"""Test activations, projections and filter statistics against plain loops over the network."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

from tests.conftest import CROP, SETTINGS, SIZE, label_of
from zfpipe.deconvnet.deconvnet import Units, project
from zfpipe.drawing.picture import CLASSES
from zfpipe.network import weights
from zfpipe.network.architecture import merged
from zfpipe.network.convnet import ConvNet, initialise
from zfpipe.network.receptive_field import receptive_field
from zfpipe.probes import activations, filters, projections
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.reading.reader import Batches
from zfpipe.sections import Run
from zfpipe.subject.subject import Subject
from zfpipe.unavailable import UnavailableError


@pytest.fixture(scope="module")
def network() -> ConvNet:
    network = weights.build(merged(SETTINGS.model, {"width": 0.05}), CROP, 25)
    initialise(network, "he", 0.01, 0)
    network.conv(2).get_parameter("bias").data[1] = -1e6  # map 1 is dead
    return network.eval()


@pytest.fixture(params=[32, 1024])
def table(
    request: pytest.FixtureRequest,
    network: ConvNet,
    beton: Path,
    inputs: MeanSubtraction,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Write the table, in several chunks on disk or in one chunk."""
    monkeypatch.setattr(activations, "CHUNK", request.param)
    with Batches(beton, batch=32, crop=CROP, crops="centre") as batches:
        activations.run(network, batches, inputs, 9, tmp_path / "activations", tmp_path / "spool")
    return tmp_path / "activations/val.parquet"


def images(beton: Path, inputs: MeanSubtraction) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    with Batches(beton, batch=100, crop=CROP, crops="centre") as batches:
        (batch,) = batches.epoch()
    order = batch.ids.argsort()
    return inputs(batch)[order], batch.images[order], batch.ids[order]


def test_every_maximum_is_in_the_table(network: ConvNet, beton: Path, inputs: MeanSubtraction, table: Path) -> None:
    rows = pq.read_table(table).to_pandas()
    pixels, _, ids = images(beton, inputs)
    maps = {conv.layer: conv.maps for conv in network.architecture.convs}
    assert len(rows) == 100 * sum(maps.values())
    assert rows.groupby("layer")["map"].nunique().to_dict() == maps
    assert [path.name for path in sorted(table.parent.iterdir())] == ["maps.parquet", "strongest.parquet", table.name]
    assert rows[["layer", "map", "id"]].equals(rows[["layer", "map", "id"]].sort_values(["layer", "map", "id"]))
    with torch.no_grad():
        for trace in network.trace(pixels):
            part = rows[rows["layer"] == trace.layer].set_index(["map", "id"])
            for number in (0, 1, maps[trace.layer] - 1):
                for row in (0, 57, 99):
                    one = trace.rectified[row, number]
                    found = part.loc[(number, int(ids[row]))]
                    assert found["activation"] == pytest.approx(one.max().item(), rel=1e-4, abs=1e-5)
                    place = one[int(found["y"]), int(found["x"])].item()
                    assert place == pytest.approx(one.max().item(), rel=1e-4, abs=1e-5)


def test_the_strongest_are_sorted_one_per_image(table: Path) -> None:
    rows = pq.read_table(table).to_pandas()
    kept = pd.read_parquet(table.with_name("strongest.parquet"))
    assert len(kept) == 9 * len(rows.groupby(["layer", "map"]))
    for layer, number in ((2, 1), (3, 0), (3, 4)):  # layer 2's map 1 is dead: all its maxima are equal
        plain = rows[(rows["layer"] == layer) & (rows["map"] == number)]
        expected = sorted(plain[["activation", "id"]].itertuples(index=False), key=lambda row: (-row[0], row[1]))[:9]
        found = activations.strongest(table, layer, number, 9)
        assert found["id"].tolist() == [row[1] for row in expected]
        assert found["rank"].tolist() == list(range(9))
        mine = kept[(kept["layer"] == layer) & (kept["map"] == number)].reset_index(drop=True)
        pd.testing.assert_frame_equal(mine.loc[:, found.columns.to_list()], found)
        assert mine["label"].tolist() == [label_of(image) for image in found["id"]]
        assert mine["class"].tolist() == [CLASSES[label] for label in mine["label"]]


def test_the_strongest_without_the_table_are_the_same(
    network: ConvNet, beton: Path, inputs: MeanSubtraction, table: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "untrained.parquet"
    with Batches(beton, batch=32, crop=CROP, crops="centre") as batches:
        activations.run_strongest(network, batches, inputs, 9, alone, tmp_path / "spool")
    assert alone.read_bytes() == table.with_name("strongest.parquet").read_bytes()
    assert not (tmp_path / "spool").exists()


@pytest.mark.parametrize(("layer", "number"), [(1, 99), (6, 0), (0, 0)])
def test_a_missing_map_raises_lookup_error(table: Path, layer: int, number: int) -> None:
    with pytest.raises(LookupError, match=f"no map {number} of layer {layer}"):
        activations.strongest(table, layer, number, 9)


def test_every_map_has_mean_maximum_and_share_of_images(table: Path) -> None:
    rows, maps = pq.read_table(table).to_pandas(), pd.read_parquet(table.with_name("maps.parquet"))
    plain = rows.groupby(["layer", "map"], as_index=False)["activation"].agg(
        mean=lambda values: values.astype(float).mean(), largest="max", fires=lambda values: (values > 0).mean()
    )
    pd.testing.assert_frame_equal(maps, plain, check_dtype=False)
    assert maps.set_index(["layer", "map"]).loc[(2, 1), "fires"] == 0


def test_projections_equal_windows_of_whole_projections(
    network: ConvNet, beton: Path, inputs: MeanSubtraction, table: Path
) -> None:
    strongest = pd.read_parquet(table.with_name("strongest.parquet")).query("rank < 4")
    chosen = projections.chosen(strongest, SETTINGS.projections.model_copy(update={"maps": 3}))
    subject = Subject(network, inputs, beton, beton.with_name("index.parquet"), CROP, SIZE, SETTINGS.model.init, 0)
    crops = subject.images(set(chosen["id"].tolist()))
    pixels, shown, ids = images(beton, inputs)
    results = projections.project(network, crops, chosen, inputs, SETTINGS.deconvnet)
    assert sorted(results) == [1, 2, 3, 4, 5]
    for layer, result in results.items():
        field = receptive_field(network.architecture, layer)
        assert result.projections.shape == (3, 4, field.size, field.size, 3) == result.patches.shape
        for number, row in enumerate(result.rows.to_dict("records")):
            place = ids.tolist().index(row["id"])
            unit = Units(layer, *(torch.tensor([int(row[name])]) for name in ("map", "y", "x")))
            whole, activation = project(network, pixels[place : place + 1], unit, SETTINGS.deconvnet)
            assert activation.item() == pytest.approx(row["activation"], rel=1e-3)
            assert (row["x0"], row["x1"]) == field.span(row["x"])
            (y0, y1), (x0, x1) = field.visible(row["y"]), field.visible(row["x"])
            cut = np.s_[y0 - row["y0"] : y1 - row["y0"], x0 - row["x0"] : x1 - row["x0"]]
            projected, patch = result.projections[number // 4, number % 4], result.patches[number // 4, number % 4]
            expected = whole[0, :, y0:y1, x0:x1].permute(1, 2, 0).numpy()
            np.testing.assert_allclose(projected[cut], expected, rtol=1e-2, atol=1e-3 * np.abs(expected).max() + 1e-9)
            np.testing.assert_array_equal(patch[cut], shown[place, y0:y1, x0:x1].numpy())
            outside = whole[0].clone()
            outside[:, y0:y1, x0:x1] = 0
            assert not outside.any(), "a projection leaves its receptive field"


def test_the_drawn_maps_are_a_seeded_subset(table: Path) -> None:
    strongest = pd.read_parquet(table.with_name("strongest.parquet"))

    def maps(seed: int) -> dict[int, list[int]]:
        settings = SETTINGS.projections.model_copy(update={"maps": 3, "seed": seed})
        chosen: pd.DataFrame = projections.chosen(strongest, settings)
        return {int(layer): sorted(set(rows["map"])) for layer, rows in chosen.groupby("layer")}  # type: ignore[arg-type]

    assert maps(0) == maps(0) != maps(1)
    assert {len(drawn) for drawn in maps(0).values()} == {3}


def test_filter_statistics(network: ConvNet, beton: Path, inputs: MeanSubtraction) -> None:
    network.conv(1).get_parameter("weight").data[2] *= 10
    network.conv(1).get_parameter("bias").data[0] = -1e6
    with Batches(beton, batch=32, crop=CROP, crops="centre") as batches:
        responses, peaks = filters.watch(network, batches, inputs)
    weights1 = filters.layer1_filters(network)
    projected = filters.layer2_projections(network, peaks, inputs, SETTINGS.deconvnet)
    found = filters.statistics(weights1, projected, responses, 2)
    rms = [float(np.sqrt(np.mean(one**2))) for one in weights1.astype(np.float64)]
    assert found.rms_max == pytest.approx(max(rms))
    assert found.rms_median == pytest.approx(sorted(rms)[len(rms) // 2], rel=0.2)
    assert found.dominance == pytest.approx(found.rms_max / found.rms_median)
    assert found.dominance > 5
    assert found.low + found.middle + found.high == pytest.approx(1)
    pixels, _, _ = images(beton, inputs)
    with torch.no_grad():
        first, second = network.trace(pixels, 2)
    dead = [not first.rectified[:, number].any() for number in range(first.rectified.shape[1])]
    assert found.dead == pytest.approx(sum(dead) / len(dead))
    assert dead[0]
    answers = first.rectified.transpose(0, 1).flatten(1).double().numpy()
    correlation = responses.correlation()
    assert np.isnan(correlation[0]).all() and np.isnan(correlation[:, 0]).all(), "a dead map must have no correlation"
    alive = [number for number, one in enumerate(dead) if not one]
    np.testing.assert_allclose(correlation[np.ix_(alive, alive)], np.corrcoef(answers[alive]), atol=1e-4)
    pairs = [abs(np.corrcoef(answers[one], answers[two])[0, 1]) for one, two in combinations(alive, 2)]
    assert found.alike == pytest.approx(np.mean(pairs), abs=1e-4)
    strongest = second.rectified.amax((0, 2, 3))
    torch.testing.assert_close(peaks.activation, strongest, rtol=1e-4, atol=1e-5)
    assert peaks.activation[1] == 0
    assert not projected[1].any(), "a dead map must project to nothing"
    for number in (0, len(strongest) - 1):
        image = int(second.rectified[:, number].amax((1, 2)).argmax())
        units = Units(2, torch.tensor([number]), peaks.y[number : number + 1], peaks.x[number : number + 1])
        whole, _ = project(network, pixels[image : image + 1], units, SETTINGS.deconvnet)
        assert projected[number].sum() == pytest.approx(whole.sum().item(), rel=1e-2, abs=1e-6)


def test_a_map_that_fires_once_and_weakly_is_not_dead() -> None:
    responses = filters.Responses(3, torch.device("cpu"))
    maps = torch.zeros(2, 3, 4, 4)
    maps[1, 2, 0, 3] = 1e-3
    responses.add(maps[:1])
    assert responses.dead == 1
    responses.add(maps[1:])
    assert responses.dead == pytest.approx(2 / 3)
    assert responses.alike is None, "a single active map makes no pair"


def test_filters_are_measured_for_all_seeds_and_untrained_twins(beton: Path, inputs: MeanSubtraction) -> None:
    runs = {
        "zfnet-unclipped": Run(base="model", seed=0, edit={"renorm_radius": None}),
        "zfnet": Run(base="model", seed=0),
        "alexnet": Run(base="alexnet", seed=0),
        "alexnet-seed1": Run(base="alexnet", seed=1),
    }
    models, subjects = {}, []
    for run, entry in runs.items():
        models[run] = merged(getattr(SETTINGS, entry.base), {"width": 0.05, **entry.edit})
        built = weights.untrained(models[run], CROP, 25, entry.seed + 5).eval()
        start = SETTINGS.model.init, 0
        subjects.append((run, Subject(built, inputs, beton, beton.with_name("index.parquet"), CROP, SIZE, *start)))
    found = filters.run(iter(subjects), models, SETTINGS.deconvnet)
    numbers = found["filters.json"]
    assert list(numbers) == [*filters.measured(runs), "untrained"] and list(numbers["untrained"]) == [
        "zfnet",
        "alexnet",
    ]
    drawn = ("zfnet-unclipped", "zfnet", "alexnet")
    assert set(found["filters.safetensors"]) == {*drawn, *(f"{run} layer 2" for run in drawn)}
    assert numbers["zfnet-unclipped"] == numbers["zfnet"] | {"renorm_radius": None}, (
        "both runs have the same weights here"
    )
    assert numbers["alexnet"]["alike"] != numbers["alexnet-seed1"]["alike"]
    twin = subjects[2][1].untrained
    expected = filters.measure(twin, models["alexnet"], SETTINGS.deconvnet)[0] | {"renorm_radius": None}
    assert numbers["untrained"]["alexnet"] == expected
    assert twin.untrained.network.conv(1).weight.equal(twin.network.conv(1).weight), (
        "an untrained twin must be its own twin"
    )


def test_filters_without_a_drawn_run_are_unavailable() -> None:
    runs = {name: Run(base="model", seed=0) for name in ("zfnet", "alexnet")}
    with pytest.raises(UnavailableError, match=r"runs has no zfnet-unclipped$"):
        filters.measured(runs)
