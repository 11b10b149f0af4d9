import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image
from safetensors.numpy import save_file

from tests.imports import ROOT
from tests.report import conftest
from tests.report.layout import faults, words
from zfpipe import params, store, unavailable
from zfpipe.errors import UserError
from zfpipe.network import weights
from zfpipe.probes import shapes
from zfpipe.report.figures import fig1, fig2, fig3, fig4, fig5, fig6, fig7, fig7b, fig8, fig9
from zfpipe.report.plotting import heat, style, tiles
from zfpipe.tools import profiles

DRAWING = style.Drawing(99.5, 128)


def pixels(figure: object, path: Path) -> np.ndarray:
    style.save(figure, path)  # type: ignore[arg-type]
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.mark.parametrize("number", conftest.FIGURES)
def test_a_figure_has_its_size_and_is_not_blank(project: Path, number: str) -> None:
    with Image.open(f"reports/figures/fig{number}.png") as image:
        assert image.width == style.WIDTH and 300 < image.height < 8000
        shades = np.asarray(image.convert("L"))
    assert (shades < 250).mean() > 0.02 and len(np.unique(shades)) > 100


@pytest.mark.parametrize("number", conftest.FIGURES)
def test_a_figure_is_the_same_bytes_each_time(project: Path, number: str) -> None:
    path = Path(f"reports/figures/fig{number}.png")
    before = path.read_bytes()
    conftest.run_stage(f"figure {number}")
    assert path.read_bytes() == before


def test_every_word_can_be_read(project: Path) -> None:
    assert faults(fig1.draw(fig1.FOLDER, DRAWING)) == []
    assert faults(fig2.draw(fig2.FOLDER, DRAWING)) == []
    assert faults(fig3.draw(fig3.FOLDER, DRAWING)) == []
    assert faults(fig4.draw(fig4.FOLDER, DRAWING)) == []
    assert faults(fig6.draw(fig6.FOLDER, DRAWING)) == []
    assert faults(fig5.draw(fig5.FOLDER, DRAWING)) == []
    assert faults(fig7.draw(fig7.FOLDER, DRAWING)) == []
    assert faults(fig7b.draw(fig7b.FOLDER, DRAWING)) == []
    assert faults(fig8.draw(fig8.FOLDER, DRAWING)) == []
    assert faults(fig9.draw(fig9.FOLDER, DRAWING)) == []


def test_fig1_shows_the_pools_with_the_most_signal(project: Path) -> None:
    arrays, _ = fig1.read(fig1.FOLDER)
    y, x = fig1.corner(arrays["filtered"])
    assert {y, x + 10} <= {9, 10, 11, 12, 30, 31, 32}
    figure = fig1.draw(fig1.FOLDER, DRAWING)
    found = [text.get_text() for text in words(figure)]
    block = arrays["filtered"][y : y + 4, x : x + 4]
    assert sum(word == fig1.short(float(block.ravel()[3])) for word in found) >= 1
    assert "shared switches (twice framed): added up" in found


def test_fig1_fits_pools_of_other_sizes(project: Path) -> None:
    arrays, facts = fig1.read(fig1.FOLDER)
    rng = np.random.default_rng(0)
    for size, stride in ((2, 2), (4, 4)):
        map1 = np.maximum(rng.normal(0, 1, (8 * stride, 8 * stride)), 0).astype(np.float32)
        windows = sliding_window_view(map1, (size, size))[::stride, ::stride]
        inner = windows.reshape(*windows.shape[:2], -1).argmax(2)
        y, x = np.indices(inner.shape) * stride + np.divmod(inner, size)
        made = {"map1": map1, "switches": y * map1.shape[1] + x, "pooled1": windows.max((2, 3))}
        made |= {"filtered": rng.normal(0, 1, inner.shape), "unpooled": map1, "rectified": map1}
        save_file({**arrays, **made}, fig1.FOLDER / "steps.safetensors")
        (fig1.FOLDER / "steps.json").write_text(json.dumps(facts | {"pool": {"size": size, "stride": stride}}))
        figure = fig1.draw(fig1.FOLDER, DRAWING)
        assert faults(figure) == []
        assert f"{size} × {size}, stride {stride}" in [text.get_text() for text in words(figure)]


