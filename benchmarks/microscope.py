"""Time ResNet-18 under the microscope beside captum: projections of layers by the deconvnet, and occlusion.

Weights are random, images 224 x 224, numbers float32. Both get the same network, but captum's copy has a separate
module for each ReLU, not in place, since captum fails on others. captum runs in batches of 8 and 16, and with weights
in both memory formats. Projections are of the eight strongest maps of each photo, layer by layer. Occlusion is of one
photo, with the same positions for all ways. Before the timing, all ways must give equal values. `--full` uses four
photos instead of one, smaller steps and more batch sizes, and also projects the layers of AlexNet.
"""

import warnings
from collections.abc import Callable, Sequence
from functools import partial

import torch
import torchvision
from captum.attr import Deconvolution
from captum.attr import Occlusion as CaptumOcclusion
from torch import Tensor, nn

from benchmarks import harness
from zfpipe.anynet.occlusion import Occlusion
from zfpipe.anynet.record import record
from zfpipe.anynet.rule import Units, project
from zfpipe.anynet.tape import Call, Tape
from zfpipe.drawing.picture import draw
from zfpipe.microscope.microscope import Microscope
from zfpipe.network.numerics import device
from zfpipe.occlusion.plan import Occluders

SIDE, MAPS, ROUNDS, TARGET = 224, 8, 3, 3
LAYERS = {
    "ResNet-18": ("relu", "layer1.1.relu_1", "layer2.1.relu_1", "layer3.1.relu_1", "layer4.1.relu_1"),
    "AlexNet": ("features.1", "features.4", "features.7", "features.9", "features.11"),
}
FEW, BATCHES = (8, 16), (4, 8, 16, 32)
OCCLUDER = 32


def resnet(unshared: bool = False) -> nn.Module:
    """Return ResNet-18; if `unshared`, with a module for each ReLU, as captum needs."""
    torch.manual_seed(0)
    network = torchvision.models.resnet18(weights=None)
    if unshared:
        network.relu = nn.ReLU()
        for block in network.modules():
            if isinstance(block, torchvision.models.resnet.BasicBlock):
                block.relu, block.second = nn.ReLU(), nn.ReLU()
                setattr(block, "forward", partial(two_relus, block))  # noqa: B010
    return network.eval().to(device())


def two_relus(block: torchvision.models.resnet.BasicBlock, images: Tensor) -> Tensor:
    """Run a block with a module for each ReLU."""
    found = block.bn2(block.conv2(block.relu(block.bn1(block.conv1(images)))))
    return block.get_submodule("second")(found + (images if block.downsample is None else block.downsample(images)))


def alexnet(unshared: bool = False) -> nn.Module:
    """Return AlexNet; if `unshared`, with ReLUs that are not in place, as captum needs."""
    torch.manual_seed(0)
    network = torchvision.models.alexnet(weights=None)
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = not unshared
    return network.eval().to(device())


def below(network: nn.Module, layer: str) -> nn.Sequential:
    """Return a network up to one of LAYERS, with flat maps, so that an index can name a unit for captum."""
    first, _, rest = layer.partition(".")
    if first == "features":
        parts = network.get_submodule(first)[: int(rest) + 1]  # pyright: ignore[reportIndexIssue]
    else:
        names = ["conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"]
        parts = (network.get_submodule(name) for name in names[: names.index(first) + 1])
    return nn.Sequential(*parts, nn.Flatten())


