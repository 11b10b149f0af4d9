"""A network's forward, followed while it computes: the one path from the images to the scores that it must be."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx, nn
from torch.fx.node import map_arg

from zfpipe.errors import UserError
from zfpipe.foreign.words import said

ASKED = {"shape", "size", "dim", "ndim", "ndimension", "numel", "nelement", "dtype", "device", "requires_grad"}
"""What a forward may ask of its values and decide by: the same for all images of one size."""

JOINS = {"add": "adds", "iadd": "adds", "sub": "subtracts", "mul": "multiplies", "cat": "joins", "stack": "joins"}


class Failed(Exception):
    """A step can't be computed from images of this size."""


class Alone(nn.Module):
    """A network given the images and nothing else."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, images: Any) -> Any:  # not of a Tensor alone: beartype would refuse what is noted
        """Return what the network says."""
        return self.inner(images)


class Value(fx.Proxy):
    """A value in a forward: its shape is plain numbers, what is computed from the value is noted."""

    def __getattr__(self, name: str) -> Any:
        value = self.node.meta["value"]
        return getattr(value, name) if name in ASKED and isinstance(value, Tensor) else super().__getattr__(name)

    def __len__(self) -> int:
        return len(self.node.meta["value"])


class Follower(fx.Tracer):
    """Notes each step of a forward, and computes it at once: `meta["value"]` of a node.

    `meta["signal"]` says whether the value depends on the images, as a computed weight does not.
    """

    def __init__(self, images: Tensor):
        super().__init__()
        self.images = images
        self.computing = False

    def proxy(self, node: fx.Node) -> fx.Proxy:
        """Return what stands for a value in the forward."""
        return Value(node, self)

    def create_proxy(self, kind: str, target: Any, *args: Any, **kwargs: Any) -> fx.Proxy:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Note a step and compute it. Raises Failed where it can't be computed."""
        proxy = super().create_proxy(kind, target, *args, **kwargs)
        node = proxy.node
        node.meta["signal"] = kind == "placeholder" or any(signal(one) for one in node.all_input_nodes)
        self.computing = True
        try:
            node.meta["value"] = self.computed(node)
        except Exception as error:  # any step, on values of any shape
            raise Failed(said(error)) from None
        finally:
            self.computing = False
        return proxy

    def computed(self, node: fx.Node) -> Any:
        """Return what a step computes."""
        if node.op == "placeholder":
            return self.images
        args, kwargs = self.arguments(node)
        if node.op == "call_method":
            return getattr(args[0], str(node.target))(*args[1:], **kwargs)
        target = node.target if callable(node.target) else self.part(str(node.target))
        return target if node.op == "get_attr" else target(*args, **kwargs)

    def arguments(self, node: fx.Node) -> tuple[Any, Any]:
        """Return what a step is called with: the values in place of the steps that gave them."""
        return map_arg(node.args, self.value), map_arg(node.kwargs, self.value)

    def value(self, node: fx.Node) -> Any:
        """Return what an earlier step computed."""
        return node.meta["value"] if "value" in node.meta else self.part(str(node.target))

    def part(self, name: str) -> Any:
        """Return a layer or a tensor of the network."""
        found: Any = self.root
        for word in name.split("."):
            found = getattr(found, word)
        return found

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        """Note a layer; while it computes, its own parts are not noted."""
        return forward(*args, **kwargs) if self.computing else super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: Any) -> Any:
        """Return a parameter: while a layer computes, as it is."""
        return attr_val if self.computing else super().getattr(attr, attr_val, parameter_proxy_cache)


@dataclass(frozen=True)
class Followed:
    """The steps from the images to the scores in order, with the value that each is given.

    `scores` is what comes out. Where `failure` says why a step can't be computed, the step is the last.
    """

    follower: Follower
    nodes: list[tuple[fx.Node, Any]]
    scores: Any
    failure: str | None


def follow(module: nn.Module, images: Tensor, source: str) -> Followed:
    """Return the one path through a network. Raises UserError where its forward can't be followed, or has two."""
    follower = Follower(images)
    failure = None
    try:
        graph = follower.trace(Alone(module))
    except Failed as error:
        graph, failure = follower.graph, str(error)
    except Exception as error:  # a forward may do anything
        what = f"its forward can't be followed step by step ({type(error).__name__}: {said(error)})"
        raise UserError(
            f"model.source = {source} can't be projected: {what}; must take the images alone and do the same for all, "
            "with torch's functions"
        ) from None
    end = next(reversed(graph.nodes))
    if failure is None:
        end = end.args[0]
        if not isinstance(end, fx.Node) or not isinstance(end.meta.get("value"), Tensor):
            what = "no tensor" if isinstance(end, fx.Node) else f"a {type(end).__name__.removeprefix('immutable_')}"
            raise UserError(
                f"model.source = {source} can't be projected: its forward returns {what}; must return the class scores "
                "alone"
            )
    nodes = list(path(follower, graph, end, source))
    return Followed(follower, nodes, end.meta.get("value"), failure)


def path(follower: Follower, graph: fx.Graph, end: fx.Node, source: str) -> Iterator[tuple[fx.Node, Any]]:
    """Yield the steps that `end` depends on. Raises UserError where two paths come together."""
    changed: dict[fx.Node, fx.Node] = {}  # by a step in place: who names the old value means the new one

    def now(node: fx.Node) -> fx.Node:
        while node in changed:
            node = changed[node]
        return node

    given: dict[fx.Node, list[fx.Node]] = {}
    for node in graph.nodes:
        given[node] = list(dict.fromkeys(now(one) for one in node.all_input_nodes if signal(one)))
        if given[node] and in_place(follower, node):
            changed[given[node][0]] = node
    needed = {now(end)}
    for node in reversed(graph.nodes):
        if node in needed:
            needed.update(given[node])
    for node in graph.nodes:
        if node in needed and len(given[node]) > 1:
            name = function_of(node).strip("_")
            what = f"{JOINS.get(name, 'brings together')} two paths ({name} at {place_of(node)})"
            raise UserError(
                f"model.source = {source} can't be projected: it {what}; must be one path from the images to the scores"
            )
    for node in graph.nodes:
        if node in needed and given[node]:
            yield node, given[node][0].meta["value"]


def signal(node: fx.Node) -> bool:
    """Return whether a step's value depends on the images."""
    return node.meta.get("signal", False)


def in_place(follower: Follower, node: fx.Node) -> bool:
    """Return whether a step changes the value that it is given."""
    if node.op == "call_module":
        return bool(getattr(follower.part(str(node.target)), "inplace", False))
    return function_of(node).endswith("_") or function_of(node) in {"iadd", "imul"} or bool(node.kwargs.get("inplace"))


def function_of(node: fx.Node) -> str:
    """Return the name of the function, method or layer of a step."""
    return str(getattr(node.target, "__name__", node.target))


def place_of(node: fx.Node) -> str:
    """Return which part of the network a step stands in: `layer1.0`, or `forward` for the network itself."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    name = stack[-1][0] if stack else ""
    return name.removeprefix("inner").removeprefix(".") or "forward"
