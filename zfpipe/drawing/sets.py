"""List the classes of each set of pictures, and the functions that draw them.

A class is a member of a family. All members have the same parts, and differ in the patterns or words of two parts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import permutations, product

import numpy as np

from zfpipe.drawing import garden, household, nature, outdoors, things, travel, vehicles
from zfpipe.drawing.canvas import Layer
from zfpipe.drawing.faces import draw_face
from zfpipe.drawing.patterns import PATTERNS, WORDS

Figure = Callable[[Layer, str, str, np.random.Generator], dict[str, np.ndarray] | None]
"""Draws a family's member, told by what its two parts carry; returns the outlines of a face's parts."""
Pairs = Sequence[tuple[str, str]]
SWAPPED: Pairs = tuple(permutations(PATTERNS, 2))
"""Two different patterns on two parts: any two patterns make two members, told by which is where."""


@dataclass(frozen=True)
class Family:
    """The function that draws a family, and the patterns or words of its members' two parts."""

    figure: Figure
    members: Pairs


@dataclass(frozen=True)
class Kind:
    """A class: a family, and the patterns or words of its first and second part."""

    family: str
    first: str
    second: str

    @property
    def name(self) -> str:
        """Return the name, such as `dog bars-checks`."""
        return f"{self.family} {self.first}-{self.second}"


def face(name: str, members: Pairs) -> Family:
    """A family of creatures."""
    return Family(partial(draw_face, name=name), members)


FAMILIES = {
    "bus": Family(vehicles.bus, tuple(product(WORDS, ("bars", "checks")))),
    "butterfly": Family(nature.butterfly, SWAPPED),
    "cat": face("cat", tuple(product(PATTERNS, ("same", "across")))),
    "dog": face("dog", SWAPPED),
    "fish": Family(nature.fish, SWAPPED),
    "house": Family(things.house, SWAPPED),
    "lorry": Family(vehicles.lorry, tuple(product(WORDS, ("ahead", "back")))),
    "owl": face("owl", SWAPPED),
    "road sign": Family(things.road_sign, tuple(product(WORDS, ("down", "up")))),
    "shop sign": Family(things.shop_sign, tuple(permutations(WORDS, 2))),
}
"""The families to train on."""
BARS_CHECKS, CHECKS_STRIPES, BARS_STRIPES = (
    ((one, other), (other, one)) for one, other in (("bars", "checks"), ("checks", "stripes"), ("bars", "stripes"))
)
FEW = {
    "aeroplane": Family(travel.aeroplane, BARS_CHECKS),
    "bear": face("bear", CHECKS_STRIPES),
    "chair": Family(household.chair, BARS_STRIPES),
    "lion": face("lion", BARS_CHECKS),
    "sailing boat": Family(travel.sailing_boat, CHECKS_STRIPES),
}
MANY = {
    "ice cream": Family(household.ice_cream, BARS_STRIPES),
    "rabbit": face("rabbit", BARS_CHECKS),
    "snail": Family(garden.snail, CHECKS_STRIPES),
    "teapot": Family(household.teapot, BARS_STRIPES),
    "tent": Family(outdoors.tent, BARS_CHECKS),
    "windmill": Family(outdoors.windmill, CHECKS_STRIPES),
}
UNSEEN = FEW | MANY
"""The families of the transfer sets, which training never sees."""
TRIFLES: tuple[Callable[[Layer, np.random.Generator], None], ...] = (
    garden.cactus, garden.fir_tree, garden.ladybird, household.guitar, household.table_lamp, nature.daisy,
    nature.mushroom, nature.tulip, outdoors.traffic_light, things.beach_ball, things.clock, things.football,
    things.keyboard, things.umbrella, travel.anchor, travel.hot_air_balloon, vehicles.bicycle, vehicles.car,
)  # fmt: skip
"""Small things that lie on the ground in the pictures of any class."""


def kinds(families: dict[str, Family]) -> list[Kind]:
    """Return all members of families, by name."""
    found = [Kind(name, *pair) for name, family in families.items() for pair in family.members]
    return sorted(found, key=lambda kind: kind.name)


KINDS = {
    "pictures": kinds(FAMILIES),
    "caltech101": kinds(FEW),
    "caltech256": kinds(MANY),
    "voc2012": [kind for kind in kinds(UNSEEN) if kind.family != "windmill"],
}
"""The classes of each set by their labels: those to train on, and the transfer sets, which training never sees.

A new set goes to the end, since a set's place in the dict selects its random numbers.
"""
SETS = {which: [kind.name for kind in found] for which, found in KINDS.items()}
"""The names of the classes."""
CLASSES = SETS["pictures"]
SCENES = ("voc2012",)
"""Sets of several objects a picture."""


def class_of(number: int, which: str = "pictures") -> int:
    """Return the label of a picture, or of a scene's first object; the classes take turns."""
    return number % len(SETS[which])


def draw_kind(layer: Layer, kind: Kind, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw an object of a class; if it has a face, return the outlines of its parts."""
    family = (FAMILIES | UNSEEN)[kind.family]
    return family.figure(layer, kind.first, kind.second, rng) or {}
