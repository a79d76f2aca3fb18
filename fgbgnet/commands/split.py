"""Commands that divide data."""

from typing import TYPE_CHECKING, cast

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.files import check_output

if TYPE_CHECKING:
    from fgbgnet.data import Manifest, PairedFgBgDataset, Split
    from fgbgnet.data.manifest import Column
    from fgbgnet.types import GroupBy

SHOWN = 3
"""How many pairs of copies are named."""


def split(
    manifest: str,
    out: str,
    fractions: str = "0.7,0.15,0.15",
    group_by: str = "bg",
    names: str | None = None,
    seed: int = 0,
    stratify_by: str | None = None,
    merge_duplicates: bool = False,
    keep: str | None = None,
    anew: bool = False,
) -> None:
    """Divide a data set so that no background stands on two sides: writes the manifest with a column split.

    Samples that have a side in that column keep it, and only new ones are given one: run it again when data were added,
    with --keep where they were indexed anew.

    Args:
        manifest: manifest.csv of all data.
        out: The manifest to write; --manifest itself may be given.
        fractions: Share of each side.
        group_by: What is held out: bg, fg, bg,fg (samples between the sides belong to none), or none (this leaks).
        names: Names of the sides; train,val,test by default.
        seed: Another seed is another split.
        stratify_by: Column of which every value is divided in these fractions, e.g. source.
        merge_duplicates: Look at all backgrounds, and keep copies and mirror images on one side.
        keep: A manifest divided before, whose samples keep their side, by their id; by default --manifest itself.
        anew: Forget the sides that samples have.
    """
    from fgbgnet.data import PairedFgBgDataset, duplicate_backgrounds, leaks, seeded_split

    check_output(out, folder=False)
    dataset = PairedFgBgDataset(manifest)
    named = [] if group_by.strip().lower() == "none" else _listed(group_by) or [group_by]
    kinds = cast("list[GroupBy]", named)  # the library's own check names the nearest
    known = _known(dataset.manifest, keep, anew)
    pairs = []
    if merge_duplicates:
        if "bg" not in kinds:
            raise InvalidArgumentError(
                "--merge-duplicates joins backgrounds, which --group-by does not hold out; add bg"
            )
        pairs = duplicate_backgrounds(dataset.manifest)
        print(f"Pairs of backgrounds that are copies: {len(pairs)}{_some(pairs)}.")
    divided = seeded_split(
        dataset,
        _numbers(fractions),
        seed,
        kinds,
        names=None if names is None else _listed(names),
        keep=known,
        stratify_by=stratify_by,
        merge={"bg": pairs} if pairs else None,
    )
    _show(divided)
    for leak in leaks(dataset.manifest.with_column("split", divided.column), pairs, kinds=kinds):
        print(f"Mind: {leak}.")
    divided.save(out)
    print(f"Wrote {out}")


def _known(manifest: "Manifest", keep: str | None, anew: bool) -> "Column | list[str] | None":
    """Side that every sample has already, in its own manifest or in another; None if there is none to keep."""
    from fgbgnet.data import Manifest

    if keep is None:
        column = manifest.column("split")
        return None if anew or not (column != "").any() else column
    if anew:
        raise InvalidArgumentError("--keep and --anew exclude each other: give one of them")
    former = Manifest.read(keep)
    sides = dict(zip(former.column("id").tolist(), former.column("split").tolist(), strict=True))
    known = [sides.get(name, "") for name in manifest.column("id").tolist()]
    if not any(known):
        raise InvalidArgumentError(
            f"--keep {keep} has a side for none of the samples; expected a manifest with the same ids, divided by "
            "fgbgnet split"
        )
    return known


def _show(divided: "Split[PairedFgBgDataset]") -> None:
    """Prints what was divided, what stands on each side, and what stands on several."""
    print(divided.summary())
    print(f"{'side':<12}{'samples':>10}{'backgrounds':>13}{'foregrounds':>13}")
    groups: dict[GroupBy, list[set[str]]] = {"bg": [], "fg": []}
    for name, side in zip(divided.names, divided, strict=True):
        for kind, on_sides in groups.items():
            on_sides.append(set(side.group_ids(kind).tolist()) - {""})
        print(f"{name:<12}{len(side):>10}{len(groups['bg'][-1]):>13}{len(groups['fg'][-1]):>13}")
    for kind, word in (("bg", "backgrounds"), ("fg", "foregrounds")):
        there = set().union(*groups[kind])
        several = sum(sum(group in side for side in groups[kind]) > 1 for group in there)
        if there:
            print(
                f"{several or 'None'} of {len(there)} {word} {'stands' if several == 1 else 'stand'} on several sides."
            )
        else:
            print(f"Which {word} there are is not known ({kind}_id is empty).")


def _some(pairs: list[tuple[str, str]]) -> str:
    """The first few pairs in words."""
    if not pairs:
        return ""
    more = ", ..." if len(pairs) > SHOWN else ""
    return f" ({', '.join(f'{first} and {second}' for first, second in pairs[:SHOWN])}{more})"


def _listed(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _numbers(fractions: str) -> list[float]:
    try:
        return [float(share) for share in _listed(fractions)]
    except ValueError as error:
        raise InvalidArgumentError(f"--fractions is {fractions!r}; expected shares such as 0.7,0.15,0.15") from error


__all__ = ["split"]
