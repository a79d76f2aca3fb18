"""How far a run has come, and the learning rate that follows from it."""

import math
import time
from typing import Any, Protocol


class RunShare(Protocol):
    """What a learning rate follows."""

    @property
    def seconds(self) -> float | None:
        """Length of a run that is bounded by time; None for others."""

    @property
    def share(self) -> float:
        """0 at the start of a run, 1 at its end."""


class TrainerShare:
    """The share of a run by the steps of a Lightning trainer.

    Args:
        trainer: The trainer.
    """

    def __init__(self, trainer: Any) -> None:  # noqa: ANN401 - without importing Lightning here
        self.trainer = trainer
        self.seconds: float | None = None

    @property
    def share(self) -> float:
        """0 at the start of a run, 1 at its end."""
        return float(min(1.0, self.trainer.global_step / max(1, int(self.trainer.estimated_stepping_batches))))


class Progress:
    """The share of a run that is done, by steps or by wall-clock time; it survives a resume.

    Args:
        steps: Length of the run in batches, or None.
        seconds: Length of the run in seconds, or None. Exactly one of the two is given.

    >>> progress = Progress(steps=10)
    >>> progress.advance(4)
    >>> progress.share
    0.4
    """

    def __init__(self, steps: int | None = None, seconds: float | None = None) -> None:
        self.steps = steps
        self.seconds = seconds
        self.steps_done = 0
        self._seconds_before = 0.0
        self._started: float | None = None
        self._held: float | None = None

    def start(self) -> None:
        """Starts the clock."""
        self._started = time.monotonic()

    def hold(self, seconds: float) -> None:
        """Has the share be that of a time on the clock of another process, until the next call."""
        self._held = seconds

    @property
    def seconds_done(self) -> float:
        """Time on the clock, that of earlier sessions included."""
        running = 0.0 if self._started is None else time.monotonic() - self._started
        return self._seconds_before + running

    def advance(self, steps: int = 1) -> None:
        """Counts steps."""
        self.steps_done += steps

    @property
    def share(self) -> float:
        """0 at the start, 1 at the end."""
        if self.seconds is not None:
            return min(1.0, (self.seconds_done if self._held is None else self._held) / self.seconds)
        return min(1.0, self.steps_done / max(1, self.steps or 1))

    @property
    def seconds_left(self) -> float:
        """Time to the end; estimated from the pace so far when the run is counted in steps."""
        if self.seconds is not None:
            return max(0.0, self.seconds - self.seconds_done)
        share = self.share
        return self.seconds_done * (1 - share) / share if share else math.inf

    def state_dict(self) -> dict[str, float]:
        """What a checkpoint keeps."""
        return {"steps_done": self.steps_done, "seconds_done": self.seconds_done}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Goes on from a checkpoint."""
        self.steps_done = int(state["steps_done"])
        self._seconds_before = float(state["seconds_done"])


def warm_cosine(share: float, warmup: float, start: float = 0.04, fall: bool = True) -> float:
    """Factor of the highest learning rate after a share of the run.

    Linear from ``start`` to 1 during the warm-up, then along a cosine to 0 (Loshchilov and Hutter, SGDR, 2017, without
    restarts), or 1 to the end if it does not ``fall``.

    >>> [round(warm_cosine(share, warmup=0.5), 2) for share in (0, 0.25, 0.5, 0.75, 1)]
    [0.04, 0.52, 1.0, 0.5, 0.0]
    """
    if share < warmup:
        return start + (1 - start) * share / warmup
    return 0.5 * (1 + math.cos(math.pi * (share - warmup) / (1 - warmup))) if fall else 1.0


__all__ = ["Progress", "RunShare", "TrainerShare", "warm_cosine"]
