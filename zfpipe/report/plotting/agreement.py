"""What the strongest images of a feature map have in common, in words: for labels, alternative texts and captions."""

import pandas as pd

DEAD = "never fires on the validation images"


def tally(rows: pd.DataFrame) -> tuple[str, int, int]:
    """The most frequent class among a map's strongest images, how many show it, and of how many.

    Of classes equally frequent, the one with the stronger image; images on which the map does not fire don't count.
    """
    classes = rows.loc[rows["activation"] > 0].sort_values("rank")["class"].astype(str).tolist()
    if not classes:
        return "", 0, 0
    first = max(dict.fromkeys(classes), key=classes.count)
    return first, classes.count(first), len(classes)


def maps(table: pd.DataFrame) -> list[tuple[int, int, str]]:
    """Layer, map and what its strongest images show, for every map of Fig. 2."""
    found = []
    for layer in sorted(set(table["layer"].tolist())):
        in_layer = table.query("layer == @layer")
        for number in sorted(set(in_layer["map"].tolist())):
            name, count, total = tally(in_layer.query("map == @number"))
            words = f"{name} on {count} of its {total} strongest images" if total else DEAD
            found.append((layer, number, words))
    return found


def summary(table: pd.DataFrame) -> str:
    """Fig. 2 in a few sentences: layers, maps, and the map that agrees most on a class in the highest layer."""
    described = maps(table)
    layers = sorted({layer for layer, _, _ in described})
    counts = {layer: sum(1 for found, _, _ in described if found == layer) for layer in layers}
    drawn = ", ".join(f"{count} maps of layer {layer}" for layer, count in counts.items())
    dead = sum(1 for _, _, words in described if words == DEAD)
    top = table.query("layer == @layers[-1]")
    numbers = sorted(set(top["map"].tolist()))
    best = max(numbers, key=lambda number: tally(top.query("map == @number"))[1])
    name, count, total = tally(top.query("map == @best"))
    words = [f"Grids of deconvnet projections beside grids of image patches: {drawn}."]
    if total:
        words.append(
            f"In layer {layers[-1]} the maps agree most on a class in map {best}: "
            f"{count} of its {total} strongest images show {name}."
        )
    if dead:
        words.append(f"{dead} of the {len(described)} maps never fire and are hatched.")
    return " ".join(words)


def shortened(words: str, length: int) -> str:
    """Words cut to a length, with an ellipsis where something is missing."""
    return words if len(words) <= length else words[: length - 1].rstrip() + "…"