def test_fig4_counts_maps_as_they_settle() -> None:
    def block(*epochs: float) -> fig4.Block:
        return fig4.Block(1, pd.DataFrame(), np.zeros(0), pd.Series(epochs))

    half = block(*[1.0] * 12, *[7.0] * 12)
    assert [fig4.reached(half, share) for share in (0.25, 0.5, 0.75)] == [1, 1, 7]
    assert fig4.remark(half) == "half of its maps settle by epoch 1"
    dead = float("nan")
    assert fig4.remark(block(1.0, dead)) == "half of its maps settle by epoch 1, 1 never"
    assert fig4.remark(block(1.0, dead, dead)) == "more than half of its maps are dead"


def test_fig4_marks_where_the_image_changes(project: Path) -> None:
    bars = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style, "rectangle", lambda _, left, top, *rest: bars.append((left, top, rest[2])))
        figure = fig4.draw(fig4.FOLDER, DRAWING)
    assert len(bars) == len(conftest.FIELDS) * len(conftest.MAPS), "from the second snapshot to the third, once a map"
    assert {colour for *_, colour in bars} == {fig4.CHANGED}
    found = [text.get_text() for text in words(figure)]
    assert found.count("64") == len(conftest.FIELDS)
    assert found.count("half of its maps settle by epoch 4, 1 never") == 2
    assert found.count("half of its maps settle by epoch 4") == 1


def test_fig3_of_the_papers_network(project: Path) -> None:
    profiles.apply("imagenet", ROOT / "profiles", Path("params.yaml"))
    settings = params.load()
    network = weights.build(settings.model, 224, 1000)
    Path("shapes/zfnet.json").write_text(json.dumps(shapes.measure(network)))
    figure = fig3.draw(fig3.FOLDER, DRAWING)
    assert faults(figure) == []
    found = [text.get_text() for text in words(figure)]
    for size in ("110 × 110", "26 × 26", "stride 2: 55 × 55", "stride 2: 6 × 6", "from 9,216", "1,000 classes"):
        assert size in found
    assert found.count("13 × 13") == 3


def test_long_class_names_leave_the_words_readable(project: Path) -> None:
    rows = pd.read_parquet("projections/projections.parquet")
    rows["class"] = "Wire-haired pointing griffon of the northern plains WWWW"
    rows["map"] += 4000
    rows.to_parquet("projections/projections.parquet")
    assert faults(fig2.draw(fig2.FOLDER, DRAWING)) == []


def test_fig2_names_its_layers_and_maps(project: Path) -> None:
    found = [text.get_text() for text in words(fig2.draw(fig2.FOLDER, DRAWING))]
    assert [f"Layer {layer}" for layer in conftest.FIELDS] == [text for text in found if text.startswith("Layer")]
    for number in conftest.MAPS:
        assert found.count(f"map {number}") == len(conftest.FIELDS)


def test_fig2_marks_dead_maps_and_only_them(project: Path) -> None:
    found = [text.get_text() for text in words(fig2.draw(fig2.FOLDER, DRAWING))]
    assert found.count("dead") == len(conftest.DEAD)
    for block in fig2.read(fig2.FOLDER):
        for place, number in enumerate(block.maps):
            rows = block.rows.query("map == @number")
            squares = [square for _, square in fig2.squares(block, place, rows, DRAWING)]
            only_hatching = all(set(np.unique(square)) <= {style.HATCH, style.PAPER, 255} for square in squares)
            assert only_hatching == ((block.layer, number) in conftest.DEAD)


def test_fig2_shows_each_map_beside_its_own_patches(project: Path) -> None:
    block = fig2.read(fig2.FOLDER)[0]
    rows = pd.read_parquet("projections/projections.parquet").query("layer == 1 and map == 3").set_index("rank")
    (_, left), (_, right) = fig2.squares(block, 1, block.rows.query("map == 3"), DRAWING)
    step, scale = block.tile + 2, block.tile // 7
    assert scale == 5
    for rank in range(9):
        y, x = rank // 3 * step, rank % 3 * step
        box = rows.loc[rank, ["x0", "y0", "x1", "y1"]].to_numpy()
        seen = tiles.visible(box, 128)
        shown = style.contrast(np.load("projections/layer1.npy")[1, rank], seen, 99.5)
        patch = np.load("projections/layer1_patches.npy")[1, rank]
        for square, expected in ((left, shown), (right, patch)):
            tile = square[y : y + 35, x : x + 35]
            assert (tile[2::5, 2::5][seen] == expected[seen]).all()
            assert (tile[2::5, 2::5][~seen] == style.PAPER).all()


