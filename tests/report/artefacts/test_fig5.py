from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from tests.report.artefacts.layout import faults, words
from zfpipe.probes.invariance import summary
from zfpipe.report import ledger
from zfpipe.report.artefacts import fig5
from zfpipe.report.engine import claims, style
from zfpipe.report.engine.artefact import Folder

DRAWING = style.Drawing(99, 48)
STEPS = {"translation": [-34.0, -17, 0, 17, 34], "scale": [1.0, 1.4, 1.8], "rotation": [0.0, 120, 240]}
LONG = "African hunting dog, hyena dog, Cape hunting dog, Lycaon pictus"
GIVEN: Any = None
CLAIMS = {claim.id: claim for claim in fig5.CLAIMS}


def made(names: list[str], layers: tuple[int, ...] = (1, 7), crop: int = 48) -> dict[str, Any]:
    """Return random results, with rows in random order."""
    rng = np.random.default_rng(4)
    rows = [
        {"id": image, "transform": kind, "amount": amount, "layer": layer, "distance": 100 * rng.random(),
         "relative": rng.random(), "p_true": rng.random()}
        for image in range(12) for kind, amounts in STEPS.items() for amount in amounts for layer in layers
    ]  # fmt: skip
    table = pd.DataFrame(rows).sample(frac=1, random_state=0)
    shown = pd.DataFrame({"id": range(len(names)), "class": names})
    images = rng.integers(0, 256, (len(names), 3, 3, crop, crop, 3), np.uint8)
    untrained = table.assign(distance=rng.random(len(table)), relative=rng.random(len(table)), p_true=0.05)
    return {
        "invariance.parquet": table,
        "untrained.parquet": untrained,
        "summary.csv": summary(table),
        "shown.csv": shown,
        "shown.npy": images,
    }


def drawn(data: dict[str, Any]) -> Figure:
    with style.context():
        figure = fig5.draw(data, DRAWING)
        assert faults(figure) == []
    return figure


@pytest.mark.parametrize(
    ("names", "layers", "crop"),
    [(["cat"] * 5, (1, 7), 48), ([LONG] * 10, (1, 7), 224), (["cat"], (1,), 48), ([], (1, 7), 48)],
)
def test_every_word_can_be_read(names: list[str], layers: tuple[int, ...], crop: int) -> None:
    figure = drawn(made(names, layers, crop))
    assert len(figure.axes) == (3 * (2 + len(layers)) if names else 0) + 6
    found = [text.get_text() for text in words(figure)]
    assert "12 images: median and quartiles" in found and all(name in found for name in names)


def test_each_image_has_a_curve_in_its_colour() -> None:
    data = made(["cat", "dog", "cat", "fox"])
    grid = np.array(drawn(data).axes[:12]).reshape(3, 4)
    table = data["invariance.parquet"]
    columns = [(1, "distance"), (7, "distance"), (1, "p_true")]
    for axes, kind in zip(grid, STEPS, strict=True):
        for chart, (layer, column) in zip(axes[1:], columns, strict=True):
            assert [line.get_color() for line in chart.lines] == list(style.COLOURS[:4])
            for image, line in enumerate(chart.lines):
                rows = table[(table["id"] == image) & (table["transform"] == kind) & (table["layer"] == layer)]
                rows = rows.sort_values("amount")
                assert np.array_equal(line.get_xydata(), rows[["amount", column]].to_numpy())
    assert [axes.get_title(loc="left") for axes in grid[0]] == [
        "Moved", "Layer 1: distance", "Layer 7: distance", "Probability of its class"
    ]  # fmt: skip


def test_the_images_stand_over_their_colours() -> None:
    data = made(["cat", "dog"], crop=20)
    axes = drawn(data).axes[4]
    (picture,) = axes.images
    pixels = np.asarray(picture.get_array())
    assert all(
        np.array_equal(pixels[step * 22 :, image * 22 :][:20, :20], data["shown.npy"][image, 1, step])
        for image in range(2)
        for step in range(3)
    )
    (bars,) = axes.collections
    assert isinstance(bars, LineCollection)
    assert [to_hex(colour) for colour in np.asarray(bars.get_color())] == list(style.COLOURS[:2])
    assert [segment[:, 0].tolist() for segment in map(np.asarray, bars.get_segments())] == [[0, 20], [22, 42]]


