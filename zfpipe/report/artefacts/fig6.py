"""Fig. 6: layer-1 filters of (a) ours without clipping, (b) AlexNet, (c) ours; layer 2 of (d) AlexNet, (e) ours."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from zfpipe import paths
from zfpipe.probes import spectra
from zfpipe.probes.intervals import bootstrap_pairs, resampled
from zfpipe.report.engine import style, tiles
from zfpipe.report.engine.artefact import Artefact, Data, Details
from zfpipe.report.engine.claims import Claim, Given, Unmeasurable, above, ours
from zfpipe.report.engine.measure import Measure, amount, number, percent

ARTEFACT = Artefact(
    name="Figure 6",
    section="4.1",
    title="Filters of layer 1, and what clipping, size and stride do to them",
    caption="All layer-1 filters of three networks, lettered as in the paper: (a) ours trained without clipping the "
    "filters' RMS, (b) the replication of AlexNet, (c) ours. One scale in each panel, so that a dominating filter "
    "shows as one: grey is zero and the panel's largest weight full contrast. Below, layer 2 of (d) AlexNet and (e) "
    "ours: each map's strongest activation over the validation images, projected to pixels. Low, middle and high "
    "frequencies part at 1/8 and 1/4 of a cycle per pixel. Aliasing is the power of the layer-2 projections at the "
    "sampling frequency of layer 1's stride over the power beside it.",
    paper="Without clipping a few filters dominate. AlexNet's are a mix of very low and very high frequencies with "
    "little in the middle, and its layer 2 shows aliasing from the stride of 4; smaller filters and stride give more "
    "distinctive features, fewer dead ones, and a layer 2 without aliasing.",
    folder=paths.FILTERS,
    made_by=("figure@6", "filters", "train@zfnet, train@zfnet-unclipped, train@alexnet"),
    printed="Published: filters of 7 × 7 at stride 2 (ours) against 11 × 11 at stride 4 (AlexNet), RMS clipped at 0.1; "
    "the paper prints no numbers for domination and dead filters.",
    parameters=("runs.zfnet", "runs.zfnet-unclipped", "runs.alexnet", "training", "crops.size", "betons.resize"),
    results={"filters.safetensors": "the filters", "filters.json": "their statistics"},
)
METHODS = """
- Fig. 6: frequencies are distances from zero in the spectrum of a filter padded to 32 x 32, all filters counting the
  same: low below 1/8 of a cycle per pixel, middle below 1/4. Aliasing: in the layer-2 projections, windowed (Hann),
  power at multiples of 1 / stride per pixel over the geometric mean of what lies beside.
- Two features of layer 1 are alike as far as their rectified answers correlate over all places of all validation
  images, in size.
"""
OURS, UNCLIPPED, ALEXNET = "zfnet", "zfnet-unclipped", "alexnet"
LAYER1 = {UNCLIPPED: "(a) Ours, without clipping", ALEXNET: "(b) AlexNet, our replication", OURS: "(c) Ours"}
LAYER2 = {ALEXNET: "(d) AlexNet, layer 2", OURS: "(e) Ours, layer 2"}
"""Runs and titles, lettered as in the paper."""
ROOM1, ROOM2 = 620, 955  # pixels across that a panel has
SHOWN = 256  # at most so many layer-2 maps are drawn, the first ones: all of the paper's network


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
    """Return filters side by side, every weight a square of the same size."""
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
    size, clipped, largest, times, dead, low, middle, high, _ = shown(found).values()
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
    """Return a network's numbers as words, a column each."""
    return {
        "Filters": f"{found['filter_size']} × {found['filter_size']}, stride {found['stride']}",
        "RMS clipped at": "not clipped" if found["renorm_radius"] is None else amount(found["renorm_radius"]),
        "Largest RMS": amount(found["rms_max"]),
        "Times the median": number(found["dominance"], 1),
        "Dead": percent(found["dead"]),
        "Low frequencies": percent(found["low"]),
        "Middle": percent(found["middle"]),
        "High": percent(found["high"]),
        "Aliasing in layer 2": number(found["aliasing"], 2),
    }


def details(data: Data) -> Details:
    """Return the numbers of the figure, a row for each network."""
    rows = [{"Network": title} | shown(data["filters.json"][run]) for run, title in LAYER1.items()]
    return Details("The numbers of Figure 6", tuple(rows[0]), [tuple(row.values()) for row in rows], open=True)


def alternative(data: Data) -> str:
    """Return Fig. 6 in words."""
    rows = "; ".join(f"{row[0]} has a largest RMS {row[4]} times the median" for row in details(data).rows)
    return f"Layer-1 filters of three networks as small colour patterns, and layer-2 projections of two. {rows}."


def dominance(filters: Float[np.ndarray, "map 3 y x"]) -> float:
    """Return the largest RMS of the filters' weights over the median."""
    rms = np.sqrt((filters.astype(np.float64) ** 2).mean((1, 2, 3)))
    return float(rms.max() / np.median(rms))


