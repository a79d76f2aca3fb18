"""Folders that a run fills: claimed by its settings, taken up again, never mixed with anything else."""

import io
import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.files import write_json

_RECORD = "settings.json"
_SHOWN = 3


def encode(pixels: npt.NDArray[Any], quality: int | None = None) -> bytes:
    """uint8 or uint16 (H, W) or uint8 (H, W, 3) -> bytes of a PNG, or of a JPEG if there is a quality."""
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    if quality is None:
        image.save(buffer, "PNG", compress_level=3)
    else:
        # From quality 90 upwards colours are kept at full resolution, as careful tools do.
        image.save(buffer, "JPEG", quality=quality, subsampling=0 if quality >= 90 else 2)
    return buffer.getvalue()


def put(path: Path, content: bytes) -> None:
    """Writes a file that is whole or not there after a kill at any moment.

    Unlike `fgbgnet.files.write_bytes` it does not wait for the disk at each of many small files: a power failure may
    leave files of no length, which count as missing (`present`) and are made again.
    """
    # The process tells `_sweep` whose it is; threads may write the same file.
    temporary = path.with_name(f".{path.stem[:40]}.{uuid.uuid4().hex}.{os.getpid()}.tmp")
    try:
        try:
            temporary.write_bytes(content)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def present(path: Path) -> bool:
    """Whether there is a file with something in it."""
    try:
        return path.stat().st_size > 0
    except (FileNotFoundError, NotADirectoryError):
        return False


def claim(out: Path, settings: Mapping[str, Any], accepted: str, numbers: npt.NDArray[np.int64] | None = None) -> None:
    """Marks a folder as made with these settings, so that a second run goes on with the same and with nothing else.

    Args:
        out: The folder; made if needed.
        settings: Everything that decides what the samples look like.
        accepted: Which runs may go on there, for the error.
        numbers: The samples of this run. A later run may add some, and must hold all that are there, because it
            writes the table anew.

    Raises:
        InvalidArgumentError: If the folder was made with other settings or holds other samples, is not ours, or is no
            folder at all.
    """
    wanted: dict[str, Any] = json.loads(json.dumps(settings))
    record = out / _RECORD
    there = _recorded(out)
    help_ = f"accepted there is {accepted}; otherwise give another folder, or remove this one"
    if there is not None:
        changed = [_difference(key, there.get(key), wanted[key]) for key in wanted if there.get(key) != wanted[key]]
        if changed:
            raise InvalidArgumentError(f"{out} was made with other settings ({'; '.join(changed)}); {help_}")
        _sweep(out)
    if numbers is not None:
        if there is not None:
            try:
                earlier = _from_ranges(there["numbers"])
            except (KeyError, ValueError, AttributeError):
                raise _damaged(record, "its list of samples cannot be read") from None
            lost = np.setdiff1d(earlier, numbers)
            if len(lost):
                raise InvalidArgumentError(
                    f"{out} holds {len(earlier)} other samples, of which {len(lost)} are not in this run (the first is "
                    f"number {lost[0]}); {help_}"
                )
        wanted["numbers"] = _to_ranges(numbers)
    if wanted != there:
        write_json(record, wanted)


def _recorded(out: Path) -> dict[str, Any] | None:
    """What a folder was made with; None for one that is empty or not there."""
    for folder in (out, *out.parents):
        if folder.exists():
            if not folder.is_dir():
                raise InvalidArgumentError(f"out={str(out)!r}: {folder} is a file; expected a folder, or a new name")
            break
    record = out / _RECORD
    if not record.exists():
        others = sorted(p.name for p in out.iterdir() if not p.name.startswith(".")) if out.is_dir() else []
        if others:
            raise InvalidArgumentError(
                f"{out} is not empty and no {_RECORD} says that it was made here; it holds {_first(others)}. Give a "
                "new or an empty folder"
            )
        return None
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(record, str(error)) from error
    if not isinstance(content, dict):
        raise _damaged(record, f"it holds a {type(content).__name__}")
    return content


def _damaged(record: Path, why: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"{record} is damaged ({why}), so what {record.parent} was made with is not known; give another folder, or "
        "remove this one"
    )


def _difference(key: str, there: object, now: object) -> str:
    if isinstance(there, list) and isinstance(now, list) and all(isinstance(x, str) for x in there + now):
        gone, new = [x for x in there if x not in now], [x for x in now if x not in there]
        if gone or new:
            return f"{key}: {_first(gone)} there, {_first(new)} now"
    return f"{key}: {'nothing recorded' if there is None else there} there, {now} now"


def _first(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(names[:_SHOWN]) or "nothing") + more


def _to_ranges(numbers: npt.NDArray[np.int64]) -> str:
    """Sorted numbers as text, runs joined: 0 1 2 3 7 -> "0-3 7"."""
    ordered = np.unique(numbers)
    cuts = np.flatnonzero(np.diff(ordered) != 1) + 1
    return " ".join(f"{r[0]}-{r[-1]}" if len(r) > 1 else f"{r[0]}" for r in np.split(ordered, cuts) if len(r))


def _from_ranges(text: str) -> npt.NDArray[np.int64]:
    runs = [[int(number) for number in run.split("-")] for run in text.split()]
    return np.concatenate([np.arange(run[0], run[-1] + 1) for run in runs] or [np.array([], dtype=np.int64)])


def _sweep(out: Path) -> None:
    """Removes what killed runs left half-written; what a live process writes is left alone."""
    if os.name != "posix":  # elsewhere there is no harmless way to ask for a process
        return
    for temporary in (*out.glob(".*.tmp"), *out.glob("*/.*.tmp")):
        owner = temporary.name.split(".")[-2]
        if owner.isdecimal() and not _alive(int(owner)):
            temporary.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


__all__ = ["claim", "encode", "present", "put"]