def test_visible_pixels_are_those_inside_the_crop() -> None:
    box = np.array([-3, 120, 5, 132])
    seen = tiles.visible(box, 128)
    assert seen.shape == (12, 8)
    for y in range(12):
        for x in range(8):
            assert seen[y, x] == (0 <= x - 3 < 128 and 0 <= y + 120 < 128)


def test_fig2_takes_another_number_of_activations(project: Path) -> None:
    rows = pd.read_parquet("projections/projections.parquet").query("rank < 5")
    rows.to_parquet("projections/projections.parquet")
    for layer in conftest.FIELDS:
        for kind in ("", "_patches"):
            path = Path(f"projections/layer{layer}{kind}.npy")
            np.save(path, np.load(path)[:, :5])
    assert faults(fig2.draw(fig2.FOLDER, DRAWING)) == []


def test_fig2_says_what_is_missing(project: Path) -> None:
    np.save("projections/layer2.npy", np.load("projections/layer2.npy")[1:])
    with pytest.raises(UserError, match=r"layer 2's arrays and table do not match.*dvc repro -f projections"):
        fig2.draw(fig2.FOLDER, DRAWING)
    with pytest.raises(UserError, match=r"projections.parquet not found; make it: dvc repro projections"):
        fig2.draw(Path("elsewhere"), DRAWING)


def test_fig6_scales_each_panel_by_its_largest_weight() -> None:
    numbers = {"filter_size": 7, "stride": 2, "renorm_radius": None, "rms_max": 1.0, "dominance": 9.0, "dead": 0.0,
               "low": 0.2, "middle": 0.3, "high": 0.5}  # fmt: skip
    filters = np.zeros((4, 3, 7, 7), np.float32)
    filters[1, 2, 6, 0] = -8
    filters[2, 0, 0, 6] = 2
    panel = fig6.layer1("title", filters, numbers, 620)
    side = (panel.pixels.shape[1] - 2 * 2) // 3
    assert side % 7 == 0
    dominating, weak = panel.pixels[:side, side + 2 : 2 * side + 2], panel.pixels[:side, 2 * side + 4 :]
    assert dominating[-1, 0].tolist() == [128, 128, 1]
    assert weak[0, -1].tolist() == [160, 128, 128]


def test_fig6_shows_the_numbers_of_every_network(project: Path) -> None:
    found = "\n".join(text.get_text() for text in words(fig6.draw(fig6.FOLDER, DRAWING)))
    assert found.count("24 filters of 7 × 7, stride 2") == 3
    assert found.count("largest RMS 20.6 times the median") == 3
    assert found.count("12% of the filters are dead") == 1 and found.count("no dead filters") == 2
    assert found.count("not clipped") == 1 and found.count("clipped at 0.1") == 2
    assert found.count("low / middle / high frequencies: 20% / 30% / 50%") == 3
    assert found.count("30 of 30 maps, 27 × 27 pixels each; 1 dead") == 2
    assert found.count("aliasing at the stride of layer 1, 2 pixels: 1.25") == 2


def test_the_stage_takes_only_figures_that_exist(project: Path) -> None:
    with pytest.raises(UserError, match="figure takes a figure, got 10; must be one of 1, 2, 3, 4, 5, 6, 7, 7b, 8"):
        conftest.run_stage("figure 10")


