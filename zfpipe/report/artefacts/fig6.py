"""Fig. 6: layer-1 filters of (a) ours without clipping, (b) AlexNet, (c) ours; layer 2 of (d) AlexNet, (e) ours."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.figure import Figure

from zfpipe import paths
from zfpipe.report.engine import style, tiles
from zfpipe.report.engine.artefact import Artefact, Data, Details
from zfpipe.report.engine.claims import Claim, Given, Measures, Premise, Unmeasurable, above, ours
from zfpipe.report.engine.measure import Measure, amount, number, percent
from zfpipe.report.engine.networks import learned, over_seeds
from zfpipe.sections import alike

ARTEFACT = Artefact(
    name="Figure 6",
    section="4.1",
    title="Filters of layer 1, and what clipping, size and stride do to them",
    caption="All layer-1 filters of three networks, lettered as in the paper: (a) ours trained without clipping the "
    "filters' RMS, (b) the replication of AlexNet, (c) ours. One scale in each panel, so that a dominating filter "
    "shows as one: grey is zero and the panel's largest weight full contrast. Below, layer 2 of (d) AlexNet and (e) "
    "ours: each map's strongest activation over the validation images, projected to pixels. Low, middle and high "
    "frequencies part at 1/8 and 1/4 of a cycle per pixel. Aliasing is the power of the layer-2 projections at the "
    "sampling frequency of layer 1's stride over the power beside it. The claims compare means over the seeds of "
    "each kind, and networks with random weights, which the table has too: what size and stride give untrained.",
    paper="Without clipping a few filters dominate. AlexNet's are a mix of very low and very high frequencies with "
    "little in the middle, and its layer 2 shows aliasing from the stride of 4; smaller filters and stride give more "
    "distinctive features, fewer dead ones, and a layer 2 without aliasing.",
    folder=paths.FILTERS,
    made_by=("figure@6", "filters", "train@RUN"),
    printed="Published: filters of 7 × 7 at stride 2 (ours) against 11 × 11 at stride 4 (AlexNet), RMS clipped at 0.1; "
    "the paper prints no numbers for domination and dead filters.",
    parameters=("runs", "training", "crops.size", "betons.resize"),
    results={"filters.safetensors": "the filters", "filters.json": "their statistics, of every seed"},
)
METHODS = """
- Fig. 6: frequencies are distances from zero in the spectrum of a filter padded to 32 x 32, all filters counting the
  same: low below 1/8 of a cycle per pixel, middle below 1/4. Aliasing: in the layer-2 projections, windowed (Hann),
  power at multiples of 1 / stride per pixel over the geometric mean of what lies beside.
- Two features of layer 1 are alike as far as their rectified answers correlate over all places of all validation
  images, in size; a network's number is the mean over its pairs of features that answer at all.