def test_medians_and_quartiles_are_drawn_and_listed() -> None:
    data = made(["cat"])
    axes = drawn(data).axes[-6]
    table = data["invariance.parquet"].query("transform == 'translation' and layer == 7")
    at = table.groupby("amount")["relative"]
    assert np.allclose(np.asarray(axes.lines[1].get_xydata()).T, [STEPS["translation"], at.median()])
    edges = np.concatenate([np.asarray(path.vertices) for path in axes.collections[1].get_paths()])
    corners = [*zip(at.groups, at.quantile(0.25), strict=True), *zip(at.groups, at.quantile(0.75), strict=True)]
    assert all(np.isclose(edges, corner).all(1).any() for corner in corners)
    rows = fig5.details(data).rows
    assert [row[0] for row in rows] == [
        "Moved down by 17 pixels", "Moved down by 34 pixels", "Enlarged 1.4 times", "Enlarged 1.8 times",
        "Turned by 120 degrees", "Turned by 240 degrees",
    ]  # fmt: skip
    assert rows[1][2] == f"{at.median()[34.0]:.2f}"
    everything = data["invariance.parquet"].query("transform == 'rotation' and amount == 240 and layer == 1")
    assert rows[5][3] == f"{everything['p_true'].median():.2f}"
    assert f"{rows[1][0]}: {', '.join(rows[1][1:])}; " in fig5.alternative(data)


def world(effect: int) -> dict[str, Any]:
    """Return results in which each claim holds (1), does not hold (-1), or depends on the image (0).

    Without the untrained network, claims on distances would hold in all of them.
    """
    rng, rows = np.random.default_rng(2), []
    steps = {"translation": [-4.0, -2, 0, 2, 4], "scale": [1.0, 1.2, 1.4, 1.6], "rotation": [0.0, 20, 340]}
    for image in range(40):
        for kind, amounts in steps.items():
            stable = (effect == 1) != (kind == "rotation")
            share = {True: 0.95, False: 0.5}[stable] if effect else 0.5 + 0.5 * (image % 2)
            for amount in amounts:
                far = abs(amount - (kind == "scale"))
                bent = image % 2 if effect == 0 else effect == -1
                top = (far > 0) * rng.uniform(1, 2) if bent else 3 * far
                for layer in (1, 7):
                    apart = 0.5 * (effect or (-1) ** image) * (1 if layer == 1 else -1) + rng.normal(0, 0.1)
                    rows.append(
                        {"id": image, "transform": kind, "amount": amount, "layer": layer, "distance": top,
                         "relative": apart if far else 0.0, "p_true": 0.9 * (share if far else 1)}
                    )  # fmt: skip
    table = pd.DataFrame(rows)
    lowest, changed = table["layer"] == 1, table["relative"] != 0
    untrained = table.assign(relative=2.0 * (lowest & changed), distance=rng.uniform(1, 2, len(table)), p_true=0.05)
    table["relative"] += untrained["relative"]
    both = {"invariance.parquet": table, "untrained.parquet": untrained}
    return {name: rows.sample(frac=1, random_state=0) for name, rows in both.items()}


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=list(CLAIMS))
@pytest.mark.parametrize(("effect", "verdict"), [(1, "holds"), (-1, "does not hold"), (0, "undecided")])
def test_claims_are_judged(claim: claims.Claim, effect: int, verdict: str) -> None:
    measures = claim.measure(world(effect), GIVEN)
    assert claims.judge(claim.rule, measures)[0] == verdict
    assert {one.count for one in measures} == {"40 images"}


def untrained_alone() -> dict[str, Any]:
    data = world(1)
    return data | {"invariance.parquet": data["untrained.parquet"]}


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=list(CLAIMS))
def test_an_untrained_network_does_not_hold_against_itself(claim: claims.Claim) -> None:
    entry, measures = ledger.judged(claim, untrained_alone(), GIVEN)
    if claim.premises:
        assert entry["verdict"] == "not measurable here"
    else:
        assert [one.value for one in measures] == [0] * 3 and entry["verdict"] != "holds"


