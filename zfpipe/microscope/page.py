"""The page of `zfpipe look`: one HTML file with all its pictures inside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from zfpipe.microscope.shown import Look, Occluded, data_uri, fitted, percentage
from zfpipe.report import page as report

if TYPE_CHECKING:
    from zfpipe.microscope.gallery import Gallery

HERE = Path(__file__).parent
STYLE = Path(report.__file__).with_name("page.css")
HEAT = 336
"""Side of an occlusion map on the page, in pixels."""


@dataclass(frozen=True)
class Seen:
    """A photo's name and the microscope's results for the photo."""

    name: str
    look: Look


def render(network: str, seen: list[Seen], gallery: Gallery | None, note: str | None, folder: Path) -> str:
    """Return the HTML of the page, for a file in `folder`. `note` says what could not be shown."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html.jinja").render(
        style=STYLE.read_text(encoding="utf-8"),
        network=network,
        photos=[photo(one, gallery) for one in seen],
        atlas=gallery.atlas(folder) if gallery else None,
        note=note,
    )


def photo(seen: Seen, gallery: Gallery | None) -> dict[str, Any]:
    """Return the template's values for one photo."""
    look = seen.look
    return {
        "name": seen.name,
        "uri": data_uri(look.photo, photo=True),
        "size": look.photo.shape[0],
        "classes": [(name, share, percentage(share)) for name, share in look.classes],
        "chance": percentage(look.chance) if look.unsure else None,
        "occluded": [hidden(one) for one in look.occluded],
        "layers": [
            {
                "layer": layer,
                "peaks": [
                    {
                        "peak": peak,
                        "patch": data_uri(fitted(peak.patch), photo=True),
                        "projection": data_uri(fitted(peak.projection.picture)) if peak.projection else None,
                        "nine": nine(gallery, peak.layer, peak.map),
                    }
                    for peak in layer.peaks
                ],
            }
            for layer in look.layers
        ],
    }


def hidden(one: Occluded) -> dict[str, Any]:
    """Return the template's values for an occlusion map: picture, and where hiding lowers the probability most."""
    worst = one.drop.argmax()
    y, x = divmod(int(worst), one.drop.shape[1])
    return {
        "of": one,
        "picture": data_uri(fitted(one.picture, HEAT), photo=True),
        "y": int(one.ys[y]),
        "x": int(one.xs[x]),
        "whole": percentage(one.whole),
        "least": percentage(float(one.probability.min())),
    }


def nine(gallery: Gallery | None, layer: str, map: int) -> str | None:
    """Return the strongest images of a map as one small picture."""
    picture = gallery.picture(layer, map) if gallery else None
    return None if picture is None else data_uri(picture, photo=True)
