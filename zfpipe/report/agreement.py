"""What the strongest images of a feature map have in common, in words: for labels, alternative texts and captions."""

import pandas as pd


def tally(rows: pd.DataFrame) -> tuple[str, int, int]:
    """The most frequent class among a map's strongest images, how many show it, and of how many.

    Of classes equally frequent, the one with the stronger image; images on which the map does not fire don't count.
    """
    classes = rows.loc[rows["activation"] > 0].sort_values("rank")["class"].astype(str).tolist()
    if not classes:
        return "", 0, 0
    first = max(dict.fromkeys(classes), key=classes.count)
    return first, classes.count(first), len(classes)


def shortened(words: str, length: int) -> str:
    """Words cut to a length, with an ellipsis where something is missing."""
    return words if len(words) <= length else words[: length - 1].rstrip() + "…"
