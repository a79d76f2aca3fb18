"""Many pairs of pictures -> folders of masks and depth maps."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from tqdm.auto import tqdm

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.files import full_disk_named
from fgbgnet.inference.claims import claim_predictions, is_done, layer_file
from fgbgnet.inference.pairs import Pair, check_names
from fgbgnet.inference.reading import BadPair, LoadedPair, PairReader, batches, mapped_ahead
from fgbgnet.models import PredictMixin, evaluating
from fgbgnet.models.checks import checked_count
from fgbgnet.models.predict import checked_threshold, prediction_of
from fgbgnet.synth.arguments import allowed_cpus
from fgbgnet.synth.folders import put
from fgbgnet.types import TASKS, Outputs, PathInput

if TYPE_CHECKING:
    from fgbgnet.prediction import Prediction


@dataclass(frozen=True)
class PairsReport:
    """What became of many pairs.

    Attributes:
        written: How many were predicted.
        skipped: How many were there already.
        failed: Name of each pair that could not be read, and why.
    """

    written: int
    skipped: int
    failed: dict[str, str]


def predict_pairs(
    model: PredictMixin,
    pairs: Sequence[Pair],
    out: PathInput,
    *,
    threshold: float = 0.5,
    batch_size: int = 8,
    workers: int | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> PairsReport:
    """Predicts mask and depth of many pairs of pictures, and writes ``mask/NAME.png`` and ``depth/NAME.png``.

    The files are those of `fgbgnet.Prediction.save`. Each is whole or not there. A run that was interrupted goes on
    where it stopped; the folder tells by ``settings.json`` and ``pairs.json`` what it was made with, and refuses
    anything else. A pair that cannot be read is passed over, reported, and tried again by the next run.

    Threads read and write while the model computes. Neighbours that the model sees at one size go before it together;
    so ``input_size``, or frames of one size, make full batches.

    Args:
        model: Anything with `fgbgnet.models.PredictMixin`, such as what `load_model` returns, on its device.
        pairs: Of `folder_pairs`, of `manifest_pairs`, or your own.
        out: Folder; new, empty or of an earlier run.
        threshold: Probability above which a pixel is foreground, in (0, 1).
        batch_size: Most pairs per step.
        workers: Threads that read and write; one for each CPU, but at most 8, by default.
        overwrite: Whether to remove the results of earlier runs first.
        progress: Whether to show a progress bar.

    Returns:
        How many were written and skipped, and which failed.

    Raises:
        InvalidArgumentError: If a number is out of range, there is no pair, names are not unique, or the folder holds
            anything else.
        MissingFileError, PictureError: If all pairs have one background, and it cannot be read.
        OutputError: If the disk is full; what is there is whole.

    >>> import tempfile
    >>> from PIL import Image
    >>> from fgbgnet.evaluation import Difference
    >>> from fgbgnet.inference.pairs import folder_pairs
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name, level in (("room.png", 0), ("a/1.png", 0), ("a/2.png", 200)):
    ...     (folder / name).parent.mkdir(exist_ok=True)
    ...     Image.new("L", (8, 8), level).save(folder / name)
    >>> pairs = folder_pairs(folder / "room.png", folder / "a")
    >>> predict_pairs(Difference(), pairs, folder / "out", progress=False)
    PairsReport(written=2, skipped=0, failed={})
    >>> [Image.open(folder / f"out/mask/{n}.png").getpixel((0, 0)) for n in (1, 2)]
    [0, 255]
    """
    if not pairs:
        raise InvalidArgumentError("no pair of pictures to predict; expected at least one")
    if model.in_channels != 3:
        raise InvalidArgumentError(f"pictures are read as RGB, and this model takes in_channels={model.in_channels}")
    check_names([pair.name for pair in pairs], "pairs")
    checked_threshold(threshold)
    checked_count("batch_size", batch_size)
    threads = min(8, allowed_cpus()) if workers is None else checked_count("workers", workers)
    reader, out = PairReader(model), Path(out)
    if len({pair.bg for pair in pairs}) == 1:
        reader.background(pairs[0].bg)  # what is wrong with all of them is said at once
    with full_disk_named(out, "the results there are whole: make room, and repeat the same run to go on"):
        claim_predictions(out, model, threshold, pairs, overwrite)
        missing = [pair for pair in pairs if not is_done(out, pair)]
        failed = _Run(model, out, threshold, threads).predict(missing, reader, batch_size, progress)
    failures = {item.pair.name: str(item.error) for item in failed}
    return PairsReport(len(missing) - len(failures), len(pairs) - len(missing), failures)


class _Run:
    """One pass over pairs.

    Args:
        model: Predicts.
        out: Folder of the results.
        threshold: Of the masks.
        threads: That read and write.
    """

    def __init__(self, model: PredictMixin, out: Path, threshold: float, threads: int) -> None:
        self.model, self.out, self.threshold, self.threads = model, out, threshold, threads
        self.device = next((tensor.device for tensor in (*model.parameters(), *model.buffers())), torch.device("cpu"))
        self.writing: deque[Future[None]] = deque()

    def predict(self, pairs: Sequence[Pair], reader: PairReader, batch_size: int, progress: bool) -> list[BadPair]:
        """Predicts and writes all pairs, and returns those that could not be read."""
        failed: list[BadPair] = []
        pool = ThreadPoolExecutor(self.threads)
        bar = tqdm(total=len(pairs), unit="picture", smoothing=0.05, disable=None if progress else True)
        try:
            with evaluating(self.model), torch.no_grad(), bar:
                loaded = mapped_ahead(pool, reader, pairs, ahead=batch_size + self.threads)
                for good, bad in batches(loaded, batch_size):
                    failed += bad
                    if good:
                        self._one_batch(good, pool)
                    bar.update(len(good) + len(bad))
                self._wait(0)
        finally:  # after an interruption nothing new is begun, and what is being written becomes whole
            pool.shutdown(cancel_futures=True)
        return failed

    def _one_batch(self, good: Sequence[LoadedPair], pool: ThreadPoolExecutor) -> None:
        clean, frames = (
            torch.stack(layers).to(self.device) for layers in zip(*(item[1:3] for item in good), strict=True)
        )
        outputs = {key: layer.cpu() for key, layer in self.model(clean, frames).items() if key in TASKS}
        if not outputs:
            raise InvalidArgumentError("the model returned neither mask nor depth")
        for layer in outputs:  # both folders before the first file: see is_done
            (self.out / layer).mkdir(exist_ok=True)
        for index, item in enumerate(good):
            own = {key: layer[index : index + 1] for key, layer in outputs.items()}
            self.writing.append(pool.submit(self._write, own, item))
        self._wait(2 * self.threads + len(good))

    def _wait(self, most: int) -> None:
        """Until so many results at most are still to be written; raises what went wrong with one."""
        while len(self.writing) > most:
            self.writing.popleft().result()

    def _write(self, outputs: Outputs, item: LoadedPair) -> None:
        blank = torch.zeros(()).expand(1, 3, *item.size)  # the pictures themselves are not written
        prediction: Prediction = prediction_of(outputs, blank, blank, self.threshold, self.model.depth_unit)
        for layer, content in reversed(prediction.encode().items()):  # the mask last: see is_done
            put(layer_file(self.out, layer, item.pair), content)


__all__ = ["PairsReport", "predict_pairs"]
