"""`zfpipe fetch`: download, unpack and read an image set, and print the lines of params.yaml that name it."""

import fcntl
import io
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ruamel.yaml import YAML

from zfpipe import params, paths, stage, store
from zfpipe.errors import UserError
from zfpipe.pictures import targets
from zfpipe.sections import TARGETS, Pictures, Target
from zfpipe.tools import check, download, profiles
from zfpipe.tools.unpack import unpack


class Archive(NamedTuple):
    """Address of a set's archive. `within` is an archive inside the archive; `root` is the folder the source reads."""

    url: str
    md5: str
    root: str
    within: str | None = None

    @property
    def name(self) -> str:
        """Return the file's name."""
        return self.url.rpartition("/")[2]


SETS = {
    "tiny-imagenet": Archive(
        "http://cs231n.stanford.edu/tiny-imagenet-200.zip", "90528d7ca1a48142e341f4ef8d21d0de", "tiny-imagenet-200"
    ),
    "imagenette": Archive(
        "https://s3.amazonaws.com/fast-ai-imageclas/imagenette2.tgz", "fe2fc210e6bb7c5664d602c3cd71e612", "imagenette2"
    ),
    "caltech101": Archive(
        "https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip",
        "3138e1922a9193bfa496528edbbc45d0",
        "101_ObjectCategories",
        within="caltech-101/101_ObjectCategories.tar.gz",
    ),
    "caltech256": Archive(
        "https://data.caltech.edu/records/nyy15-4j048/files/256_ObjectCategories.tar",
        "67b4f42ca05d46448c6bb8ecd2220f6d",
        "256_ObjectCategories",
    ),
    "voc2012": Archive(
        "https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
        "6cd6e144f989b92b3379bac3b3de84fd",
        "VOCdevkit/VOC2012",
    ),
}
"""Addresses and checksums are torchvision's, as a test checks.

torchvision does not have Tiny-ImageNet, and Stanford publishes no checksum. Its checksum is from Avalanche and other
libraries, which agree.
"""
IMAGENET = (
    "imagenet needs a login: log in at https://image-net.org/download.php, accept the terms, put "
    "ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar and ILSVRC2012_devkit_t12.tar.gz into one folder as they are, "
    "and set pictures.source: imagenet and pictures.root: that folder in params.yaml"
)


def fetch(name: str, to: Path, use: bool) -> None:
    """Fetch a set into the folder `to`/`name`, read all of it, and print what was found.

    If a call is killed, the next call resumes. A set that is already there is only read. `use` writes the set into
    params.yaml; otherwise the lines to write there are printed. Raise UserError, in one line, if the set can't be
    fetched.
    """
    if name == "imagenet":
        raise UserError(IMAGENET)
    if name not in SETS:
        raise UserError(f"{name} is no set that zfpipe can fetch; must be one of {', '.join(SETS)}")
    if use:
        params.load()  # report a mistake in params.yaml before hours are spent
    folder = to.expanduser().resolve()
    root = folder / name / SETS[name].root
    try:
        if root.is_dir():
            stage.log(f"{name} is there already: {root}")
        else:
            obtain(name, folder)
            stage.log(f"{name} is there: {root}")
        read_through(name, root)
    except OSError as error:
        where = error.filename or folder
        raise UserError(f"{where}: {error.strerror}; mend that, or choose another folder by --to") from None
    values = {"pictures": {"source": name, "root": str(root)}}
    if use:
        changes = profiles.write(values, paths.PARAMS, paths.PARAMS)
        stage.log("\n".join(changes) or "params.yaml names the set already")
    else:
        stage.log(lines(name, values))


def obtain(name: str, folder: Path) -> None:
    """Download a set, unpack it into `folder`/`name` by one rename at the end, and remove the archive."""
    archive, place = SETS[name], folder / name
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / f".{name}.lock"):
        if place.exists():
            raise UserError(f"{place} holds no {archive.root}; remove it, or choose another folder by --to")
        path = folder / archive.name
        if path.exists():
            stage.log(f"{path} is there already")
            if wrong := download.mismatch(path, archive.md5):
                raise UserError(f"{folder}: {wrong}; remove it and run it again")
        else:
            stage.log(f"fetching {archive.url}")
            download.download(archive.url, path, archive.md5)
        with store.scratch(folder / f".{name}.partial") as scratch:
            unpacked = scratch / "0"
            unpack(path, unpacked)
            if archive.within is not None:
                unpacked, outer = scratch / "1", unpacked
                unpack(outer / archive.within, unpacked)
            if not (unpacked / archive.root).is_dir():
                raise UserError(f"{path} holds no {archive.root}; remove it and fetch it again")
            unpacked.replace(place)
        path.unlink()
        stage.log(f"{path.name} is unpacked and removed")


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Lock a set's file for this process. Raise UserError if another process has locked it."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another zfpipe fetch writes into {path.parent}; wait until it has ended") from None
        try:
            yield
        finally:
            path.unlink()


def read_through(name: str, root: Path) -> None:
    """Read a set with its source, and print the number of its images next to the complete set's."""
    counts: check.Counts = {"train": Counter(), "val": Counter()}
    for entry in targets.entries(name, Target(root=str(root), pictures=2, per_class=(), fewer=()), 0, root):
        counts[entry.split][entry.class_name] += 1
    settings = Pictures.model_construct(source=name, root=str(root), clutter=False)
    for finding in check.layout(settings, counts):
        stage.log(f"{finding.state:6} {finding.what:18} {finding.found}")


def lines(name: str, values: dict[str, dict[str, str]]) -> str:
    """Return the lines to write into params.yaml, and other places where the set can be named."""
    text = io.StringIO()
    yaml = YAML()
    yaml.width = 10_000  # a path stays on one line
    yaml.dump(values, text)
    shown = f"\nparams.yaml, to train on {name}:\n\n{text.getvalue()}"
    if name in TARGETS:
        shown += f"\nor to transfer features to it: targets.{name}.root: {values['pictures']['root']}\n"
    return shown
