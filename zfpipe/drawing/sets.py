"""Which classes each set of pictures has, and what draws them."""

from collections.abc import Callable

import numpy as np

from zfpipe.drawing import garden, household, nature, outdoors, things, travel, vehicles
from zfpipe.drawing.canvas import Layer
from zfpipe.drawing.faces import BREEDS, STRANGERS

Figure = Callable[[Layer, np.random.Generator], None]
THINGS: dict[str, Figure] = {
    "beach ball": things.beach_ball,
    "bicycle": vehicles.bicycle,
    "bus": vehicles.bus,
    "butterfly": nature.butterfly,
    "car": vehicles.car,
    "clock": things.clock,
    "daisy": nature.daisy,
    "fish": nature.fish,
    "football": things.football,
    "house": things.house,
    "keyboard": things.keyboard,
    "lorry": vehicles.lorry,
    "mushroom": nature.mushroom,
    "shop sign": things.shop_sign,
    "stop sign": things.stop_sign,
    "tulip": nature.tulip,
    "umbrella": things.umbrella,
}
UNSEEN: dict[str, Figure] = {
    "aeroplane": travel.aeroplane,
    "anchor": travel.anchor,
    "cactus": garden.cactus,
    "chair": household.chair,
    "fir tree": garden.fir_tree,
    "guitar": household.guitar,
    "hot-air balloon": travel.hot_air_balloon,
    "ice cream": household.ice_cream,
    "ladybird": garden.ladybird,
    "sailing boat": travel.sailing_boat,
    "snail": garden.snail,
    "table lamp": household.table_lamp,
    "teapot": household.teapot,
    "tent": outdoors.tent,
    "traffic light": outdoors.traffic_light,
    "windmill": outdoors.windmill,
}
"""Things of the transfer sets."""
FIGURES = THINGS | UNSEEN
CLASSES = sorted([*THINGS, *BREEDS])
SETS = {
    "pictures": CLASSES,
    "caltech101": [
        "aeroplane", "anchor", "bear", "chair", "guitar", "ladybird", "lion", "panda", "sailing boat", "table lamp",
    ],
    "caltech256": [
        "cactus", "fir tree", "hot-air balloon", "ice cream", "koala", "pig", "rabbit", "snail", "teapot", "tent",
        "traffic light", "windmill",
    ],
    "voc2012": sorted((UNSEEN.keys() | STRANGERS.keys()) - {"anchor", "ladybird"}),
}  # fmt: skip
"""The classes of each set by their labels: those to train on, and the transfer sets, which training never sees.

A new set goes to the end: its place picks its random numbers.
"""
SCENES = ("voc2012",)
"""Sets of several objects a picture."""


def class_of(number: int, which: str = "pictures") -> int:
    """The label of a picture, or of a scene's first object: the classes take turns."""
    return number % len(SETS[which])
