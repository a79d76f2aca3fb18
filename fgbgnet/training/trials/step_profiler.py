"""A profiler for Lightning that gives every moment of a step to one part of it."""

import time
from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch.profilers import Profiler

WAIT, TRANSFER, FORWARD, LOSS, BACKWARD = "wait for data", "transfer", "forward", "loss", "backward"
OPTIMIZER, METRICS, LOGGING, ENGINE = "optimiser step", "metrics", "logging and callbacks", "engine"
PARTS = (WAIT, TRANSFER, FORWARD, LOSS, BACKWARD, OPTIMIZER, METRICS, LOGGING, ENGINE)
"""In the order of a step; the engine is what Lightning does beside all of them."""

_ENDINGS = {
    "_dataloader_next": WAIT,
    ".val_next": WAIT,
    "batch_to_device": TRANSFER,
    ".training_step": LOGGING,  # what is in there beside forward and loss
    ".validation_step": LOGGING,
    ".backward": BACKWARD,
    ".optimizer_step": OPTIMIZER,
    ".optimizer_zero_grad": OPTIMIZER,
    ".configure_gradient_clipping": OPTIMIZER,
    ".lr_scheduler_step": OPTIMIZER,
}


class StepProfiler(Profiler):
    """Divides the time of each step among its parts, without a gap and without counting anything twice.

    Actions lie within each other; time belongs to the innermost one that is known. A step begins where the loop asks
    for its batch.

    Args:
        device: Its queue is emptied whenever a part ends, if ``synchronize`` is set: a GPU is told what to do long
            before it does it.

    >>> profiler = StepProfiler()
    >>> for action in ("[Loop].train_dataloader_next", "[Strategy].backward", "[Loop].train_dataloader_next"):
    ...     with profiler.profile(action):
    ...         pass
    >>> sorted(profiler.steps[0])
    ['backward', 'engine', 'wait for data']
    """

    def __init__(self, device: torch.device | None = None) -> None:
        super().__init__()
        self.device = device
        self.synchronize = False
        self.steps: list[dict[str, float]] = []
        """Seconds by part of each step that is complete."""
        self._current: dict[str, float] | None = None
        self._parts: list[str] = []
        self._since = 0.0

    def start(self, action_name: str) -> None:
        """Begins an action, and a new step if it is the wait for a batch."""
        part = part_of(action_name)
        self._settle()
        if part == WAIT and WAIT not in self._parts:
            if self._current is not None:
                self.steps.append(self._current)
            self._current = {}
        self._parts.append(part or (self._parts[-1] if self._parts else ENGINE))

    def stop(self, action_name: str) -> None:
        """Ends the innermost action."""
        self._settle()
        self._parts.pop()

    def restart(self) -> None:
        """Forgets all steps."""
        self.steps, self._current = [], None

    def finish(self) -> None:
        """Ends the last step, after which no other one begins."""
        self._settle()
        if self._current is not None:
            self.steps.append(self._current)
        self._current = None

    def watch(self, module: torch.nn.Module, part: str) -> None:
        """Gives the forward pass of a module to a part.

        Args:
            module: Called during a step.
            part: One of `PARTS`.
        """
        module.register_forward_pre_hook(lambda *_: self.start(part))
        module.register_forward_hook(lambda *_: self.stop(part))

    def timed(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        """A function whose time is given to a part.

        Args:
            function: What is called.
            part: One of `PARTS`.
        """

        def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever the function takes
            with self.profile(part):
                return function(*args, **kwargs)

        return call

    def _settle(self) -> None:
        """Gives the time since the last change to the part that it belonged to."""
        if self.synchronize and self.device is not None and self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        now = time.perf_counter()
        if self._current is not None:
            part = self._parts[-1] if self._parts else ENGINE
            self._current[part] = self._current.get(part, 0.0) + now - self._since
        self._since = now


def part_of(action: str) -> str | None:
    """The part that an action of Lightning belongs to; None if it is that of the action around it.

    >>> part_of("[Callback]ProgressLine.on_train_batch_end"), part_of("run_training_batch")
    ('logging and callbacks', None)
    """
    if action in PARTS:
        return action
    if action.startswith("[Callback]"):
        return LOGGING
    return next((part for ending, part in _ENDINGS.items() if action.endswith(ending)), None)


__all__ = [
    "BACKWARD", "ENGINE", "FORWARD", "LOGGING", "LOSS", "METRICS", "OPTIMIZER", "PARTS", "TRANSFER", "WAIT",
    "StepProfiler", "part_of",
]  # fmt: skip
