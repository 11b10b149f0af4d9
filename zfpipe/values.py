"""Values that parameters may have: each check says what is allowed, for the one line that a mistake ends in."""

from pathlib import Path
from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, BeforeValidator, ConfigDict

from zfpipe.errors import UserError


def whole(low: int, high: int) -> BeforeValidator:
    """Return the validator of a whole number from `low` to `high`."""

    def check(value: Any) -> Any:
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return value

    return BeforeValidator(check)


def number(low: float, high: float) -> BeforeValidator:
    """Return the validator of a number from `low` to `high`."""

    def check(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}")
        return value

    return BeforeValidator(check)


def numbers(low: int, high: int, count: int) -> BeforeValidator:
    """Return the validator of a list of `count` whole numbers from `low` to `high`."""

    def check(value: Any) -> Any:
        valid = isinstance(value, list | tuple) and len(value) == count
        if not valid or any(type(item) is not int or not low <= item <= high for item in value):
            raise ValueError(f"must be a list of {count} whole numbers from {low} to {high}")
        return tuple(value)

    return BeforeValidator(check)


def colours(value: Any) -> Any:
    """Check three numbers from 0 up, for red, green and blue."""
    valid = isinstance(value, list | tuple) and len(value) == 3
    if not valid or any(isinstance(item, bool) or not isinstance(item, int | float) or item < 0 for item in value):
        raise ValueError("must be a list of three numbers from 0 up, for red, green and blue")
    return tuple(value)


def spreads(value: Any) -> Any:
    """Check three positive numbers, for red, green and blue."""
    if 0 in colours(value):
        raise ValueError("must be a list of three positive numbers, for red, green and blue")
    return tuple(value)


def function(value: Any) -> Any:
    """Check the name of a function that builds a network, with its module."""
    parts = value.split(":") if isinstance(value, str) else []
    if len(parts) != 2 or not all(name.isidentifier() for part in parts for name in part.split(".")):
        raise ValueError("must be null or module:function, such as torchvision.models:vgg16")
    return value


def layers(value: Any) -> Any:
    """Check the layers that a row of Table 3 leaves out."""
    if not isinstance(value, list | tuple) or any(item not in (3, 4, 6, 7) for item in value):
        raise ValueError("must be a list of layers out of 3, 4, 6, 7")
    return tuple(sorted(set(value)))


def named(value: Any) -> Any:
    """Check names of a foreign network's layers."""
    if not isinstance(value, list | tuple) or not value or not all(isinstance(one, str) and one for one in value):
        raise ValueError(
            "must be null or a list of the network's names, such as [layer1, layer4]; zfpipe check lists them"
        )
    return tuple(value)


def epochs(value: Any) -> Any:
    """Check the epochs after which the weights are kept."""
    if not isinstance(value, list | tuple) or any(type(item) is not int or item < 1 for item in value):
        raise ValueError("must be a list of epochs, whole numbers from 1")
    return tuple(sorted(set(value)))


def shares(value: Any) -> Any:
    """Check rising shares of all epochs."""
    valid = isinstance(value, list | tuple) and all(type(item) in (int, float) and 0 < item <= 1 for item in value)
    if not valid or list(value) != sorted(value):
        raise ValueError("must be a list of shares of the epochs, rising, from above 0 to 1, such as [0.75, 0.9]")
    return tuple(value)


def text(value: Any) -> Any:
    """Check that the value is text and not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError("must be text")
    return value


def root(value: Any) -> Any:
    """Check the folder of a set, which DVC must be able to read."""
    if text(value).startswith("~"):
        raise ValueError(f"must be a full path, such as {Path(value).expanduser()}: DVC does not read ~")
    return value


Root = Annotated[str, BeforeValidator(root)]


Seed = Annotated[int, whole(0, 2**31 - 1)]


Text = Annotated[str, BeforeValidator(text)]


class Section(BaseModel):
    """A section of params.yaml. Fields can't be changed after reading; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def members(value: Any) -> Any:
    """Check the runs whose probabilities are averaged."""
    if not isinstance(value, list | tuple) or len(set(map(str, value))) != len(value) or len(value) < 2:
        raise ValueError("must be a list of two or more different runs")
    return tuple(value)


def sizes(value: Any) -> Any:
    """Check numbers of training images for each class."""
    if not isinstance(value, list | tuple) or any(type(item) is not int or item < 2 for item in value):
        raise ValueError("must be a list of whole numbers from 2")
    return tuple(sorted(set(value)))


def inside(path: Path, folder: Path) -> bool:
    """Return True if a path, as written, leads into a folder."""
    return folder in path.parents and ".." not in path.parts


def fail(name: str, got: Any, allowed: str, assign: str = " = ") -> NoReturn:
    """Raise an error about a parameter, in one line."""
    raise UserError(f"params.yaml: {name}{assign}{got}; {allowed}")
