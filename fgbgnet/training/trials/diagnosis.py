"""What the timing of a training says about its settings."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from fgbgnet.training.trials.step_profiler import (
    BACKWARD,
    ENGINE,
    FORWARD,
    LOGGING,
    LOSS,
    OPTIMIZER,
    PARTS,
    TRANSFER,
    WAIT,
)


class PartTime(NamedTuple):
    """The time of one part of a step, in seconds.

    Attributes:
        median: Of the steps.
        low: Their first quartile.
        high: Their third quartile.
        share: Of the time of all steps together, 0 to 1.
    """

    median: float
    low: float
    high: float
    share: float


class Advice(NamedTuple):
    """What to change.

    Attributes:
        kind: ``"loader"``, ``"transfer"``, ``"compute"``, ``"optimiser"``, ``"logging"`` or ``"engine"``.
        setting: The setting of `FitConfig`, or what else to change.
        text: One sentence.
    """

    kind: str
    setting: str
    text: str


GROUPS = {
    "loader": (WAIT,),
    "transfer": (TRANSFER,),
    "compute": (FORWARD, LOSS, BACKWARD),
    "optimiser": (OPTIMIZER,),
    "logging": (LOGGING,),
    "engine": (ENGINE,),
}
THRESHOLDS = {"loader": 0.1, "transfer": 0.1, "compute": 0.6, "optimiser": 0.2, "logging": 0.1, "engine": 0.2}
"""Shares of the time from which a kind of work is worth an advice."""


@dataclass(frozen=True)
class TrainingProfile:
    """Where the steps of a training go.

    Attributes:
        device: ``"cpu"`` or ``"cuda"``.
        batch_size: Pairs per batch.
        size: Height and width of the pictures.
        num_workers: Processes that load.
        cores: Of the processor, as far as this process may use them.
        threads: That torch computes with on a CPU.
        precision: Lightning's.
        compiled: Whether the model was.
        images_per_second: Without synchronisation, as in a real run.
        step: The time of a step.
        parts: By part, the time of one step; what a step does not have is left out.
        sample_seconds: What it takes to make one sample, in one process with one thread that nothing disturbs.
        validation: By part, the time of one batch of the validation; empty if there was none.
    """

    device: str
    batch_size: int
    size: tuple[int, int]
    num_workers: int
    cores: int
    threads: int
    precision: str
    compiled: bool
    images_per_second: float
    step: PartTime
    parts: dict[str, PartTime]
    sample_seconds: float
    validation: dict[str, PartTime] = field(default_factory=dict)

    def share(self, kind: str) -> float:
        """The share of a kind of work, one of `GROUPS`, 0 to 1."""
        return sum(self.parts[part].share for part in GROUPS[kind] if part in self.parts)

    @property
    def bound(self) -> str:
        """The kind of work that takes the most time."""
        return max(GROUPS, key=self.share)

    @property
    def workers_needed(self) -> int:
        """Processes that make samples as fast as steps use them, if each has a core of its own."""
        working = self.step.median - self.parts[WAIT].median
        return max(1, math.ceil(self.sample_seconds * self.batch_size / max(working, 1e-9)))

    @property
    def advice(self) -> list[Advice]:
        """What to change, the most costly kind of work first; empty if nothing stands out."""
        kinds = sorted(GROUPS, key=self.share, reverse=True)
        return [advice for kind in kinds if self.share(kind) >= THRESHOLDS[kind] for advice in _RULES[kind](self)]

    def table(self) -> str:
        """All of it as text."""
        height, width = self.size
        lines = [
            f"{self.batch_size} pairs of {height} x {width}, {self.device}, {self.threads} threads on {self.cores} "
            f"cores, {self.num_workers} workers, {self.precision}: {self.images_per_second:.1f} images/s",
            "",
            *_rows("training step", self.parts, self.step),
        ]
        if self.validation:
            lines += ["", *_rows("validation batch", self.validation, None)]
        makers = max(1, self.num_workers)
        lines += [
            "",
            f"One process makes a sample in {1000 * self.sample_seconds:.2f} ms; {makers} thus at most "
            f"{makers / self.sample_seconds:.0f} images/s.",
            f"Most of the time goes to: {self.bound} ({self.share(self.bound):.0%}).",
            *(f"- {advice.setting}: {advice.text}" for advice in self.advice),
        ]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """As plain types, for JSON."""
        named = {name: {part: time._asdict() for part, time in getattr(self, name).items()} for name in _TABLES}
        return {**asdict(self), "size": list(self.size), "step": self.step._asdict(), **named, "bound": self.bound,
                "advice": [advice._asdict() for advice in self.advice]}  # fmt: skip


_TABLES = ("parts", "validation")


def _rows(title: str, parts: dict[str, PartTime], whole: PartTime | None) -> list[str]:
    def row(name: str, time: PartTime) -> str:
        low, median, high = (f"{1000 * value:.2f}" for value in (time.low, time.median, time.high))
        return f"{name:24}{median:>10} {f'{low} to {high}':>22} {time.share:>7.1%}"

    head = f"{title:24}{'median ms':>10} {'quartiles':>22} {'share':>7}"
    rows = [row(part, parts[part]) for part in PARTS if part in parts]
    return [head, *rows, *([row("all", whole)] if whole is not None else [])]


def _of_loader(profile: TrainingProfile) -> list[Advice]:
    share, workers, needed = profile.share("loader"), profile.num_workers, profile.workers_needed
    waits = f"{share:.0%} of the time goes by waiting for samples"
    free = max(1, profile.cores - 1) if profile.device == "cpu" else profile.cores
    if workers < min(needed, free):
        many = min(needed, free)
        return [Advice("loader", f"num_workers={many}", f"{waits}; the steps need {needed} to keep up")]
    if profile.device == "cpu" and workers > free:
        text = f"{waits}; {workers} workers and the training want the {profile.cores} cores at once"
        return [Advice("loader", f"num_workers={free}", text)]
    cheaper = f"{waits}, and there are no cores for more workers: make samples cheaper"
    return [Advice("loader", "data", f"{cheaper} (fewer pixels on disk, a lighter transform, stored scenes)")]


def _of_transfer(profile: TrainingProfile) -> list[Advice]:
    text = f"{profile.share('transfer'):.0%} of the time is copying to the device; smaller pictures have less"
    return [Advice("transfer", "size", text)]


def _of_compute(profile: TrainingProfile) -> list[Advice]:
    share = f"{profile.share('compute'):.0%} of the time is computation"
    advice = []
    if profile.device == "cpu":
        if "16" in profile.precision:
            text = f"{share}; few processors compute with 16 bits, others imitate it slowly"
            advice.append(Advice("compute", "precision=32-true", text))
        waits = profile.share("loader") >= THRESHOLDS["loader"]
        loading = min(profile.workers_needed, profile.cores - 1) if waits else 0
        idle = profile.cores - max(profile.num_workers, loading)
        if profile.threads < idle:
            text = f"{share}; {idle} cores have nothing else to do, and torch computes on {profile.threads}"
            advice.append(Advice("compute", f"OMP_NUM_THREADS={idle}", text))
        advice.append(Advice("compute", "sizes", f"{share}; begin with small pictures, or take a smaller model"))
        return advice
    if profile.precision.startswith("32"):
        advice.append(Advice("compute", "precision=bf16-mixed", f"{share}, all of it with 32 bits"))
    if not profile.compiled:
        advice.append(Advice("compute", "compile=true", f"{share}; torch.compile fuses small operations"))
    return advice or [Advice("compute", "sizes", f"{share}; begin with small pictures, or take a smaller model")]


def _of_optimizer(profile: TrainingProfile) -> list[Advice]:
    text = f"{profile.share('optimiser'):.0%} of the time goes to the optimiser, whose step costs alike for any batch"
    return [Advice("optimiser", "batch_size or accumulate", text)]


def _of_logging(profile: TrainingProfile) -> list[Advice]:
    text = f"{profile.share('logging'):.0%} of the time goes to figures and callbacks; larger batches have fewer steps"
    return [Advice("logging", "batch_size, or out on a faster disk", text)]


def _of_engine(profile: TrainingProfile) -> list[Advice]:
    text = f"{profile.share('engine'):.0%} of the time is spent around the steps, which are too short for it"
    return [Advice("engine", "batch_size", text)]


_RULES: dict[str, Callable[[TrainingProfile], list[Advice]]] = {
    "loader": _of_loader,
    "transfer": _of_transfer,
    "compute": _of_compute,
    "optimiser": _of_optimizer,
    "logging": _of_logging,
    "engine": _of_engine,
}


__all__ = ["GROUPS", "THRESHOLDS", "Advice", "PartTime", "TrainingProfile"]
