"""Partners that are found by their place in natural order, and how a gap shows itself."""

import re

import numpy as np

from fgbgnet.data.layouts.patterns import Found
from fgbgnet.data.layouts.rules import POSITION
from fgbgnet.data.layouts.values import Indices, Values, common_codes, first_positions, to_values
from fgbgnet.errors import MissingFileError


def pair_by_position(frames: Found, partners: Found) -> tuple[Indices, dict[str, Values]]:
    """Positions of the partners of frames by their place in natural order, and the values that were compared.

    Raises:
        MissingFileError: If there are not as many of the one as of the other, or numbers in the names tell of gaps.
    """
    shared = [name for name in partners.fields if name in frames.fields]
    wanted = {name: frames.fields[name] for name in shared} | {POSITION: frames.positions(shared)}
    columns = [*(partners.fields[name] for name in shared), partners.positions(shared)]
    codes, known = common_codes(list(wanted.values()), columns, (len(frames), len(partners)))
    if len(known) != len(codes) or set(codes.tolist()) != set(known.tolist()):
        raise MissingFileError(
            f"{len(frames)} frames such as {frames.paths[0]} cannot be paired by position with {len(partners)} files "
            f"of {partners.layer} such as {partners.paths[0]}: they must be as many"
        )
    rows = first_positions(codes, known)
    _check_steps(frames, partners.take(rows), shared)
    return rows, wanted


def _check_steps(frames: Found, partners: Found, within: list[str]) -> None:
    """Raises an error where numbers in the names run together for most pairs, but not for all: files are missing."""
    numbers = [to_values([_last_number(path) for path in found.paths.tolist()]) for found in (frames, partners)]
    if any(values.dtype != np.int64 for values in numbers):
        return
    apart = numbers[0] - numbers[1]
    columns = [frames.fields[name] for name in within]
    group = common_codes(columns, [values[:0] for values in columns], (len(frames), 0))[0]
    code = common_codes([group, apart], [group[:0], apart[:0]], (len(frames), 0))[0]
    alike = np.bincount(code)[code]
    most = np.zeros(group.max(initial=0) + 1, dtype=np.int64)
    np.maximum.at(most, group, alike)
    wrong = np.flatnonzero((alike < most[group]) & (2 * most[group] > np.bincount(group)[group]) & (most[group] > 2))
    if len(wrong):
        raise MissingFileError(
            f"paired by position, {frames.paths[wrong[0]]} would get {partners.paths[wrong[0]]} as its "
            f"{partners.layer}, while the numbers of most others run together: some files are missing. Complete them, "
            "or pair by a number that both names hold, such as {n}"
        )


def _last_number(path: str) -> str:
    """The last number in the name of a file; empty if there is none."""
    numbers = re.findall(r"\d+", path.rpartition("/")[2].rpartition(".")[0])
    return numbers[-1] if numbers else ""


__all__ = ["pair_by_position"]