def test_the_stage_hands_down_the_parameters(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawings = []
    monkeypatch.setattr(fig6, "draw", lambda folder, drawing: drawings.append(drawing) or style.blank(10))
    conftest.run_stage("figure 6")
    settings = params.load()
    assert drawings == [style.Drawing(settings.figures.percentile, settings.crops.size)]


def test_fig5_has_a_curve_for_each_image_and_a_band_for_all(project: Path) -> None:
    figure = fig5.draw(fig5.FOLDER, DRAWING)
    single, many = figure.axes[:9], figure.axes[9:]
    assert all(len(axes.lines) == 5 for axes in single)
    assert len(many) == 6 and all(axes.collections for axes in many)
    table = pd.read_parquet("invariance/invariance.parquet")
    rows = table.query("id == 2 and transform == 'scale' and layer == 7").sort_values("amount")
    drawn = single[3 + 1].lines[2]
    np.testing.assert_allclose(np.asarray(drawn.get_ydata()), rows["distance"].to_numpy())
    assert [round(float(amount), 3) for amount in np.asarray(drawn.get_xdata())] == [1.0, 1.4, 1.8]


def test_fig7_outlines_the_object_and_places_the_projection() -> None:
    mask = np.zeros((10, 10), bool)
    mask[3:6, 2:9] = True
    found = heat.outlined(np.full((100, 100, 3), 77, np.uint8), mask)
    assert (found[30, 20:90] == 255).all() or (found[29, 20:90] == 255).all()
    assert (found[45, 55] == 77).all() and (found[5, 5] == 77).all()
    untouched = np.full((20, 20, 3), 77, np.uint8)
    assert np.array_equal(heat.outlined(untouched, np.zeros((10, 10), bool)), untouched)
    pixels = np.arange(6 * 6 * 3, dtype=np.uint8).reshape(6, 6, 3)
    placed = fig7.in_place(pixels, np.array([-2, 7, 4, 13]), 10)
    assert np.array_equal(placed[7:, :4], pixels[:3, 2:]) and (placed[:7] == style.PAPER).all()


def test_fig7_colours_stay_with_their_values() -> None:
    ramp = heat.coloured(np.array([[0.0, 0.5], [1.0, 2.0]]), 20, 20).astype(int)
    assert ramp[0, 0].sum() < ramp[0, 15].sum() < ramp[15, 0].sum()
    assert np.array_equal(ramp[15, 0], ramp[15, 15]), "beyond the largest"


def test_what_can_not_be_had_says_why(project: Path) -> None:
    for number, folder in (("1", "principle"), ("4", "evolution"), ("6", "filters"), ("8", "correspondence")):
        store.save(Path(folder) / unavailable.NAME, "the reason is given\n")
        conftest.run_stage(f"figure {number}")
        with Image.open(f"reports/figures/fig{number}.png") as image:
            assert image.width == style.WIDTH and image.height < 300
    (text,) = words(style.notice("Figure 6 is not available: the reason is given."))
    assert "the reason is given" in text.get_text()
    conftest.run_stage("table 1")
    assert Path("reports/tables/table1.csv").read_text().count("not available") == 4 * 2 * 3
    pd.DataFrame(columns=["score"]).to_csv("occlusion/scores.csv", index=False)
    pd.DataFrame(columns=["score", "method"]).to_csv("attribution/scores.csv", index=False)
    conftest.run_stage("figure 7")
    conftest.run_stage("figure 7b")
    conftest.run_stage("report")
    page = Path("reports/index.html").read_text()
    assert page.count("Not available: the reason is given.") == 5
    assert "Not available: no image has an object box or mask" in page
    unavailable.save(Path("principle"), dict)
    assert unavailable.reason(Path("principle")) is None


def test_fig9_draws_what_was_measured_beside_table_5(project: Path) -> None:
    curves = fig9.ours(fig9.FOLDER)
    assert list(curves["Ours, pretrained"]) == [2, 6, 15, 30, 45, 60]
    assert curves["Ours, pretrained"][60] == pytest.approx((56, 1))
    assert curves["Ours, from scratch"][15] == pytest.approx((25, 10 / 2**0.5))
    assert fig9.printed()["ImageNet-pretrained convnet"][60] == (74.2, 0.3)
    assert fig9.printed()["(Sohn et al., 2011)"][15] == (35.1, 0)
    ours, published = fig9.draw(fig9.FOLDER, DRAWING).axes
    assert ours.get_ylim() == published.get_ylim() and ours.get_xlim() == published.get_xlim()
    labels = [axes.get_legend_handles_labels()[1] for axes in (ours, published)]
    assert labels[0] == ["Chance", "Ours, pretrained", "Ours, from scratch"]
    assert labels[1] == [
        "ImageNet-pretrained convnet",
        "Non-pretrained convnet",
        "Bo et al., 2013",
        "Sohn et al., 2011",
    ]
    rows = {row[0]: row[1:] for row in fig9.details(fig9.FOLDER)["rows"]}
    assert rows["2"] == ("–", "50.2 ± 1.0", "–", "–")
    assert rows["60"] == ("74.2 ± 0.3", "56.0 ± 1.0", "38.8 ± 1.4", "25.0 ± 7.1")


def test_fig9_of_a_network_trained_elsewhere_has_no_curve_from_scratch(project: Path) -> None:
    Path("transfer/caltech256/scratch.csv").write_text("per_class,fold,accuracy,test_images\n")
    assert list(fig9.ours(fig9.FOLDER)) == ["Ours, pretrained"]
    assert faults(fig9.draw(fig9.FOLDER, DRAWING)) == []
    assert fig9.details(fig9.FOLDER)["rows"][-1] == ("60", "74.2 ± 0.3", "56.0 ± 1.0", "38.8 ± 1.4", "–")
