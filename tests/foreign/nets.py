"""Define networks as people write them, in many spellings, and networks that are refused."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional


class Net(nn.Module):
    """Hold two convolutions and a hidden layer, for 40x40 images, with a given `forward`."""

    calls: int = 0

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
"""Forwards that are read, by name."""

REFUSED: dict[str, tuple[Callable[[Net, Tensor], object], str]] = {}
"""Forwards that are refused, with words of the reason."""


def read(way: Callable[[Net, Tensor], object]) -> Callable[[Net, Tensor], object]:
    READ[way.__name__] = way
    return way


def refused(reason: str) -> Callable[[Callable[[Net, Tensor], object]], None]:
    def note(way: Callable[[Net, Tensor], object]) -> None:
        REFUSED[way.__name__] = way, reason

    return note


@read
def functions(n: Net, x: Tensor) -> Tensor:
    x = functional.max_pool2d(functional.relu(n.conv1(x)), 2, stride=2)
    x = functional.relu(n.conv2(x))
    x = functional.dropout(x.view(x.size(0), -1), 0.5, n.training)
    return n.fc2(functional.dropout(functional.relu(n.fc1(x)), training=n.training))


@read
def one_relu_many_times(n: Net, x: Tensor) -> Tensor:
    x = n.relu(n.conv2(n.pool(n.relu(n.conv1(x)))))
    return n.fc2(n.relu(n.fc1(torch.flatten(x, 1))))


@read
def pool_before_relu(n: Net, x: Tensor) -> Tensor:
    x = n.relu(n.conv2(n.relu(n.pool(n.conv1(x)))))
    return n.fc2(n.fc1(x.reshape(x.shape[0], -1)).relu())


@read
def in_place(n: Net, x: Tensor) -> Tensor:
    x = n.conv1(x)
    functional.relu_(x)
    x = n.conv2(torch.max_pool2d(x, 2))
    x.relu_()
    return n.fc2(functional.relu(n.fc1(x.flatten(1)), inplace=True))


@read
def switches_kept(n: Net, x: Tensor) -> Tensor:
    x, n.switches = functional.max_pool2d(torch.relu(n.conv1(x)), 2, return_indices=True)
    return n.head(n.relu(n.conv2(x)).mean((2, 3)))


@read
def mean_of_both_sides(n: Net, x: Tensor) -> Tensor:
    return n.head(n.maps(x).mean([-1, -2]))


@read
def mean_side_by_side(n: Net, x: Tensor) -> Tensor:
    return n.head(n.maps(x).mean(3).mean(2))


@read
def mean_side_by_side_kept(n: Net, x: Tensor) -> Tensor:
    return n.head(n.maps(x).mean(2, True).mean(3, True).flatten(1))


@read
def mean_of_flattened_maps(n: Net, x: Tensor) -> Tensor:
    return n.head(n.maps(x).flatten(2).mean(-1))


@read
def mean_kept(n: Net, x: Tensor) -> Tensor:
    return n.head(torch.mean(n.maps(x), dim=(2, 3), keepdim=True).squeeze(-1).squeeze(-1))


@read
def average_of_all(n: Net, x: Tensor) -> Tensor:
    x = n.maps(x)
    return n.head(functional.avg_pool2d(x, x.size()[2:]).view(len(x), -1))


@read
def average_in_equal_parts(n: Net, x: Tensor) -> Tensor:
    return n.head(functional.avg_pool2d(functional.adaptive_avg_pool2d(n.maps(x), 1), 1).flatten(1))


@read
def shapes_checked(n: Net, x: Tensor) -> Tensor:
    assert x.dim() == 4 and x.shape[1] == 3
    batch, _, rows, columns = x.shape
    if rows != columns:
        raise ValueError("not square")
    x = n.maps(x)
    if x.size(2) > 1:
        x = functional.adaptive_avg_pool2d(x, (1, 1))
    return n.head(x.view(batch, -1))


@read
def softmax_at_the_end(n: Net, x: Tensor) -> Tensor:
    return functional.log_softmax(n.head(n.maps(x).mean((2, 3))), dim=1)


@read
def filters_by_function(n: Net, x: Tensor) -> Tensor:
    weight = n.conv1.weight / n.conv1.weight.norm()
    x = functional.relu(functional.conv2d(x, weight, n.conv1.bias, stride=2))
    x = functional.relu(n.conv2(functional.max_pool2d(x, kernel_size=2)))
    return functional.linear(x.mean((2, 3)), n.head.weight)


@read
def fixed_view(n: Net, x: Tensor) -> Tensor:
    return n.fc2(n.relu(n.fc1(n.maps(x).view(-1, 8 * 7 * 7))))


@read
def nothing_much(n: Net, x: Tensor) -> Tensor:
    return n.head(n.maps(x.contiguous()).clone().mean((2, 3)).float())


@read
def sum_of_two(n: Net, x: Tensor) -> Tensor:
    x = n.maps(x)
    return n.head((x + x.relu()).mean((2, 3)))


@read
def joined(n: Net, x: Tensor) -> Tensor:
    x = n.maps(x)
    return n.head(torch.cat([x[:, :4], x[:, 4:]], 1).mean((2, 3)))


@read
def no_relu(n: Net, x: Tensor) -> Tensor:
    return n.head(n.relu(n.conv2(n.conv1(x))).mean((2, 3)))


@read
def leaky(n: Net, x: Tensor) -> Tensor:
    return n.head(n.relu(n.conv2(functional.leaky_relu(n.conv1(x)))).mean((2, 3)))


@read
def averages_between(n: Net, x: Tensor) -> Tensor:
    return n.head(n.relu(n.conv2(functional.avg_pool2d(n.relu(n.conv1(x)), 2))).mean((2, 3)))


@read
def averages_unequal(n: Net, x: Tensor) -> Tensor:
    return n.head(functional.avg_pool2d(n.maps(x), 3, 2).mean((2, 3)))


@read
def rectifies_averages(n: Net, x: Tensor) -> Tensor:
    return n.head(functional.relu(n.conv2(n.pool(n.relu(n.conv1(x)))).mean((2, 3))))


@read
def mean_of_rows(n: Net, x: Tensor) -> Tensor:
    return functional.linear(n.maps(x).mean(3).flatten(1), n.fc1.weight[:4, :56])


@refused(r"the network makes other calls for another image or batch")
def other_each_time(n: Net, x: Tensor) -> Tensor:
    n.calls += 1
    return n.head(n.maps(x).mean((2, 3)) if n.calls == 1 else n.maps(x).amax((2, 3)))


@read
def two_pools(n: Net, x: Tensor) -> Tensor:
    return n.head(n.relu(n.conv2(n.pool(n.pool(n.relu(n.conv1(x)))))).mean((2, 3)))


@read
def padded_pool(n: Net, x: Tensor) -> Tensor:
    return n.head(n.relu(n.conv2(functional.max_pool2d(n.relu(n.conv1(x)), 3, 2, 1))).mean((2, 3)))


@read
def normalised(n: Net, x: Tensor) -> Tensor:
    return n.head(n.relu(n.conv2(functional.local_response_norm(n.relu(n.conv1(x)), 5))).mean((2, 3)))


@refused(r"its scores vary between calls")
def drops_always(n: Net, x: Tensor) -> Tensor:
    return n.head(functional.dropout(n.maps(x).mean((2, 3)), 0.5))


@read
def decides_by_values(n: Net, x: Tensor) -> Tensor:
    x = n.maps(x)
    return n.head((x if x.mean() > 0 else -x).mean((2, 3)))


@refused(r"its forward returns a tuple, and not the class scores alone")
def two_results(n: Net, x: Tensor) -> tuple[Tensor, Tensor]:
    x = n.maps(x)
    return x, n.head(x.mean((2, 3)))


@read
def no_head(n: Net, x: Tensor) -> Tensor:
    return n.maps(x).mean((2, 3))


@refused(r"Net has a ReLU after head \(Linear\)")
def rectified_scores(n: Net, x: Tensor) -> Tensor:
    return n.head(n.maps(x).mean((2, 3))).relu()


@read
def softmax_over_images(n: Net, x: Tensor) -> Tensor:
    return functional.log_softmax(n.head(n.maps(x).mean((2, 3))), 0)


@read
def turned(n: Net, x: Tensor) -> Tensor:
    return n.fc2(n.relu(n.fc1(n.maps(x).permute(0, 2, 3, 1).flatten(1))))


@read
def clamped(n: Net, x: Tensor) -> Tensor:
    return n.head(n.conv2(n.pool(n.conv1(x).clamp(min=0))).clamp_min(0).mean((2, 3)))


@read
def clamped_above(n: Net, x: Tensor) -> Tensor:
    return n.head(n.relu(n.conv2(n.conv1(x).clamp(0, 6))).mean((2, 3)))


@read
def named_results(n: Net, x: Tensor) -> dict[str, Tensor]:
    return {"logits": n.head(n.maps(x).mean((2, 3)))}


@refused(r"ends in relu_1 \(relu\) of shape \(1, 8, 7, 7\); must end in class scores")
def leaves_torch(n: Net, x: Tensor) -> Tensor:
    return n.head(torch.from_numpy(n.maps(x).numpy()).mean((2, 3)))


@read
def scaled(n: Net, x: Tensor) -> Tensor:
    return n.head(n.maps(x / 255).mean((2, 3)))


class Block(nn.Module):
    """Apply convolution, normalisation and ReLU, as libraries of networks build their blocks."""

    def __init__(self, maps_in: int, maps: int, stride: int = 1, padding: int = 0):
        super().__init__()
        self.conv, self.bn, self.act = nn.Conv2d(maps_in, maps, 3, stride, padding), nn.BatchNorm2d(maps), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class Standardised(nn.Conv2d):
    """Compute filters of mean 0 anew each time."""

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight - self.weight.mean((1, 2, 3), keepdim=True), self.bias)


class NormAct(nn.BatchNorm2d):
    """Apply normalisation and ReLU in one module, as timm does."""

    def forward(self, input: Tensor) -> Tensor:
        torch._assert(input.ndim == 4, "four dimensions")
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        norm = functional.batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, self.training, 0.1, self.eps
        )
        return functional.relu(norm)


class Headed(nn.Module):
    """Hold features and a head of any name."""

    def __init__(self, *features: nn.Module, head: str = "head"):
        super().__init__()
        self.features = nn.Sequential(*features)
        self.name = head
        self.add_module(head, nn.Linear(8, 4))

    def forward(self, x: Tensor, features_only: bool = False) -> Tensor:
        x = functional.adaptive_avg_pool2d(self.features(x), 1)
        return x if features_only else self.get_submodule(self.name)(torch.flatten(x, 1))


TAIL = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
CONVS = (nn.Conv2d(3, 6, 5, 2), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU())


def sequential(*layers: nn.Module) -> nn.Sequential:
    """Return layers in a row, with one ReLU and one pool for all."""
    relu, pool = nn.ReLU(), nn.MaxPool2d(2)
    return nn.Sequential(nn.Conv2d(3, 6, 5, 2), relu, pool, nn.Conv2d(6, 8, 3), relu, pool, *layers)


def hooked() -> nn.Module:
    """Return a network whose convolution does more than its kind tells."""
    conv = nn.Conv2d(3, 8, 3)

    def doubled(layer: nn.Module, given: object, result: Tensor) -> Tensor:
        return result * 2

    conv.register_forward_hook(doubled)
    return nn.Sequential(conv, nn.ReLU(), *TAIL)


def overflowing() -> nn.Module:
    """Return a network whose scores are infinite, though its weights are numbers."""
    tail = nn.Linear(8, 4)
    tail.weight.data.fill_(3e38)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), tail)


MODULES: dict[str, Callable[[], nn.Module]] = {
    "one ReLU and one pool": lambda: sequential(nn.Flatten(), nn.Linear(72, 4)),
    "features and fc": lambda: Headed(*CONVS, head="fc"),
    "features and head": lambda: Headed(*CONVS),
    "blocks": lambda: Headed(
        Block(3, 6, stride=2), nn.MaxPool2d(2), nn.Sequential(Block(6, 7), Block(7, 8, padding=1))
    ),
    "norm and ReLU in one": lambda: Headed(nn.Conv2d(3, 8, 3), NormAct(8), nn.MaxPool2d(2)),
    "synchronised norm": lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.SyncBatchNorm(8), nn.ReLU(), *TAIL),
    "norm of a hidden layer": lambda: nn.Sequential(
        nn.Conv2d(3, 8, 9, 8), nn.ReLU(), nn.Flatten(), nn.Linear(128, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Linear(9, 4)
    ),
    "all dropouts": lambda: nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.Dropout2d(), nn.ReLU(), nn.AlphaDropout(), nn.Identity(), nn.FeatureAlphaDropout(), *TAIL
    ),
    "pool before ReLU": lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.MaxPool2d(2), nn.ReLU(), *TAIL),
    "average of equal parts": lambda: nn.Sequential(
        nn.Conv2d(3, 8, 5), nn.ReLU(), nn.AvgPool2d(9), nn.Flatten(), nn.Linear(8 * 4 * 4, 4)
    ),
    "same padding": lambda: nn.Sequential(nn.Conv2d(3, 8, 5, padding="same"), nn.ReLU(), *TAIL),
    "valid padding": lambda: nn.Sequential(nn.Conv2d(3, 8, 5, padding="valid"), nn.ReLU(), *TAIL),
    "weight_norm of old": lambda: nn.Sequential(nn.utils.weight_norm(nn.Conv2d(3, 8, 3)), nn.ReLU(), *TAIL),
    "weight_norm": lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 8, 3)), nn.ReLU(), *TAIL),
    "spectral_norm": lambda: nn.Sequential(
        nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 8, 3)), nn.ReLU(), *TAIL
    ),
    "standardised filters": lambda: nn.Sequential(Standardised(3, 8, 3), nn.ReLU(), *TAIL),
    "lazy": lambda: nn.Sequential(
        nn.LazyConv2d(8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(4)
    ),
    "wrapped": lambda: nn.DataParallel(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), *TAIL)),
    "ended by a softmax": lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), *TAIL, nn.Softmax(dim=1)),
    "softmax inside": lambda: nn.Sequential(*CONVS, *TAIL, nn.Softmax(1), nn.ReLU()),
    "groups": lambda: nn.Sequential(nn.Conv2d(3, 6, 3, groups=3), nn.ReLU(), nn.Conv2d(6, 8, 3, groups=2), *TAIL),
    "dilation": lambda: nn.Sequential(nn.Conv2d(3, 8, 3, dilation=2), nn.ReLU(), *TAIL),
    "reflection": lambda: nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect"), nn.ReLU(), *TAIL),
    "uneven padding": lambda: nn.Sequential(nn.Conv2d(3, 8, 4, padding="same"), nn.ReLU(), *TAIL),
    "oblong filters": lambda: nn.Sequential(
        nn.Conv2d(3, 6, (3, 5), padding=(1, 2)), nn.ReLU(), nn.Conv2d(6, 8, (5, 3), padding=(2, 1)), nn.ReLU(), *TAIL
    ),
    "sigmoid": lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.Sigmoid(), *TAIL),
    "group norm": lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.ReLU(), *TAIL),
    "norm first": lambda: nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 8, 3), nn.ReLU(), *TAIL),
    "norm after ReLU": lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.BatchNorm2d(8), *TAIL),
    "LRN": lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.LocalResponseNorm(5), *TAIL),
    "padded pool": lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(3, 2, 1), *TAIL),
    "average of parts that overlap": lambda: nn.Sequential(
        nn.Conv2d(3, 8, 5), nn.ReLU(), nn.AvgPool2d(18, 17), nn.Flatten(), nn.Linear(32, 4)
    ),
    "hook": hooked,
    "one layer twice": lambda: (
        lambda conv: nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), conv, nn.ReLU(), conv, nn.ReLU(), *TAIL)
    )(nn.Conv2d(8, 8, 3)),
}
"""Networks of modules, by what is special about them."""


REFUSED_MODULES: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "no end": (lambda: nn.Sequential(*CONVS), r"ends in 3 \(ReLU\) of shape \(1, 8, 16, 16\); must end in"),
    "no end but a convolution": (lambda: nn.Sequential(nn.Conv2d(3, 6, 3)), r"ends in 0 \(Conv2d\) of shape"),
    "grey": (lambda: nn.Sequential(nn.Conv2d(1, 6, 3), *TAIL), "can't take an image of 3x40x40 .* 3 channels instead"),
    "no convolution": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(4800, 4)), "has no maps to record"),
    "not flattened": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Linear(38, 4)), r"2 \(Linear\) of shape \(1, 4, 38, 4\)"
    ),
    "by the batch": (
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, track_running_stats=False), nn.ReLU(), *TAIL),
        "its scores vary between calls or batches",
    ),
    "overflow": (overflowing, "its scores for random images are NaN or infinite"),
}  # fmt: skip
"""Networks that are refused, with words of the reason."""


def made(name: str) -> nn.Module:
    """Return the network of this name."""
    if name in READ or name in REFUSED:
        return Net(READ[name] if name in READ else REFUSED[name][0])
    return MODULES[name]() if name in MODULES else REFUSED_MODULES[name][0]()