def test_a_claim_needs_its_premises() -> None:
    data = world(1)
    for claim in CLAIMS.values():
        assert ledger.judged(claim, data, GIVEN)[0]["verdict"] == "holds"
    unsure = data["untrained.parquet"].assign(p_true=0.89)  # 0.9 is less than a tenth of the way from 0.89 to 1
    straight = data["invariance.parquet"].assign(p_true=0.05)
    for name, other in (("stable", unsure), ("rotation", unsure), ("linearity", straight)):
        entry, _ = ledger.judged(CLAIMS[name], data | {"untrained.parquet": other}, GIVEN)
        assert entry["verdict"] == "not measurable here"
    [found] = fig5.known(data, GIVEN)
    assert found.value == pytest.approx(0.9 - 0.05 - 0.1 * 0.95) and found.count == "40 images"
    at = {name: data[name].query("transform == 'scale' and layer == 7") for name in (fig5.TRAINED, fig5.UNTRAINED)}
    gains = []
    for image in range(40):
        fits = []
        for table in at.values():
            rows = sorted(table[table["id"] == image].to_dict("records"), key=lambda row: row["amount"])
            far, distance = (np.array([row[name] for row in rows]) for name in ("amount", "distance"))
            slope = np.linalg.lstsq(far[:, None] - 1, distance)[0]
            rest = distance - (far[:, None] - 1) @ slope
            fits.append(1 - (rest**2).sum() / ((distance - distance.mean()) ** 2).sum())
        gains.append(fits[0] - fits[1])
    assert fig5.straighter(data, GIVEN)[1].value == pytest.approx(np.median(gains))


def test_the_numbers_of_claims_equal_loops() -> None:
    data = world(0)
    records = data["invariance.parquet"].to_dict("records")
    others = data["untrained.parquet"].to_dict("records")

    def mean(column: str, rows: list[dict[str, Any]] = records, **wanted: Any) -> float:
        return float(np.mean([row[column] for row in rows if all(row[key] == one for key, one in wanted.items())]))

    kinds = {"moved": ("translation", 2.0), "enlarged": ("scale", 1.2), "turned": ("rotation", 20.0)}
    for found in CLAIMS["small-changes"].measure(data, GIVEN):
        kind, amount = kinds[found.part]
        least = [amount, 360 - amount if kind == "rotation" else -amount if kind == "translation" else amount]
        trained, untrained = (
            [np.mean([mean("relative", rows, transform=kind, amount=one, layer=layer) for one in least])
             for layer in (1, 7)]
            for rows in (records, others)
        )  # fmt: skip
        assert found.value == pytest.approx(trained[0] - trained[1] - (untrained[0] - untrained[1]))
    moved, _ = CLAIMS["stable"].measure(data, GIVEN)
    kept = [mean("p_true", transform="translation", amount=one) for one in (-4.0, -2.0, 2.0, 4.0)]
    assert moved.value == pytest.approx(np.mean(kept) / mean("p_true", transform="translation", amount=0.0))


def test_the_line_goes_through_the_unchanged_image() -> None:
    data = world(-1)
    found = CLAIMS["linearity"].measure(data, GIVEN)[1]
    rows = data["invariance.parquet"].query("transform == 'scale' and layer == 7").sort_values(["id", "amount"])
    explained = []
    for distance in rows["distance"].to_numpy().reshape(40, 4):
        rests = [((distance - slope * np.array([0, 0.2, 0.4, 0.6])) ** 2).sum() for slope in np.linspace(0, 9, 9001)]
        explained.append(1 - min(rests) / ((distance - distance.mean()) ** 2).sum())
    assert found.value == pytest.approx(np.median(explained), abs=1e-5)


def test_claims_that_can_not_be_measured_say_why(tmp_path: Path) -> None:
    table = world(1)["invariance.parquet"]
    with pytest.raises(claims.Unmeasurable, match="the highest layer never changes"):
        CLAIMS["linearity"].measure({"invariance.parquet": table.assign(distance=0.0)}, GIVEN)
    (tmp_path / "unavailable.txt").write_text("the reason\n")
    for claim in fig5.CLAIMS:
        with pytest.raises(claims.Unmeasurable, match="no hidden fully connected layer"):
            claim.measure(dict.fromkeys(("invariance.parquet", "untrained.parquet"), table.query("layer == 1")), GIVEN)
        with pytest.raises(claims.Unmeasurable, match="the reason"):
            claim.measure(Folder(tmp_path, "invariance"), GIVEN)
