"""Whose results a folder holds: one model's, with one threshold, for one set of pairs."""

import json
import shutil
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import torch
from torch import nn

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.files import write_json
from fgbgnet.inference.pairs import Pair
from fgbgnet.inference.wrapping import Wrapper
from fgbgnet.synth.folders import claim, present
from fgbgnet.types import TASKS

PAIRS_FILE = "pairs.json"
_KIND = "predictions"


def fingerprint(model: nn.Module) -> str:
    """Tells models apart by what decides about their results: wrappers, arguments, weights.

    >>> from fgbgnet.evaluation import Difference
    >>> [fingerprint(Difference()) == fingerprint(other) for other in (Difference(), Difference(0.2))]
    [True, False]
    """
    digest = blake2b(digest_size=16)
    part = model
    while True:
        digest.update(f"{type(part).__name__}({part.extra_repr()}, {getattr(part, 'config', None)})".encode())
        if not isinstance(part, Wrapper):
            break
        part = part.model
    file = getattr(part, "path", None)
    if isinstance(file, Path) and file.is_file():  # exported models keep their weights there
        digest.update(file.read_bytes())
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def claim_predictions(out: Path, model: nn.Module, threshold: float, pairs: Sequence[Pair], overwrite: bool) -> None:
    """Makes a folder ready for results, or for more of the same.

    Args:
        out: The folder; made if needed.
        model: Makes the results.
        threshold: Of the masks.
        pairs: What results are wanted of. Pairs of earlier runs may be missing here.
        overwrite: Whether earlier results are removed first.

    Raises:
        InvalidArgumentError: If the folder holds anything but such results, or those of another model, threshold or
            pair of pictures.
    """
    if overwrite and _is_ours(out):
        for layer in (out / task for task in TASKS):
            if layer.exists():
                shutil.rmtree(layer)
        (out / PAIRS_FILE).unlink(missing_ok=True)
        (out / "settings.json").unlink()
    settings = {"kind": _KIND, "model": fingerprint(model), "threshold": threshold}
    claim(out, settings, "the same model with the same threshold, or overwrite")
    known = _known_pairs(out / PAIRS_FILE)
    wanted = {pair.name: _sources(pair) for pair in pairs}
    other = [name for name, sources in wanted.items() if known.get(name, sources) != sources]
    if other:
        raise InvalidArgumentError(
            f"{out} holds results of other pictures under the names of {len(other)} of these pairs (the first is "
            f"{other[0]!r}); give another folder, or overwrite"
        )
    if not wanted.keys() <= known.keys():
        write_json(out / PAIRS_FILE, {**known, **wanted})


def layer_file(out: Path, layer: str, pair: Pair) -> Path:
    """Where a layer of a pair's result stands."""
    return out / layer / f"{pair.name}.png"


def is_done(out: Path, pair: Pair) -> bool:
    """Whether a pair's result is whole: of its layers the mask is written last, if there is one."""
    return present(layer_file(out, "mask" if (out / "mask").exists() else "depth", pair))


def _is_ours(out: Path) -> bool:
    try:
        return bool(json.loads((out / "settings.json").read_text(encoding="utf-8")).get("kind") == _KIND)
    except (OSError, ValueError, AttributeError):  # not there, or damaged: claiming says what is wrong
        return False


def _known_pairs(record: Path) -> dict[str, str]:
    try:
        known: dict[str, str] = dict(json.loads(record.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise InvalidArgumentError(
            f"{record} is damaged ({error}), so which pictures the results there belong to is not known; overwrite"
        ) from error
    return known


def _sources(pair: Pair) -> str:
    names = "\0".join(str(Path(path).absolute()) for path in (pair.bg, pair.fg_bg))
    return blake2b(names.encode(), digest_size=8).hexdigest()


__all__ = ["PAIRS_FILE", "claim_predictions", "fingerprint", "is_done", "layer_file"]
