"""A trained network with its images and annotations, as the probes of section 4 need them."""

import copy
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from tqdm import tqdm

from zfpipe import paths
from zfpipe.beton.sidecar import read_sidecar
from zfpipe.network import weights
from zfpipe.network.architecture import variant
from zfpipe.network.convnet import ConvNet, initialise
from zfpipe.network.foreign import Foreign
from zfpipe.network.numerics import device
from zfpipe.params import Params
from zfpipe.reading.crops import CENTRE
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.reading.reader import Batch, Batches
from zfpipe.sections import Init
from zfpipe.subject.truth import Truth

BATCH = 64


@dataclass(frozen=True)
class Crops:
    """Centre crops of some images: the pixels, and the position of each image id among them."""

    images: UInt8[torch.Tensor, "image y x 3"]
    labels: torch.Tensor
    position: dict[int, int]

    def batch(self, ids: Sequence[int]) -> Batch:
        """Return the crops of these images as a batch of centre crops."""
        places = torch.tensor([self.position[image] for image in ids])
        return Batch(self.images[places], self.labels[places], torch.tensor(ids), torch.full_like(places, CENTRE))


@dataclass(frozen=True)
class Subject:
    """A network with the images of a beton. `crop` and `resize` are the sides of crops and whole images in pixels.

    `init` and `seed` are the initialisation and the seed that training started from.
    """

    network: ConvNet | Foreign
    inputs: MeanSubtraction
    beton: Path
    index: Path
    crop: int
    resize: int
    init: Init
    seed: int

    @classmethod
    def open(cls, settings: Params, split: str = "val", trained: Path | None = None, run: str = "zfnet") -> "Subject":
        """Open a run's network, or its weights in another file, with the images of a split.

        Raises UserError for a damaged file.
        """
        model = variant(settings, run)
        network = weights.load(trained or paths.weights(run), device(), model.origin)
        start = model.init, settings.runs[run].seed
        crop = settings.crops.size
        inputs = MeanSubtraction.read(paths.MEAN, crop, device(), network.input_mean)
        return cls(network, inputs, paths.beton(split), paths.INDEX, crop, settings.betons.resize, *start)

    @cached_property
    def untrained(self) -> "Subject":
        """Return the same images with an untrained network, to compare with what is learned.

        A network that was trained elsewhere gets random weights too.
        """
        if isinstance(self.network, Foreign):
            return replace(self, network=self.network.untrained(self.seed))
        # The seed gives the same weights only in the contiguous format
        network = copy.deepcopy(self.network).cpu().to(memory_format=torch.contiguous_format)
        initialise(network, self.init.scheme, self.init.std, self.seed, self.init.first)
        return replace(self, network=network.to(self.inputs.device).to(memory_format=torch.channels_last))

    @cached_property
    def truth(self) -> Truth:
        """Masks and boxes of objects and parts in the centre crops."""
        return Truth(self.index, self.beton.stem, self.resize, self.crop)

    @cached_property
    def classes(self) -> list[str]:
        """Names of the classes, in the order of labels."""
        with self.batches() as batches:
            return batches.classes

    @property
    def rows(self) -> Int64[np.ndarray, "row"]:
        """Places of all images in the beton."""
        return np.arange(read_sidecar(self.beton).count)

    def batches(self, rows: np.ndarray | None = None, crop: int | None = None) -> Batches:
        """Return batches of centre crops of side `crop`, of all images or of the images at `rows`."""
        return Batches(self.beton, batch=BATCH, crop=crop or self.crop, crops="centre", rows=rows)

    def each(
        self, ids: Collection[int], title: str, crop: int | None = None, part: tuple[int, int] = (0, 1)
    ) -> Iterator[tuple[int, Batch]]:
        """Yield each image as a batch of one, in the order of the beton. Raises ValueError for an unknown id.

        `part`: this process's rank and the number of processes, among which the images are dealt out.
        """
        with self.batches() as every:
            rows = np.flatnonzero(np.isin(every.ids, list(ids)))
        if len(rows) != len(set(ids)):
            raise ValueError(f"{self.beton} lacks {len(set(ids)) - len(rows)} of the images that are asked for")
        rows = rows[part[0] :: part[1]]
        if not len(rows):
            return
        with self.batches(rows, crop=crop) as batches:
            for batch in tqdm(
                batches.epoch(), total=len(batches), desc=title, leave=False, disable=part[0] > 0 or None
            ):
                yield from ((image, batch.one(place)) for place, image in enumerate(batch.ids.tolist()))

    def images(self, ids: Collection[int], crop: int | None = None) -> Crops:
        """Return the centre crops of the images with these ids. No other images are read."""
        found = list(self.each(ids, "images", crop))
        side = crop or self.crop
        return Crops(
            torch.cat([torch.empty((0, side, side, 3), dtype=torch.uint8), *(one.images for _, one in found)]),
            torch.cat([torch.empty(0, dtype=torch.int64), *(one.labels for _, one in found)]),
            {image: place for place, (image, _) in enumerate(found)},
        )
