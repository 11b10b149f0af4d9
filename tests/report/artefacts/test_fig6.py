from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.report.artefacts.layout import faults, words
from zfpipe import store, unavailable
from zfpipe.probes import filters, intervals
from zfpipe.report.artefacts import fig6
from zfpipe.report.engine import style, tiles
from zfpipe.report.engine.artefact import Folder
from zfpipe.report.engine.claims import Unmeasurable

DRAWING = style.Drawing(99.5, 128)
GIVEN: Any = None
MAPS = 24
EFFECTS = {1: "holds", -1: "does not hold", 0: "undecided"}


def results(count: int = 24, maps: int = 30, dead: int = 1) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    arrays, numbers = {}, {}
    for run, size, side, stride in (("zfnet-unclipped", 7, 27, 2), ("zfnet", 7, 27, 2), ("alexnet", 11, 51, 4)):
        arrays[run] = rng.normal(0, 0.02, (count, 3, size, size)).astype(np.float32)
        arrays[f"{run} layer 2"] = rng.normal(0, 1, (maps, side, side, 3)).astype(np.float32)
        arrays[f"{run} layer 2"][:dead] = 0
        numbers[run] = {
            "rms_max": 0.04123, "dominance": 20.6, "dead": 0.125 * (run == "alexnet"), "low": 0.2, "middle": 0.3,
            "high": 0.5, "aliasing": 1.25, "filter_size": size, "stride": stride,
            "renorm_radius": None if run == "zfnet-unclipped" else 0.1,
        }  # fmt: skip
    return {"filters.safetensors": arrays, "filters.json": numbers}


def wave(frequency: float) -> np.ndarray:
    """A filter of one frequency."""
    y, x = np.mgrid[:11, :11] - 5
    return np.repeat((np.cos(2 * np.pi * frequency * x) * np.exp(-(x**2 + y**2) / 18))[None], 3, 0)