def dominates(data: Data, _: Given) -> list[Measure]:
    """Measure how far the strongest filter stands above the median without clipping."""
    filters = ours(data, "filters.safetensors")[UNCLIPPED]
    return [Measure(*resampled(dominance, filters), len(filters), "filters")]


def renormalised(data: Data, _: Given) -> list[Measure]:
    """Measure the same without clipping over that with it."""
    arrays = ours(data, "filters.safetensors")
    return between(lambda one, other: dominance(one) / dominance(other), arrays[UNCLIPPED], arrays[OURS])


def between(statistic: Callable[..., float], one: np.ndarray, other: np.ndarray, of: str = "filters") -> list[Measure]:
    """Measure a statistic of two networks, whose filters or maps are drawn again each by themselves."""
    return [Measure(*resampled(statistic, one, other), len(one), f"{of} of each network")]


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Return the difference of two means."""
    return float(one.mean() - other.mean())


def dead(data: Data, _: Given) -> list[Measure]:
    """Measure the share of layer-1 filters that never fire: AlexNet's minus ours."""
    counts = [len(ours(data, "filters.safetensors")[run]) for run in (ALEXNET, OURS)]
    shares = [data["filters.json"][run]["dead"] for run in (ALEXNET, OURS)]
    return between(apart, *(np.arange(n) < round(share * n) for n, share in zip(counts, shares, strict=True)))


def frequencies(data: Data, _: Given) -> list[Measure]:
    """Measure the share of the filters' power in the middle frequencies: ours minus AlexNet's."""
    own, theirs = (spectra.shares(ours(data, "filters.safetensors")[run])["middle"] for run in (OURS, ALEXNET))
    return between(apart, own, theirs)


def distinct(data: Data, _: Given) -> list[Measure]:
    """Measure the mean size of the correlation of two filters' answers to the same places: AlexNet's minus ours.

    The two are independent: the half-widths of their intervals add as squares on each side.
    """
    found, arrays = [], ours(data, "filters.safetensors")
    for run in (ALEXNET, OURS):
        correlation = arrays[f"{run} correlation"]
        answers = ~np.isnan(np.diag(correlation))  # the others always answer the same
        if answers.sum() < 2:
            raise Unmeasurable("fewer than two filters of layer 1 answer")
        found.append(bootstrap_pairs(np.abs(correlation[np.ix_(answers, answers)])))
    (theirs, low, high), (own, lowest, highest) = found
    value, below = theirs - own, math.hypot(theirs - low, highest - own)
    beyond = math.hypot(high - theirs, own - lowest)
    return [Measure(value, value - below, value + beyond, len(arrays[OURS]), "filters of each network")]


def profiles(data: Data, run: str) -> tuple[Float[np.ndarray, "map bin"], int]:
    """Return the power of a network's layer-2 projections by frequency, and the stride of its layer 1."""
    arrays, stride = ours(data, "filters.safetensors"), data["filters.json"][run]["stride"]
    return spectra.profiles(arrays[f"{run} layer 2"], stride), stride


def aliasing(data: Data, _: Given) -> list[Measure]:
    """Measure how far AlexNet's layer-2 projections stand out at the sampling frequency of its layer 1."""
    found, stride = profiles(data, ALEXNET)
    return [Measure(*resampled(lambda rows: spectra.lines(rows, stride), found), len(found), "maps")]


def less_aliasing(data: Data, _: Given) -> list[Measure]:
    """Measure the same minus ours at its own sampling frequency."""
    (theirs, stride), (own, smaller) = profiles(data, ALEXNET), profiles(data, OURS)
    return between(lambda one, other: spectra.lines(one, stride) - spectra.lines(other, smaller), theirs, own, "maps")


CLAIMS = (
    Claim("dominance", "Without renormalisation a few filters of layer 1 dominate.",
          "largest over median RMS of the layer-1 filters, trained without renormalisation", "times", above(2.0),
          dominates, "?", why="twice the median; the paper prints no number", section="3"),
    Claim("renormalisation", "Renormalising the filters combats that.",
          "the same number without renormalisation, over that with it", "times", above(1.0), renormalised, "?",
          section="3"),
    Claim("dead", "Smaller filters and stride give fewer dead features in layer 1.",
          "share of layer-1 filters that never fire: AlexNet's minus ours", "", above(), dead, "?"),
    Claim("distinct", "They give more distinct features in layer 1.",
          "mean size of the correlation between two layer-1 maps over all places of all images: AlexNet's minus ours",
          "", above(), distinct, "?"),
    Claim("frequencies", "They cover the middle frequencies, which AlexNet's layer 1 hardly does.",
          "share of the filters' power between 1/8 and 1/4 of a cycle per pixel: ours minus AlexNet's", "", above(),
          frequencies, "?"),
    Claim("aliasing", "AlexNet's layer 2 shows aliasing from its stride.",
          "power of its layer-2 projections at the sampling frequency of layer 1 over the power beside it", "times",
          above(1.0), aliasing, "?"),
    Claim("aliasing-removed", "The smaller stride removes it.", "the same ratio, AlexNet's minus ours", "", above(),
          less_aliasing, "?"),
)  # fmt: skip
