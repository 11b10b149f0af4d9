"""`zfpipe check`: test whether a run can succeed on this machine, before it takes hours."""

import os
import shutil
import subprocess
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
from packaging.version import Version
from tqdm import tqdm

from zfpipe import paths
from zfpipe.device import asked
from zfpipe.errors import UserError
from zfpipe.index.images import image_bytes
from zfpipe.network.architecture import architecture, variants
from zfpipe.params import Params
from zfpipe.pictures import links
from zfpipe.pictures.sources import found
from zfpipe.sections import TARGETS, Pictures
from zfpipe.tools import own_sections
from zfpipe.tools.finding import Finding
from zfpipe.workers import worker_count
from zfpipe.writing.decode import UnreadableImageError, decode_in_order

GIB = 2**30
LIBRARIES = {"torch": "2.11", "torchvision": "0.26", "ffcv": "1.0.2", "numpy": "2.0", "pyarrow": "15.0"}
"""The oldest versions that the code runs with."""
WHOLE = {
    "imagenet": (1_281_167, 50_000, 1000),
    "tiny-imagenet": (100_000, 10_000, 200),
    "imagenette": (9_469, 3_925, 10),
    "voc2012": (5_717, 5_823, 20),
}
"""Numbers of training images, validation images and classes of the sets that come with a split."""
IMAGES = {"caltech101": 9_144, "caltech256": 30_607, "voc2012": 11_540}
"""Number of images in the complete data sets that features are transferred to."""
TOGETHER = {"caltech101": (8_677, 101), "caltech256": (29_780, 256)}
"""Numbers of images and classes, without clutter, of the sets that come without a split."""
Counts = dict[str, Counter[str]]
"""Images by split and class."""
COLUMNS = {
    "split": "split",
    "label": "label",
    "class": "class_name",
    "path": "path",
    "offset": "offset",
    "size": "size",
}
"""The index's columns, and the fields of an entry for them."""
DECODED = 20_000
"""Maximum number of images that are decoded; of a larger set a random sample."""
JPEG_BYTES = 0.67
"""Bytes for each pixel in a JPEG of quality 90: 55 GB for ImageNet at 256x256."""


def check(settings: Params) -> Iterator[Finding]:
    """Yield a finding for everything that a run needs, cheapest first."""
    own_sections.check(settings)
    yield Finding("parameters", "ok", f"params.yaml is valid; {len(variants(settings))} networks to train")
    yield from libraries()
    yield device()
    yield from pictures(settings)


def pictures(settings: Params) -> Iterator[Finding]:
    """Check the images, the room for the betons, and on some images the network that another library trained."""
    try:
        links.check(Path(settings.pictures.root), "pictures", "pictures" in settings.watch)
        held = images(settings.pictures)
    except UserError as error:
        yield Finding("pictures", "fails", str(error))
        return
    except OSError as error:
        yield Finding("pictures", "fails", f"{error.filename or settings.pictures.root}: {error.strerror}")
        return
    yield from others(settings)
    yield from layout(settings.pictures, held.counts)
    yield from (Finding("pictures", "note", line) for line in held.said)
    yield from in_git(Path(settings.pictures.root))
    yield readable(settings, held)
    if settings.model.source is not None:
        from zfpipe.tools import foreign  # torch takes seconds to import

        yield from foreign.network(settings, len(held.counts["train"]), held.rows)
    yield from room(settings, held.counts)


def others(settings: Params) -> Iterator[Finding]:
    """Check the roots of the other sets, and whether DVC looks into their folders."""
    named = {name: getattr(settings.targets, name) for name in TARGETS}
    targets = {f"targets.{name}": ("targets", one.root) for name, one in named.items() if not one.embedded}
    sets = {f"overlap.sets.{name}": ("pictures", other.root) for name, other in settings.overlap.sets.items()}
    for what, (section, root) in {**targets, **sets}.items():
        if not Path(root).exists():
            yield Finding(what, "fails", f"root = {root}; no such file or folder; must be where the set lies")
            continue
        try:
            links.check(Path(root), section, section in settings.watch)
        except UserError as error:
            yield Finding(what, "fails", str(error))


