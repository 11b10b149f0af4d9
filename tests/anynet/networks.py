"""Make networks of torchvision and of our own with random weights, some in the form that captum can read."""

import warnings
from typing import Any

import torch
import torchvision
from torch import nn
from torch.nn import functional

FOURTEEN = (
    *("alexnet", "vgg11_bn", "resnet18", "resnet50", "googlenet", "inception_v3", "squeezenet1_1", "densenet121"),
    *("mobilenet_v2", "mobilenet_v3_small", "shufflenet_v2_x1_0", "mnasnet1_0", "efficientnet_b0", "regnet_y_400mf"),
    "convnext_tiny",
)
"""All fifteen networks of the table in docs/library.md."""


def torchvisions(name: str) -> Any:
    """Return a network of torchvision. Batch normalisation has random scales, so that its place and scale matter."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        more = {"init_weights": False} if name in ("googlenet", "inception_v3", "vgg11_bn") else {}
        network = getattr(torchvision.models, name)(weights=None, **more)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.7, 1.3)
        nn.init.uniform_(norm.bias, -0.2, 0.4)
        norm.momentum = 1.0
    network.eval()
    # The statistics are of some images, as after training. Otherwise a deep network gives all images the same scores.
    if norms:
        with torch.no_grad():
            for norm in norms:
                norm.train()
            network(images(2, 80))
    return network.eval()


def images(count: int, side: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


class Functional(nn.Module):
    """Use ReLUs again, as functions and as methods, in place and not, and sums, concatenations and average pooling."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.convs = nn.ModuleList(nn.Conv2d(3 if k == 0 else 6, 6, 3, padding=1) for k in range(7))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.convs[0](x))
        x = functional.max_pool2d(x, 3, 2, padding=1)
        x = functional.relu(self.convs[1](x))
        y = self.convs[2](x)
        y.relu_()  # the result is not used
        x = torch.relu(self.convs[3](y)) + x
        x = functional.avg_pool2d(x, 2)
        x = functional.relu(self.convs[4](x), inplace=True)
        x = torch.cat([self.relu(self.convs[5](x)), x], 1)
        return self.convs[6](x[:, 3:9]).clamp(min=0)


class Plain(Functional):
    """Compute the same with a module for each ReLU, none in place, as captum needs."""

    def __init__(self) -> None:
        super().__init__()
        self.relus = nn.ModuleList(nn.ReLU() for _ in range(7))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        relus = self.relus
        x = functional.max_pool2d(relus[0](self.convs[0](x)), 3, 2, padding=1)
        x = relus[1](self.convs[1](x))
        x = relus[3](self.convs[3](relus[2](self.convs[2](x)))) + x
        x = relus[4](self.convs[4](functional.avg_pool2d(x, 2)))
        x = torch.cat([relus[5](self.convs[5](x)), x], 1)
        return relus[6](self.convs[6](x[:, 3:9]))


def unshared(network: Any) -> Any:
    """Give ResNet-18 a separate module for each ReLU, none in place, since captum fails on others."""
    for block in network.modules():
        if isinstance(block, torchvision.models.resnet.BasicBlock):
            block.relu, block.relu2 = nn.ReLU(), nn.ReLU()
            block.forward = two_relus.__get__(block)
        elif isinstance(block, nn.Sequential):
            for name, child in block.named_children():
                if isinstance(child, nn.ReLU):
                    setattr(block, name, nn.ReLU())
    if isinstance(network, torchvision.models.ResNet):
        network.relu = nn.ReLU()
    return network


def two_relus(self: Any, x: torch.Tensor) -> torch.Tensor:
    """Run the block with its own second ReLU."""
    out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
    return self.relu2(out + (x if self.downsample is None else self.downsample(x)))
