"""A manifest with what an audit has proven put right."""

import csv
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.dtypes import StringDType
from tqdm.auto import tqdm

from fgbgnet.data.audit.edits import edited_picture
from fgbgnet.data.audit.findings import Edit
from fgbgnet.data.audit.plan import RowRepair, plan_repair
from fgbgnet.data.audit.result import Audit
from fgbgnet.data.manifest import Column, Manifest
from fgbgnet.data.seeding import hash64
from fgbgnet.errors import InvalidArgumentError, ManifestError
from fgbgnet.files import atomic_path, check_output, full_disk_named
from fgbgnet.types import PathInput


def write_repaired(audit: Audit, out: PathInput) -> Manifest:
    """Writes a new manifest with the corrections of an audit applied.

    Beside ``out``, say ``repaired.csv``, stand ``repaired.dropped.csv`` with the ids of the dropped rows and the kinds
    of finding for which they were dropped, and ``repaired_files/`` with edited copies of pictures as PNG, each once;
    both only if they are needed. All columns are kept; a column ``repair`` names the kinds for which a row was
    changed. A row with another background takes over that background's ``bg_id``. Nothing that exists is overwritten,
    and the audited pictures and manifest are not touched. The manifest is written last, in one step.

    Args:
        audit: Result of `check_manifest`. Of samples that it did not look at, because of a limit, nothing is changed
            but the ``bg_id`` of groups that become one.
        out: The new manifest, a CSV file that does not exist yet.

    Returns:
        The new manifest, read back from ``out``.

    Raises:
        InvalidArgumentError: If ``out``, the list of dropped rows or files in the folder of copies beside it exist, or
            cannot be written there.
        ManifestError: If no row would be left.
        MissingFileError, PictureError: If a picture that is to be edited has become unreadable since the audit.
        OutputError: If the disk is full.

    >>> import tempfile
    >>> from fgbgnet.data.audit.findings import Correction
    >>> table = Manifest.from_lists(["a.png", "a.png", "b.png"], ["1.png", "2.png", "3.png"], ["m.png"] * 3)
    >>> found = [Correction(0, "", "", "mask_full"), Correction(1, "bg", "b.png", "bg_wrong")]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     repaired = write_repaired(Audit(table, 3, corrections=found), f"{folder}/repaired.csv")
    >>> repaired.column("id").tolist(), repaired.column("repair").tolist(), repaired.column("bg_id").tolist()
    (['2', '3'], ['bg_wrong', ''], ['b.png', 'b.png'])
    """
    out = Path(out)
    check_repair_output(out)
    table = audit.manifest
    plan = plan_repair(table, audit.corrections)
    kept = [row for row in range(len(table)) if row not in plan or not plan[row].dropped]
    if not kept:
        raise ManifestError(
            f"all {len(table)} rows would be dropped, so there is nothing to write; are the layers paired as they "
            "should be? See the findings of the audit"
        )
    dropped = [(str(table.column("id")[row]), " ".join(r.dropped)) for row, r in plan.items() if r.dropped]
    try:
        with full_disk_named(out, "free some space and repair again"):
            columns = _corrected_columns(table, plan, _write_edited(table, plan, out))
            new = Manifest({name: values[kept] for name, values in columns.items()}, table.root)
            # The list of dropped rows takes its place when the manifest is written, and only then.
            with _dropped_list(_dropped_path(out), dropped):
                new.write(out)
    except BaseException:
        shutil.rmtree(_files_folder(out), ignore_errors=True)  # nothing was there before
        raise
    return type(table).read(out)


def check_repair_output(out: PathInput) -> None:
    """Asks before an audit rather than after it whether its repair can be written.

    Raises:
        InvalidArgumentError: If a file stands in the way, or the folder of edited copies is not empty.
    """
    check_output(out, folder=False)
    for path in (Path(out), _dropped_path(Path(out))):
        if path.exists():
            raise InvalidArgumentError(
                f"{path} exists; a repair never overwrites a file, it may be the audited one: choose another name, or "
                "remove it"
            )
    folder = _files_folder(Path(out))
    check_output(folder, folder=True)
    if folder.is_dir() and any(folder.iterdir()):
        raise InvalidArgumentError(
            f"{folder} holds files, perhaps of another repair whose manifest names them; choose another name, or "
            "remove it"
        )