def libraries() -> Iterator[Finding]:
    """Report installed versions."""
    for name, oldest in LIBRARIES.items():
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Finding(name, "fails", "not installed; `make setup`")
            continue
        old = Version(version) < Version(oldest)
        yield Finding(name, "fails" if old else "ok", version + (f"; needs {oldest} or newer; `make setup`" * old))


def device() -> Finding:
    """Report the device that trains the networks."""
    from zfpipe.network import numerics  # torch takes seconds to import: print the findings before it first

    try:
        chosen = numerics.device()
    except UserError as error:
        return Finding("device", "fails", str(error))
    cores = len(os.sched_getaffinity(0))
    return Finding("device", "ok", f"{chosen} (ZFPIPE_DEVICE), {cores} processor cores")


@dataclass(frozen=True)
class Images:
    """Contents of a set: its images by split and class, the rows of its index, the log lines of its sources."""

    counts: Counts
    rows: pd.DataFrame
    said: list[str]


def images(pictures: Pictures) -> Images:
    """Find the images of a set. Raise UserError if the layout is not the source's, and OSError if reading fails."""
    counts: Counts = {"train": Counter(), "val": Counter()}
    if pictures.source == "generated":
        from zfpipe.drawing.picture import CLASSES, class_of

        for split, size in (("train", pictures.train), ("val", pictures.val)):
            counts[split] = Counter(CLASSES[class_of(number)] for number in range(size))
        return Images(counts, pd.DataFrame(), [])
    rows = []
    with redirect_stdout(StringIO()) as said:
        for entry in found(pictures):
            counts[entry.split][entry.class_name] += 1
            rows.append([getattr(entry, name) for name in COLUMNS.values()])
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype({"offset": "Int64", "size": "Int64"})
    return Images(counts, table, said.getvalue().splitlines())


def readable(settings: Params, held: Images) -> Finding:
    """Test whether images can be decoded, with the decoder of the betons stage.

    In a large set only a seeded sample is decoded, and the share of unreadable images is taken for the whole set.
    """
    if held.rows.empty:
        return Finding("images", "ok", "drawn by zfpipe")
    rows = held.rows
    if len(rows) > DECODED:
        rows = rows.iloc[np.sort(np.random.default_rng(0).choice(len(rows), DECODED, replace=False))]
    read = partial(image_bytes, settings.pictures.base)
    with warnings.catch_warnings(action="ignore"):  # the decoder warns of unusual images that it can read
        decoded = decode_in_order(rows, read, settings.betons.resize, worker_count(None))
        bar = tqdm(decoded, total=len(rows), desc="decode", leave=False, disable=None)
        reasons = [str(pixels) if isinstance(pixels, UnreadableImageError) else "" for pixels in bar]
    rows = rows.assign(reason=reasons)
    bad = rows[rows["reason"] != ""]
    looked = f"{len(rows):,} decoded" + f", a sample of {len(held.rows):,}" * (len(rows) < len(held.rows))
    if bad.empty:
        return Finding("images", "ok", f"{looked}: all can be read")
    path, reason = bad.iloc[0][["path", "reason"]]
    words = f"{looked}: {len(bad):,} can't be read, the first {path}: {reason}"
    good = rows[rows["reason"] == ""]
    lost = set(zip(bad["split"], bad["class"], strict=True)) - set(zip(good["split"], good["class"], strict=True))
    if lost and len(rows) == len(held.rows):
        split, name = min(lost)
        return Finding("images", "fails", f"{words}; none of class {name} in {split} can")
    if any(
        len(part) > settings.betons.max_rejected * (rows["split"] == split).sum()
        for split, part in bad.groupby("split")
    ):
        return Finding("images", "fails", f"{words}; mend or remove them, or raise betons.max_rejected")
    return Finding("images", "note", f"{words}; left out")


