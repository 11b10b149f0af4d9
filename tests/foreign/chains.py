"""Networks as people write them: chains in many spellings, what is no chain, and functions that build nothing."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional


class Net(nn.Module):
    """Two convolutions and a hidden layer, for 40x40 images, with the `forward` that it is given."""

    def __init__(self, forward: Callable[["Net", Tensor], object], **parts: nn.Module):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5, 2)
        self.conv2 = nn.Conv2d(6, 8, 3)
        self.pool, self.relu = nn.MaxPool2d(2), nn.ReLU()
        self.fc1, self.fc2 = nn.Linear(8 * 7 * 7, 10), nn.Linear(10, 4)
        self.head = nn.Linear(8, 4)
        for name, part in parts.items():
            self.add_module(name, part)
        self.way = forward

    def forward(self, x: Tensor) -> object:
        return self.way(self, x)

    def maps(self, x: Tensor) -> Tensor:
        return functional.relu(self.conv2(functional.max_pool2d(functional.relu(self.conv1(x)), 2)))


READ: dict[str, Callable[[Net, Tensor], object]] = {}
"""Forwards that are chains, by name."""

REFUSED: dict[str, tuple[Callable[[Net, Tensor], object], str]] = {}
"""Forwards that are none, with words of the reason."""


def chain(way: Callable[[Net, Tensor], object]) -> Callable[[Net, Tensor], object]:
    READ[way.__name__] = way
    return way


def refused(reason: str) -> Callable[[Callable[[Net, Tensor], object]], None]:
    def note(way: Callable[[Net, Tensor], object]) -> None:
        REFUSED[way.__name__] = way, reason

    return note


@chain
def functions(n: Net, x: Tensor) -> Tensor:
    x = functional.max_pool2d(functional.relu(n.conv1(x)), 2, stride=2)
    x = functional.relu(n.conv2(x))
    x = functional.dropout(x.view(x.size(0), -1), 0.5, n.training)
    return n.fc2(functional.dropout(functional.relu(n.fc1(x)), training=n.training))


@chain
def one_relu_many_times(n: Net, x: Tensor) -> Tensor:
    x = n.relu(n.conv2(n.pool(n.relu(n.conv1(x)))))
    return n.fc2(n.relu(n.fc1(torch.flatten(x, 1))))


@chain
def pool_before_relu(n: Net, x: Tensor) -> Tensor:
    x = n.relu(n.conv2(n.relu(n.pool(n.conv1(x)))))
    return n.fc2(n.fc1(x.reshape(x.shape[0], -1)).relu())


@chain
def in_place(n: Net, x: Tensor) -> Tensor:
    x = n.conv1(x)
    functional.relu_(x)
    x = n.conv2(torch.max_pool2d(x, 2))
    x.relu_()
    return n.fc2(functional.relu(n.fc1(x.flatten(1)), inplace=True))


@chain
def switches_kept(n: Net, x: Tensor) -> Tensor:
    x, n.switches = functional.max_pool2d(torch.relu(n.conv1(x)), 2, return_indices=True)
    return n.head(n.relu(n.conv2(x)).mean((2, 3)))


@chain
def mean_of_both_sides(n: Net, x: Tensor) -> Tensor:
    return n.head(n.maps(x).mean([-1, -2]))


@chain
def mean_side_by_side(n: Net, x: Tensor) -> Tensor:
    return n.head(n.maps(x).mean(3).mean(2))


@chain
def mean_of_flattened_maps(n: Net, x: Tensor) -> Tensor:
    return n.head(n.maps(x).flatten(2).mean(-1))


@chain
def mean_kept(n: Net, x: Tensor) -> Tensor:
    return n.head(torch.mean(n.maps(x), dim=(2, 3), keepdim=True).squeeze(-1).squeeze(-1))


@chain
def average_of_all(n: Net, x: Tensor) -> Tensor:
    x = n.maps(x)
    return n.head(functional.avg_pool2d(x, x.size()[2:]).view(len(x), -1))


@chain
def average_in_equal_parts(n: Net, x: Tensor) -> Tensor:
    return n.head(functional.avg_pool2d(functional.adaptive_avg_pool2d(n.maps(x), 1), 1).flatten(1))


@chain
def shapes_checked(n: Net, x: Tensor) -> Tensor:
    assert x.dim() == 4 and x.shape[1] == 3
    batch, _, rows, columns = x.shape
    if rows != columns:
        raise ValueError("not square")
    x = n.maps(x)
    if x.size(2) > 1:
        x = functional.adaptive_avg_pool2d(x, (1, 1))
    return n.head(x.view(batch, -1))


@chain
def softmax_at_the_end(n: Net, x: Tensor) -> Tensor:
    return functional.log_softmax(n.head(n.maps(x).mean((2, 3))), dim=1)


@chain
def filters_by_function(n: Net, x: Tensor) -> Tensor:
    weight = n.conv1.weight / n.conv1.weight.norm()
    x = functional.relu(functional.conv2d(x, weight, n.conv1.bias, stride=2))
    x = functional.relu(n.conv2(functional.max_pool2d(x, kernel_size=2)))
    return functional.linear(x.mean((2, 3)), n.head.weight)


@chain
def nothing_much(n: Net, x: Tensor) -> Tensor:
    return n.head(n.maps(x.contiguous()).clone().mean((2, 3)).float())


@refused(r"adds two paths \(add at forward\)")
def sum_of_two(n: Net, x: Tensor) -> Tensor:
    x = n.maps(x)
    return n.head((x + x.relu()).mean((2, 3)))


@refused(r"joins two paths \(cat at forward\)")
def joined(n: Net, x: Tensor) -> Tensor:
    x = n.maps(x)
    return n.head(torch.cat([x[:, :4], x[:, 4:]], 1).mean((2, 3)))


@refused(r"follows conv1 without a ReLU between")
def no_relu(n: Net, x: Tensor) -> Tensor:
    return n.head(n.relu(n.conv2(n.conv1(x))).mean((2, 3)))


@refused(r"leaky_relu in forward is no layer .* another nonlinearity than ReLU")
def leaky(n: Net, x: Tensor) -> Tensor:
    return n.head(n.relu(n.conv2(functional.leaky_relu(n.conv1(x)))).mean((2, 3)))


@refused(r"avg_pool2d in forward averages maps below a convolution, which is not read yet")
def averages_between(n: Net, x: Tensor) -> Tensor:
    return n.head(n.relu(n.conv2(functional.avg_pool2d(n.relu(n.conv1(x)), 2))).mean((2, 3)))


@refused(r"avg_pool2d in forward is no layer .* otherwise than in equal parts")
def averages_unequal(n: Net, x: Tensor) -> Tensor:
    return n.head(functional.avg_pool2d(n.maps(x), 3, 2).mean((2, 3)))


@refused(r"relu in forward comes after maps were averaged \(mean in forward\)")
def rectifies_averages(n: Net, x: Tensor) -> Tensor:
    return n.head(functional.relu(n.conv2(n.pool(n.relu(n.conv1(x)))).mean((2, 3))))


@refused(r"pool, a MaxPool2d, follows another pooling")
def two_pools(n: Net, x: Tensor) -> Tensor:
    return n.head(n.relu(n.conv2(n.pool(n.pool(n.relu(n.conv1(x)))))).mean((2, 3)))


@refused(r"max_pool2d in forward has padding \(1\), which is not read yet")
def padded_pool(n: Net, x: Tensor) -> Tensor:
    return n.head(n.relu(n.conv2(functional.max_pool2d(n.relu(n.conv1(x)), 3, 2, 1))).mean((2, 3)))


@refused(r"local_response_norm in forward is no layer .* of other libraries, is not read yet")
def normalised(n: Net, x: Tensor) -> Tensor:
    return n.head(n.relu(n.conv2(functional.local_response_norm(n.relu(n.conv1(x)), 5))).mean((2, 3)))


@refused(r"dropout in forward drops values when it is evaluated")
def drops_always(n: Net, x: Tensor) -> Tensor:
    return n.head(functional.dropout(n.maps(x).mean((2, 3)), 0.5))


@refused(r"can't be followed step by step \(TraceError: .*control flow\)")
def decides_by_values(n: Net, x: Tensor) -> Tensor:
    x = n.maps(x)
    return n.head((x if x.mean() > 0 else -x).mean((2, 3)))


@refused(r"it returns a tuple of values")
def two_results(n: Net, x: Tensor) -> tuple[Tensor, Tensor]:
    x = n.maps(x)
    return x, n.head(x.mean((2, 3)))


@refused(r"its last layer with weights, conv2, is a convolution")
def no_head(n: Net, x: Tensor) -> Tensor:
    return n.maps(x).mean((2, 3))


@refused(r"a ReLU follows its last layer, head")
def rectified_scores(n: Net, x: Tensor) -> Tensor:
    return n.head(n.maps(x).mean((2, 3))).relu()


@refused(r"log_softmax in forward is over dimension 0")
def softmax_over_images(n: Net, x: Tensor) -> Tensor:
    return functional.log_softmax(n.head(n.maps(x).mean((2, 3))), 0)


@refused(r"permute in forward is no layer")
def turned(n: Net, x: Tensor) -> Tensor:
    return n.fc2(n.relu(n.fc1(n.maps(x).permute(0, 2, 3, 1).flatten(1))))


@refused(r"truediv in forward is no layer")
def scaled(n: Net, x: Tensor) -> Tensor:
    return n.head(n.maps(x / 255).mean((2, 3)))


def made(name: str) -> Net:
    """Return the network with the forward of this name."""
    return Net(READ[name] if name in READ else REFUSED[name][0])