def strongest(tape: Tape, images: Tensor, layer: Call) -> Units:
    """Return the strongest maps of each image, at the places where they are strongest."""
    kept: list[tuple[Tensor, Tensor]] = []

    def keep(maps: Tensor) -> None:
        values, places = maps.flatten(2).max(2)
        kept.append((values.clone(), places.clone()))

    tape.run(images, {layer.index: keep})
    [(values, places)] = kept
    maps = values.topk(MAPS, 1).indices
    place, width = places.gather(1, maps).flatten(), layer.shape[3]
    rows = torch.arange(len(images), device=images.device).repeat_interleave(MAPS)
    return Units(rows, maps.flatten(), place // width, place % width)


def by_captum(model: nn.Module, images: Tensor, layer: Call, units: Units, batch: int) -> Tensor:
    """Return captum's projections in whole images, not yet multiplied by the activation."""
    _, _, height, width = layer.shape
    targets = (units.maps * height + units.ys) * width + units.xs
    rule = Deconvolution(model)
    parts = torch.arange(len(targets), device=images.device).split(batch)
    return torch.cat([rule.attribute(images[units.rows[part]], target=targets[part]).detach() for part in parts])


def projections(name: str, build: Callable[[bool], nn.Module], images: Tensor, batches: Sequence[int]) -> None:
    """Check that both ways give equal projections in every layer of LAYERS, and time them."""
    tape = record(build(False), (3, SIDE, SIDE))
    plain, last = build(True), build(True).to(memory_format=torch.channels_last)
    for layer in (tape.find(one) for one in LAYERS[name]):
        case = f"microscope, projections of {name}'s {layer.name}"
        units = strongest(tape, images, layer)
        found, activations = project(tape, images, layer, units)
        theirs = by_captum(below(plain, layer.name), images, layer, units, 8) * activations[:, None, None, None]
        harness.agree(case, found.cpu(), theirs.cpu(), 1e-5)
        count = len(units.rows)
        ways: dict[str, harness.Way] = {"ours": lambda: len(project(tape, images, layer, units)[0])}  # noqa: B023
        for batch in (one for one in batches if one <= count):
            for words, network in (("", plain), (", channels last", last)):
                way = partial(by_captum, below(network, layer.name), images, layer, units, batch)
                ways[f"captum, batches of {batch}{words}"] = partial(lambda one: len(one()), way)
        harness.compare(case, "projections", ways, ROUNDS)


def occlusion(image: Tensor, step: int, batches: Sequence[int]) -> None:
    """Check that both ways give equal probabilities for a photo, and time them."""
    tape, fill = record(resnet(), (3, SIDE, SIDE)), torch.zeros_like(image)
    places = torch.arange(0, SIDE - OCCLUDER + 1, step)
    lefts, tops = torch.cartesian_prod(places, places).unbind(1)  # captum's order: down the columns

    def windows() -> Tensor:
        _, answers = Occlusion(tape, image, fill).answers(Occluders(tops, lefts, OCCLUDER, OCCLUDER))
        return torch.cat([one.softmax(1)[:, TARGET] for one in answers])

    def captum(network: nn.Module, batch: int) -> Tensor:
        noted: list[Tensor] = []

        def probability(images: Tensor) -> Tensor:
            noted.append(network(images).softmax(1)[:, TARGET])
            return noted[-1]

        shape = (3, OCCLUDER, OCCLUDER)
        CaptumOcclusion(probability).attribute(
            image[None], shape, strides=(3, step, step), baselines=fill[None], perturbations_per_eval=batch
        )
        return torch.cat(noted)[1:]  # the first pass is of the unoccluded image

    plain, last = resnet(), resnet().to(memory_format=torch.channels_last)
    found, expected = windows().cpu(), captum(plain, 8).cpu()
    assert expected.max() - expected.min() > 1e-3 * expected.max(), "the occluder changes no probability"
    harness.agree("microscope, occlusion", found, expected, 1e-5)
    ways: dict[str, harness.Way] = {"ours": lambda: len(windows())}
    for batch in batches:
        for words, network in (("", plain), (", channels last", last)):
            ways[f"captum, batches of {batch}{words}"] = lambda network=network, batch=batch: len(
                captum(network, batch)
            )
    harness.compare(f"microscope, occlusion, {OCCLUDER} pixels every {step}", "passes", ways, ROUNDS)


def main() -> None:
    given = harness.arguments(__doc__)
    warnings.simplefilter("ignore")
    photos = [draw(0, "val", number).pixels for number in range(4 if given.full else 1)]
    images = Microscope(resnet()).tensor(photos)
    batches = BATCHES if given.full else FEW
    projections("ResNet-18", resnet, images, batches)
    if given.full:
        projections("AlexNet", alexnet, images, batches)
    occlusion(images[0], 16 if given.full else 32, batches)


if __name__ == "__main__":
    main()