def world(effect: int) -> dict[str, Any]:
    """Results in which every claim holds (1), does not hold (-1) or stays undecided (0)."""
    rng = np.random.default_rng(0)
    few, one = np.ones(MAPS), np.ones(MAPS)
    few[:6], one[:1] = 9, 9
    strengths = {1: (few, np.ones(MAPS)), -1: (np.ones(MAPS), few), 0: (one, one)}[effect]
    mixed, middle, others = [0.19, 0.4] * (MAPS // 2), [0.19] * MAPS, [0.4, 0.02] * (MAPS // 2)
    bands = {1: (middle, others), -1: (others, middle), 0: (mixed, mixed)}[effect]
    dead = {1: (0.0, 0.75), -1: (0.75, 0.0), 0: (0.25, 0.25)}[effect]
    alike = {1: (0.1, 0.8), -1: (0.8, 0.1), 0: (0.4, 0.4)}[effect]
    arrays, numbers = {}, {}
    for place, (run, stride) in enumerate((("zfnet", 2), ("alexnet", 4))):
        arrays[run] = np.stack([wave(frequency) for frequency in bands[place]])
        matrix = alike[place] + rng.normal(0, 0.05, (MAPS, MAPS))
        arrays[f"{run} correlation"] = (matrix + matrix.T) / 2
        projections = rng.normal(0, 1, (MAPS, 48, 48, 3))
        if effect == (1 if run == "alexnet" else -1):
            projections[:, ::stride, ::stride] += 3
        elif effect == -1:
            spectrum = np.fft.fft2(projections, axes=(1, 2))
            for centre in (12, 36, 24):
                spectrum[:, centre - 1 : centre + 2] *= 0.1
                spectrum[:, :, centre - 1 : centre + 2] *= 0.1
            projections = np.fft.ifft2(spectrum, axes=(1, 2)).real
        arrays[f"{run} layer 2"] = projections
        numbers[run] = {"dead": dead[place], "stride": stride}
    arrays["zfnet-unclipped"] = strengths[0][:, None, None, None] * wave(0.19)
    arrays["zfnet"] *= (strengths[1] / np.sqrt((arrays["zfnet"] ** 2).mean((1, 2, 3))))[:, None, None, None]
    return {"filters.safetensors": arrays, "filters.json": numbers}


@pytest.mark.parametrize(("count", "maps", "dead"), [(24, 64, 0), (96, 256, 3), (7, 400, 1), (1, 1, 1)])
def test_everything_fits_and_can_be_read(count: int, maps: int, dead: int) -> None:
    with style.context():
        figure = fig6.draw(results(count, maps, dead), DRAWING)
    assert faults(figure) == []
    assert len(figure.findobj(tiles.Placed)) == 5


def test_the_numbers_stand_below_each_network() -> None:
    with style.context():
        found = "\n".join(text.get_text() for text in words(fig6.draw(results(), DRAWING)))
    assert found.count("24 filters of 7 × 7, stride 2") == 2 and "24 filters of 11 × 11, stride 4" in found
    assert "RMS not clipped; largest 0.0412" in found and found.count("RMS clipped at 0.1; largest 0.0412") == 2
    assert found.count("largest RMS 20.6 times the median") == 3
    assert found.count("12% of the filters are dead") == 1 and found.count("no dead filters") == 2
    assert found.count("low / middle / high frequencies: 20% / 30% / 50%") == 3
    assert "30 of 30 maps, 27 × 27 pixels each; 1 dead" in found
    assert "aliasing at the stride of layer 1, 4 pixels: 1.25" in found


def test_the_table_and_the_words_say_the_same() -> None:
    shown = fig6.details(results())
    rows = [dict(zip(shown.columns, row, strict=True)) for row in shown.rows]
    assert [row["RMS clipped at"] for row in rows] == ["not clipped", "0.1", "0.1"]
    assert rows[1]["Network"] == "(b) AlexNet, our replication" and rows[1]["Dead"] == "12%"
    assert "(c) Ours has a largest RMS 20.6 times the median." in fig6.alternative(results())


def test_each_panel_is_scaled_by_its_largest_weight() -> None:
    weights = np.zeros((4, 3, 7, 7), np.float32)
    weights[1, 2, 6, 0], weights[2, 0, 0, 6] = -8, 2
    pixels = fig6.weights(weights)
    side = (pixels.shape[1] - 2 * tiles.GAP) // 3
    assert side % 7 == 0
    dominating, weak = pixels[:side, side + 2 : 2 * side + 2], pixels[:side, 2 * side + 4 :]
    assert dominating[-1, 0].tolist() == [128, 128, 1]
    assert weak[0, -1].tolist() == [160, 128, 128]
    assert (fig6.weights(np.zeros((4, 3, 7, 7), np.float32))[:side, :side] == tiles.GREY).all()


def test_only_dead_maps_are_hatched_and_no_pixel_is_resampled() -> None:
    maps = np.random.default_rng(2).normal(0, 1, (4, 27, 27, 3))
    maps[2] = 0
    pixels = fig6.projections(maps, 99.0)
    side = (len(pixels) - tiles.GAP) // 2
    assert side % 27 == 0
    below = pixels[-side:]
    assert set(np.unique(below[:, :side])) == {tiles.HATCH, tiles.PAPER}
    expected = tiles.contrast(maps[3], np.ones((27, 27), bool), 99.0)
    assert (below[:, -side:] == expected.repeat(side // 27, 0).repeat(side // 27, 1)).all()


@pytest.mark.parametrize("effect", EFFECTS)
def test_claims_turn_with_what_is_measured(effect: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "RESAMPLES", 200)
    found = {claim.id: claim.judge(claim.measure(world(effect), GIVEN)) for claim in fig6.CLAIMS}
    assert {name: verdict for name, (verdict, _) in found.items()} == dict.fromkeys(found, EFFECTS[effect])
    assert {one.count for _, one in found.values()} == {
        "24 filters", "24 filters of each network", "24 maps", "24 maps of each network",
    }  # fmt: skip


def test_claims_measure_what_the_figure_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "RESAMPLES", 20)
    data = results(dead=0)
    arrays, numbers = data["filters.safetensors"], data["filters.json"]
    beside = {
        run: filters.statistics(arrays[run], arrays[f"{run} layer 2"], numbers[run]["dead"], numbers[run]["stride"])
        for run in numbers
    }
    theirs, ours = beside["alexnet"], beside["zfnet"]
    expected = {
        "dominance": beside["zfnet-unclipped"].dominance,
        "renormalisation": beside["zfnet-unclipped"].dominance / ours.dominance,
        "dead": theirs.dead - ours.dead,
        "frequencies": ours.middle - theirs.middle,
        "aliasing": theirs.aliasing,
        "aliasing-removed": theirs.aliasing - ours.aliasing,
    }
    found = {claim.id: claim.measure(data, GIVEN)[0].value for claim in fig6.CLAIMS if claim.id in expected}
    assert found == pytest.approx(expected)


def test_the_interval_of_distinct_features_is_of_two_independent_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = iter([(3.0, 2.6, 3.5), (1.0, 0.7, 1.4)])
    monkeypatch.setattr(fig6, "bootstrap_pairs", lambda _: next(ends))
    [found] = fig6.distinct(world(1), GIVEN)
    assert (found.value, found.low, found.high) == pytest.approx((2, 2 - 0.32**0.5, 2 + 0.34**0.5))


def test_what_can_not_be_measured_says_why(tmp_path: Path) -> None:
    store.save(tmp_path / unavailable.NAME, "a reason\n")
    for claim in fig6.CLAIMS:
        with pytest.raises(Unmeasurable, match="a reason"):
            claim.measure(Folder(tmp_path, "filters"), GIVEN)
    data = world(1)
    data["filters.safetensors"]["zfnet correlation"][1:] = np.nan
    with pytest.raises(Unmeasurable, match="fewer than two filters"):
        fig6.distinct(data, GIVEN)