def layout(pictures: Pictures, counts: Counts) -> Iterator[Finding]:
    """Compare the images and classes found with the complete set's."""
    for split, classes in counts.items():
        if not classes:
            yield Finding(f"pictures, {split}", "fails", f"no images; {pictures.root} must hold some for {split}")
            continue
        least = min(classes, key=lambda name: (classes[name], name))
        found = f"{classes.total():,} images of {len(classes)} classes; fewest: {classes[least]:,} of {least}"
        yield Finding(f"pictures, {split}", "ok", found)
    missing = set(counts["train"]) ^ set(counts["val"])
    if missing and all(counts.values()):
        yield Finding("classes", "fails", f"{len(missing)} in one split only, the first {min(missing)}")
    yield from against_the_whole_set(pictures, counts)


def in_git(root: Path) -> Iterator[Finding]:
    """Warn of images in the project that git does not ignore: DVC would put them into an experiment's commit."""

    def git(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", *words, root], capture_output=True, text=True, check=False)

    inside = Path.cwd() in root.absolute().parents
    if inside and git("check-ignore", "-q").returncode == 1 and not git("ls-files").stdout:
        words = f"{root} is not ignored by git: dvc exp run would commit the images; add it to .gitignore"
        yield Finding("pictures.root", "note", words)


def against_the_whole_set(pictures: Pictures, counts: Counts) -> Iterator[Finding]:
    """Note if the set is not the set that published results are for."""
    train, val = (counts[split].total() for split in ("train", "val"))
    classes = len(counts["train"])
    if pictures.source in WHOLE:
        found, whole = (train, val, classes), WHOLE[pictures.source]
        shown = "{:,} training and {:,} validation images of {} classes"
    elif pictures.source in TOGETHER and not pictures.clutter:
        found, whole = (train + val, classes), TOGETHER[pictures.source]
        shown = "{:,} images of {} classes"
    else:
        return
    if found == whole:
        yield Finding("the whole set", "ok", shown.format(*whole))
    else:
        yield Finding("the whole set", "note", f"has {shown.format(*whole)}: results are of a part")


def harvests(settings: Params) -> float:
    """Return the bytes of the features that `harvest` writes; compression to two thirds was measured.

    A feature takes two bytes from a GPU, four from a CPU. For a network that was not trained here they are not known.
    """
    if settings.model.source:
        return 0
    try:
        convs = architecture(settings.model, settings.crops.size, 1).convs
    except ValueError:  # the network does not fit the crops, which is a finding of its own
        return 0
    each = sum(conv.maps * conv.size**2 for conv in convs) * (4 if asked()[0] == "cpu" else 2) * 2 / 3
    sets = {name: getattr(settings.targets, name) for name in TARGETS}
    return sum(each * (one.pictures if one.embedded else IMAGES[name]) for name, one in sets.items())


def room(settings: Params, counts: Counts) -> Iterator[Finding]:
    """Check the disk space for the betons, and the memory for reading the betons in every epoch."""
    pixels = settings.betons.resize**2
    each = pixels * (3 if settings.betons.write_mode == "raw" else JPEG_BYTES)
    sizes = {split: classes.total() * each for split, classes in counts.items()}
    free = shutil.disk_usage(paths.BETONS.parent if paths.BETONS.parent.exists() else ".").free
    betons, features = sum(sizes.values()), harvests(settings)
    needed = betons + features
    yield Finding(
        "disk",
        "ok" if needed < free else "fails",
        f"betons need {betons / GIB:.1f} GiB, features of the targets {features / GIB:.1f}, "
        f"{free / GIB:.1f} GiB are free"
        + ("" if needed < free else "; make room, or betons.write_mode = jpg, or a smaller betons.resize"),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    fits = sizes["train"] < 0.8 * memory
    yield Finding(
        "memory",
        "ok" if fits else "note",
        f"the training beton has {sizes['train'] / GIB:.1f} GiB, this machine {memory / GIB:.1f} GiB"
        + ("" if fits else ": each epoch reads it from disk; betons.write_mode = jpg makes it 4 to 5 times smaller"),
    )