def _dropped_path(out: Path) -> Path:
    return out.with_name(f"{out.stem}.dropped.csv")


def _files_folder(out: Path) -> Path:
    return out.with_name(f"{out.stem}_files")


Copies = Mapping[tuple[str, str, tuple[Edit, ...]], str]


def _write_edited(table: Manifest, plan: Mapping[int, RowRepair], out: Path) -> Copies:
    """Writes every edited picture once; (column, path, edits) -> full path of the copy."""
    needed = {
        (column, cell.value, cell.edits): ""
        for repair in plan.values()
        if not repair.dropped
        for column, cell in repair.cells.items()
        if cell.edits
    }
    folder = Path(os.path.abspath(_files_folder(out)))  # noqa: PTH100 - links are left as they are
    for column, value, edits in tqdm(needed, desc="edited pictures", unit="file", disable=None if needed else True):
        # Copies of different files may share a stem; and a mask is written in another way than a picture.
        mark = f"{hash64(f'{column}/{value}'):016x}"
        path = folder / f"{PurePosixPath(value.replace(os.sep, '/')).stem[:60]}-{'-'.join(edits)}-{mark}.png"
        picture = edited_picture(table.resolve(value), column, edits)
        with atomic_path(path) as temporary:
            picture.save(temporary, format="PNG")
        needed[column, value, edits] = str(path)
    return needed


def _corrected_columns(table: Manifest, plan: Mapping[int, RowRepair], copies: Copies) -> dict[str, Column]:
    """All columns with the corrections applied; still with the rows that are dropped."""
    changed = {column for repair in plan.values() for column in repair.cells}
    # Defaults of ids and groups follow from paths: written out before paths change.
    names = dict.fromkeys([*table.names, "id", "bg_id", *sorted(changed)])
    columns = {name: table.column(name).copy() for name in names}
    for row, repair in plan.items():
        for column, cell in () if repair.dropped else repair.cells.items():
            columns[column][row] = copies[column, cell.value, cell.edits] if cell.edits else cell.value
    _follow_backgrounds(columns["bg_id"], table.column("bg").tolist(), plan)
    if plan:
        repairs = columns.setdefault("repair", np.full(len(table), "", dtype=StringDType()))
        for row, repair in plan.items():
            repairs[row] = " ".join(filter(None, (repairs[row], *repair.reasons)))
    return columns


def _follow_backgrounds(groups: Column, backgrounds: list[str], plan: Mapping[int, RowRepair]) -> None:
    """Gives rows with another background its ``bg_id``: the one that most rows say which have it rightly."""
    moved = {}
    for row, repair in plan.items():
        bg, bg_id = repair.cells.get("bg"), repair.cells.get("bg_id")
        # A bg_id that was found for another reason is that of the background which is replaced.
        found_together = bg and bg_id and set(bg.reasons) & set(bg_id.reasons)
        if bg and bg.value != backgrounds[row] and not found_together:
            moved[row] = bg.value
    votes: dict[str, Counter[str]] = {path: Counter() for path in moved.values()}
    for row, (path, group) in enumerate(zip(backgrounds, groups.tolist(), strict=True)):
        if path in votes:
            # Rows whose own background is wrong decide only where there are no others.
            doubted = row in plan and (plan[row].dropped or "bg" in plan[row].cells)
            votes[path][group] += 1 if doubted else len(groups)
    for row, path in moved.items():
        groups[row] = votes[path].most_common(1)[0][0] if votes[path] else path


@contextmanager
def _dropped_list(path: Path, dropped: Sequence[tuple[str, str]]) -> Iterator[None]:
    """Writes ids and reasons; the file is there when the block has ended well. Nothing if nothing was dropped."""
    if not dropped:
        yield
        return
    with atomic_path(path) as temporary:
        with temporary.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([("id", "reason"), *dropped])
        yield


__all__ = ["check_repair_output", "write_repaired"]
