"""`zfpipe look`: one page that shows what a network sees in photos."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from zfpipe import paths, store
from zfpipe.errors import UserError
from zfpipe.foreign import built, state
from zfpipe.microscope import page
from zfpipe.microscope.microscope import MEAN, STD, Microscope
from zfpipe.network.numerics import device

if TYPE_CHECKING:
    from zfpipe.microscope.gallery import Gallery


def run(given: argparse.Namespace, log: Callable[[str], None]) -> Path:
    """Write the page of the photos in `given.photos`; return its path. Raises UserError for an unreadable photo."""
    if given.maps < 1:
        raise UserError(f"--maps {given.maps}; must be a whole number from 1")
    photos = [Path(photo) for photo in given.photos]
    if gone := [photo for photo in photos if not photo.is_file()]:
        raise UserError(f"{gone[0]}: no such file; must be a photo")
    microscope, name = opened(given)
    seen = []
    for photo in photos:
        seen.append(page.Seen(photo.name, microscope.look(photo, given.layers, given.maps, given.target)))
        best = ", ".join(f"{found} {page.percentage(share)}" for found, share in seen[-1].look.classes[:3])
        log(f"{photo.name}: {best}")
    found, note = (None, None) if given.net else strongest(name, seen)
    if note:
        log(note)
    target = given.out / "index.html"
    store.save(target, page.render(name, seen, found, note, given.out))
    return target


def strongest(run: str, seen: list[page.Seen]) -> tuple[Gallery | None, str | None]:
    """Return the images that activate the photos' strongest maps most, or None and the reason."""
    from zfpipe.microscope import gallery  # takes a second; not needed for a foreign network

    if note := gallery.missing(run):
        return None, note
    peaks = [peak for one in seen for layer in one.look.layers for peak in layer.peaks]
    try:
        return gallery.gather((peak.layer, peak.map) for peak in peaks), None
    except UserError as error:
        return None, f"No strongest images: {error}"


def opened(given: argparse.Namespace) -> tuple[Microscope, str]:
    """Return the microscope of the network that the options name, and the network's name."""
    if given.net:
        network, name = foreign(given.net, given.weights)
        return Microscope(network.to(device()), given.mean or MEAN, given.std or STD, given.size), name
    run = given.run or "zfnet"
    if not paths.weights(run).exists() and given.run is None:
        raise UserError(
            f"no network: {Path.cwd()} has no {paths.weights(run)}; must be --net MODULE:FUNCTION --weights FILE, or "
            "--run in a project's folder"
        )
    return Microscope.trained(run), run


def foreign(source: str, file: str | None) -> tuple[nn.Module, str]:
    """Build a network by a function, load its weights from a file, and return the network and its name."""
    name = source.rpartition(":")[2]
    if file is None or not Path(file).exists():
        raise UserError(f"--weights {file or 'FILE'}: no such file; {how_to_save(source)}")
    try:
        return built.network(source, Path(file), state.read(Path(file)))[0], name
    except UserError as error:
        words = str(error).replace("model.source = ", "--net ").replace("model.weights = ", "--weights ")
        raise UserError(words) from None


def how_to_save(source: str) -> str:
    """Return a command that writes a network's weights to a file."""
    module, _, name = source.partition(":")
    if not re.fullmatch(r"[\w.]+", module) or not name.isidentifier():
        return "must be the network's state dict, saved by torch.save(net.state_dict(), FILE)"
    pretrained = "weights='DEFAULT'" if module.startswith("torchvision.") else ""
    return (
        f'save them: python -c "import torch, {module}; '
        f"torch.save({module}.{name}({pretrained}).state_dict(), '{name}.pth')\""
    )
