"""Takes a library's encoder apart into the stages that lie between its features.

An encoder of a library is one module that returns a list. `torch.fx` records its ``forward``, and nothing below it:
every sub-module stays the object that it is, with its own Python, so that dropout and drop-path follow ``.train()`` and
``.eval()`` and nothing depends on the size of the pictures. The recording is then cut at the features.
"""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any, NamedTuple

import torch
from torch import fx, nn
from torch.fx.proxy import TraceError

TO_CHANNELS_FIRST = (0, 3, 1, 2)

_RECORDING = Lock()  # torch.fx exchanges nn.Module.__call__ while it records, and puts it back


class NotAChainError(Exception):
    """An encoder whose features are not each made from the one before, or whose ``forward`` cannot be recorded."""


class _Cut(NamedTuple):
    """A place where the graph is cut.

    Attributes:
        feature: What the stage before the cut returns.
        state: What the stage after the cut goes on with: the feature, or the tensor that it is a permutation of.
        axes: The permutation from state to feature, if they differ.
    """

    feature: fx.Node
    state: fx.Node
    axes: tuple[int, ...] | None


def stages_of(encoder: nn.Module, indices: Sequence[int], channels_last: bool = False) -> list[nn.Module]:
    """The stages between chosen features of an encoder.

    Args:
        encoder: A module that maps a picture to a list of features, shallow to deep.
        indices: Places of the features in that list, ascending.
        channels_last: Whether the features are (B, H, W, C).

    Returns:
        One module per feature, each (B, C, H, W) -> (B, C', H', W'), made of the encoder's own sub-modules. What the
        deepest chosen feature does not need is left out.

    Raises:
        NotAChainError: If there is no such chain; the message says why.
    """
    graph = _recorded(encoder)
    features = _outputs(graph)
    if indices[-1] >= len(features):
        raise NotAChainError("its features are not all results of its forward")
    cuts = _cuts([features[index] for index in indices], channels_last)
    stages: list[nn.Module] = []
    before = None
    for cut in cuts:
        stages.append(fx.GraphModule(encoder, _stage(graph, before, cut), class_name="Stage"))
        before = cut
    _check_disjoint(stages)
    return stages


class _TopLevelTracer(fx.Tracer):
    """Records the calls of sub-modules, and does not look into them."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return True

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:  # noqa: ANN401 - whatever the module returns
        # While it records, torch.fx sees the calls of all modules, those of other threads included: they just run.
        known = m in (self.submodule_paths or {})
        return super().call_module(m, forward, args, kwargs) if known else forward(*args, **kwargs)


def _recorded(encoder: nn.Module) -> fx.Graph:
    training = encoder.training
    try:
        with _RECORDING:
            graphs = [_TopLevelTracer().trace(encoder.train(mode)) for mode in (False, True)]
    except (TraceError, TypeError, NameError, AttributeError, IndexError, RuntimeError) as error:
        # Whatever a foreign forward does with a stand-in for a tensor that only a tensor can do.
        raise NotAChainError("its forward does more than to call its modules") from error
    finally:
        encoder.train(training)
    if str(graphs[0]) != str(graphs[1]):
        raise NotAChainError("its forward itself differs between training and evaluation")
    return graphs[0]


def _outputs(graph: fx.Graph) -> list[fx.Node]:
    output = next(node for node in graph.nodes if node.op == "output").args[0]
    if not isinstance(output, Sequence) or not all(isinstance(node, fx.Node) for node in output):
        raise NotAChainError("its features are not a list")
    return [node for node in output if isinstance(node, fx.Node)]


def _cuts(features: Sequence[fx.Node], channels_last: bool) -> list[_Cut]:
    cuts = []
    for number, feature in enumerate(features):
        later = _needed(features[number + 1]) if number + 1 < len(features) else {feature}
        state, axes = (feature, None) if feature in later else _unpermuted(feature)
        if state not in later:
            raise NotAChainError(f"feature {number + 2} is not made from feature {number + 1}")
        if channels_last:
            axes = TO_CHANNELS_FIRST
        cuts.append(_Cut(feature, state, axes))
    return cuts


def _unpermuted(node: fx.Node) -> tuple[fx.Node, tuple[int, ...] | None]:
    """The tensor that this one is a permutation of."""
    if node.op == "call_method" and node.target == "contiguous":
        return _unpermuted(node.args[0]) if isinstance(node.args[0], fx.Node) else (node, None)
    if node.op == "call_method" and node.target == "permute" and isinstance(node.args[0], fx.Node):
        return node.args[0], tuple(axis for axis in node.args[1:] if isinstance(axis, int))
    return node, None


def _needed(node: fx.Node, until: fx.Node | None = None) -> set[fx.Node]:
    """The node and all that it is computed from, not beyond ``until``."""
    found, rest = set(), [node]
    while rest:
        current = rest.pop()
        if current not in found:
            found.add(current)
            rest += current.all_input_nodes if current is not until else []
    return found


def _stage(graph: fx.Graph, before: _Cut | None, cut: _Cut) -> fx.Graph:
    """The part of the graph that lies between two cuts."""
    picture = next(node for node in graph.nodes if node.op == "placeholder")
    start = picture if before is None else before.state
    needed = _needed(cut.feature, start)
    if before is not None and picture in needed:
        raise NotAChainError("a stage reads more than the feature before it")
    stage = fx.Graph()
    copies = {start: stage.placeholder("x")}
    if before is not None and before.axes is not None:
        back = [before.axes.index(axis) for axis in range(len(before.axes))]
        copies[start] = stage.call_method("permute", (copies[start], *back))
    for node in graph.nodes:
        if node in needed and node is not start:
            copies[node] = stage.node_copy(node, copies.__getitem__)
    result = copies[cut.feature]
    if cut.axes is not None and cut.state is cut.feature:
        result = stage.call_method("permute", (result, *cut.axes))
    stage.output(result)
    return stage


def _check_disjoint(stages: Sequence[nn.Module]) -> None:
    owners: dict[torch.Tensor, int] = {}
    for number, stage in enumerate(stages):
        for tensor in (*stage.parameters(), *stage.buffers()):
            if owners.setdefault(tensor, number) != number:
                raise NotAChainError("two of its stages share a parameter")


__all__ = ["NotAChainError", "stages_of"]