- Fig. 6 is judged over networks, not over the filters of one: each kind's number is a mean over the runs that differ in
  the seed alone, and every network is taken to scatter as the seeds of the kinds with several do (Student's t). Ratios
  are averaged and compared as logarithms. Untrained: the same architecture with one draw of random weights, which has
  the size and stride but has learned nothing; what it has too is not what training makes of them.
"""
OURS, UNCLIPPED, ALEXNET = "zfnet", "zfnet-unclipped", "alexnet"
LAYER1 = {UNCLIPPED: "(a) Ours, without clipping", ALEXNET: "(b) AlexNet, our replication", OURS: "(c) Ours"}
LAYER2 = {ALEXNET: "(d) AlexNet, layer 2", OURS: "(e) Ours, layer 2"}
"""Runs and titles, lettered as in the paper."""
ROOM1, ROOM2 = 620, 955  # width of a panel in pixels
SHOWN = 256  # only the first 256 layer-2 maps are drawn; the paper's network has no more


def draw(data: Data, drawing: style.Drawing) -> Figure:
    """Draw Fig. 6."""
    arrays, numbers = data["filters.safetensors"], data["filters.json"]
    first = [weights(arrays[run]) for run in LAYER1]
    second = [projections(arrays[f"{run} layer 2"], drawing.percentile) for run in LAYER2]
    heights = [max(len(pixels) for pixels in row) for row in (first, second)]
    words = [*([*below1(numbers[run], len(arrays[run])), ""] for run in LAYER1)]
    words += [below2(numbers[run], arrays[f"{run} layer 2"]) for run in LAYER2]
    figure = style.figure(sum(heights) + 456)
    panels = figure.subplot_mosaic("AABBCC;DDDEEE", height_ratios=heights)
    titles = (*LAYER1.values(), *LAYER2.values())
    for axes, title, pixels, lines in zip(panels.values(), titles, first + second, words, strict=True):
        tiles.place(axes, pixels)
        axes.set_title(title)
        axes.annotate("\n".join(lines), (0, 0), (0, -8), "axes fraction", "offset points", va="top", linespacing=1.35)
    style.note(
        figure,
        "Layer 1: one scale in each panel: grey is zero, the panel's largest weight is full contrast. A dead filter "
        "fires on no validation image.",
        "Layer 2: each map's strongest activation, projected and scaled alone. Aliasing: power at the stride's "
        "frequency over that beside it; 1 is none.",
    )
    return figure


def weights(filters: Float[np.ndarray, "map 3 y x"]) -> tiles.Pixels:
    """Return filters side by side, with every weight as a square of the same size."""
    columns, side = math.ceil(math.sqrt(1.5 * len(filters))), filters.shape[-1]
    size = max(((ROOM1 + tiles.GAP) // columns - tiles.GAP) // side, 1) * side
    shades = tiles.shaded(filters.transpose(0, 2, 3, 1), float(np.abs(filters).max()) or 1.0)
    return tiles.grid([tiles.scaled(one, size, size) for one in shades], columns)


def projections(pixels: Float[np.ndarray, "map y x 3"], percentile: float) -> tiles.Pixels:
    """Return layer-2 projections side by side, by the contrast rule of Fig. 2; maps that never fire are hatched."""
    drawn, side = pixels[:SHOWN], pixels.shape[1]
    columns = math.ceil(math.sqrt(len(drawn)))
    size = (ROOM2 + tiles.GAP) // columns - tiles.GAP
    size = size // side * side or size
    shades = [tiles.contrast(one, np.ones((side, side), bool), percentile) if one.any() else None for one in drawn]
    dead = tiles.hatched(size, size)
    return tiles.grid([dead if one is None else tiles.scaled(one, size, size) for one in shades], columns)


def below1(found: dict[str, Any], count: int) -> list[str]:
    """Return the numbers below layer 1."""
    size, clipped, largest, times, dead, _, low, middle, high, _ = shown(found).values()
    return [
        f"{count} filters of {size}",
        f"RMS {clipped if found['renorm_radius'] is None else f'clipped at {clipped}'}; largest {largest}",
        f"largest RMS {times} times the median",
        f"{dead} of the filters are dead" if found["dead"] else "no dead filters",
        f"low / middle / high frequencies: {low} / {middle} / {high}",
    ]


def below2(found: dict[str, Any], pixels: Float[np.ndarray, "map y x 3"]) -> list[str]:
    """Return the numbers below layer 2."""
    drawn, side, dead = min(len(pixels), SHOWN), pixels.shape[1], int((~pixels.any((1, 2, 3))).sum())
    return [
        f"{drawn} of {len(pixels)} maps, {side} × {side} pixels each" + (f"; {dead} dead" if dead else ""),
        f"aliasing at the stride of layer 1, {found['stride']} pixels: {shown(found)['Aliasing in layer 2']}",
    ]


def shown(found: dict[str, Any]) -> dict[str, str]:
    """Return a network's numbers as text by column."""
    return {
        "Filters": f"{found['filter_size']} × {found['filter_size']}, stride {found['stride']}",
        "RMS clipped at": "not clipped" if found["renorm_radius"] is None else amount(found["renorm_radius"]),
        "Largest RMS": amount(found["rms_max"]),
        "Times the median": number(found["dominance"], 1),
        "Dead": percent(found["dead"]),
        "Two maps' correlation": number(found["alike"], 2),
        "Low frequencies": percent(found["low"]),
        "Middle": percent(found["middle"]),
        "High": percent(found["high"]),
        "Aliasing in layer 2": number(found["aliasing"], 2),
    }


def details(data: Data) -> Details:
    """Return the figure's numbers with a row for each network, trained or untrained."""
    found = data["filters.json"]
    rows = [{"Network": title} | shown(found[run]) for run, title in LAYER1.items()]
    rows += [{"Network": f"{LAYER1[run]}, untrained"} | shown(one) for run, one in found["untrained"].items()]
    return Details("The numbers of Figure 6", tuple(rows[0]), [tuple(row.values()) for row in rows], open=True)


def alternative(data: Data) -> str:
    """Return Fig. 6 in words."""
    found = data["filters.json"]
    times = ((title, shown(found[run])["Times the median"]) for run, title in LAYER1.items())
    rows = "; ".join(f"{title} has a largest RMS {most} times the median" for title, most in times)
    return f"Layer-1 filters of three networks as small colour patterns, and layer-2 projections of two. {rows}."


def compared(name: str, weights: Mapping[str, float], times: bool = False) -> Measures:
    """Return a function that measures a weighted sum of networks' numbers, each averaged over seeds.

    With `times`, logarithms are summed, and shown as a ratio. `untrained RUN` is a run's network with random weights.
    """

    def measures(data: Data, given: Given) -> list[Measure]:
        found = ours(data, "filters.json")
        given.needs(*(run for run in weights if run in LAYER1))
        seeds = alike(given.runs)
        groups = {run: {one: found[one] for one in seeds[run]} for run in LAYER1 if run in seeds}
        groups |= {f"untrained {run}": {run: one} for run, one in found["untrained"].items()}
        series = {run: numbers(name, group, np.log if times else np.asarray) for run, group in groups.items()}
        for run in weights:
            if not np.isfinite(series[run]).all():
                raise Unmeasurable(f"{WITHOUT.get(name, 'it would be a division by 0')} ({run})")
        known = {run: one for run, one in series.items() if run in weights or np.isfinite(one).all()}
        value = over_seeds(known, weights)
        return [exponential(value) if times else value]

    return measures


WITHOUT = {"alike": "fewer than two filters of layer 1 answer"}
"""Why a number is missing, if the reason is not a division by 0."""


def numbers(name: str, group: Mapping[str, Any], scale: Callable[[np.ndarray], np.ndarray]) -> pd.Series:
    """Return a number of each network on a scale; NaN or infinite if there is none."""
    with np.errstate(divide="ignore"):
        return pd.Series(scale(np.array([one[name] for one in group.values()], np.float64)), list(group))


def exponential(one: Measure) -> Measure:
    """Return the measure of a number from the measure of its logarithm."""
    ends = {end: None if (at := getattr(one, end)) is None else math.exp(at) for end in ("value", "low", "high")}
    return dataclasses.replace(one, **ends)


SEEDS = "networks that differ in the seed alone: no difference, give or take their scatter"
APART = {ALEXNET: 1.0, OURS: -1.0}
LEARNED = {**APART, f"untrained {ALEXNET}": -1.0, f"untrained {OURS}": 1.0}
"""AlexNet's number minus ours; and this difference minus the one between the untrained networks."""
UNLIKE = "the same difference between the two networks before training, which comes with size and stride alone"
dominates = compared("dominance", {UNCLIPPED: 1.0}, times=True)
aliases = compared("aliasing", {ALEXNET: 1.0, f"untrained {ALEXNET}": -1.0}, times=True)
BOTH = (learned(OURS, ALEXNET),)
CLAIMS = (
    Claim("dominance", "Without renormalisation a few filters of layer 1 dominate.",
          "largest over median RMS of the layer-1 filters, trained without renormalisation", "times", above(2.0),
          dominates, "filters that are all as strong as the median: 1 time, give or take the scatter of the seeds",
          [learned(UNCLIPPED)], why="twice the median; the paper prints no number", section="3"),
    Claim("renormalisation", "Renormalising the filters combats that.",
          "the same number without renormalisation, over that with it", "times", above(1.0),
          compared("dominance", {UNCLIPPED: 1.0, OURS: -1.0}, times=True), SEEDS,
          [Premise("it is not shown that filters dominate without renormalisation", dominates, above(2.0))],
          section="3"),
    Claim("dead", "Smaller filters and stride give fewer dead features in layer 1.",
          "share of layer-1 filters that never fire: AlexNet's minus ours", "", above(), compared("dead", APART),
          SEEDS, BOTH),
    Claim("distinct", "They give more distinct features in layer 1.",
          "mean size of the correlation between two layer-1 maps over all places of all images: AlexNet's minus ours, "
          "beyond the same of the untrained networks", "", above(), compared("alike", LEARNED), UNLIKE, BOTH),
    Claim("frequencies", "They cover the middle frequencies, which AlexNet's layer 1 hardly does.",
          "share of the filters' power between 1/8 and 1/4 of a cycle per pixel: ours minus AlexNet's, beyond the same "
          "of the untrained networks", "", above(),
          compared("middle", {run: -weight for run, weight in LEARNED.items()}), UNLIKE, BOTH),
    Claim("aliasing", "AlexNet's layer 2 shows aliasing from its stride.",
          "power of its layer-2 projections at the sampling frequency of layer 1 over the power beside it, over the "
          "same of the untrained network", "times", above(1.0), aliases,
          "the same network before training: the aliasing that its stride gives any filters", BOTH),
    Claim("aliasing-removed", "The smaller stride removes it.",
          "power of the layer-2 projections at the sampling frequency of layer 1 over the power beside it, AlexNet's "
          "minus ours", "", above(), compared("aliasing", APART), SEEDS,
          [Premise("it is not shown that AlexNet's layer 2 has more aliasing than untrained", aliases, above(1.0))]),
)  # fmt: skip
