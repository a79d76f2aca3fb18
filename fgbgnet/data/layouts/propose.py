"""Which layout a data set has: by names, and where several fit the names, by the pictures."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fgbgnet.data.layouts.catalogue import LAYOUTS
from fgbgnet.data.layouts.evidence import Evidence, Residual
from fgbgnet.data.layouts.index import index_tree
from fgbgnet.data.layouts.layout import Layout
from fgbgnet.data.layouts.matching import Missing
from fgbgnet.data.layouts.options import command_options
from fgbgnet.data.layouts.shapes import frames_left_out, shape_layouts
from fgbgnet.data.layouts.tree import Tree
from fgbgnet.data.layouts.trials import MIN_COVERAGE, PARTNERS, Candidate, Finder, spread, try_layout
from fgbgnet.data.layouts.values import Indices, to_strings
from fgbgnet.data.manifest import Manifest
from fgbgnet.errors import ManifestError, MissingFileError
from fgbgnet.types import PathInput

MAX_RESIDUAL = 12.0
"""Grey levels above which a frame and its background do not show the same place."""

_LOOKED_AT = 12  # frames whose pictures are opened at first
_THINNED = 2000  # frames for which layouts without a name are tried
_SHOWN = 5


class Pair(NamedTuple):
    """A frame, its background, and how far they are from each other."""

    fg_bg: str
    bg: str
    residual: Residual


@dataclass(frozen=True)
class Proposal:
    """What `propose_layout` found.

    Attributes:
        layout: The layout.
        manifest: The manifest of the data.
        pairs: Five frames, with their backgrounds and residuals.
        also: Names of further layouts that pair the same files.
        left_out: Pictures that are called like frames, but are none of this layout.
    """

    layout: Layout
    manifest: Manifest
    pairs: list[Pair]
    also: list[str]
    left_out: list[str]

    @property
    def mirrored(self) -> bool:
        """Whether backgrounds fit better when they are mirrored."""
        worse = [pair.residual.mirrored < pair.residual.plain / 2 for pair in self.pairs]
        return sum(worse) > len(worse) / 2

    def summary(self) -> str:
        """The proposal as lines of text."""
        lines = [f"layout {self.layout.name}: {self.layout.meaning}", f"To repeat it: {command_options(self.layout)}"]
        if self.also:
            lines.append(f"The same pairs come from: {', '.join(self.also)}")
        lines.append("Residual: median difference outside the mask, in grey levels, and with a mirrored background")
        lines += [
            f"  {pair.fg_bg}  <-  {pair.bg}   {pair.residual.plain:.1f}   {pair.residual.mirrored:.1f}"
            for pair in self.pairs
        ]
        if self.layout.note:
            lines.append(f"Mind: {self.layout.note}")
        if self.left_out:
            lines.append(f"Left out: {len(self.left_out)} pictures called like frames, such as {self.left_out[0]}")
        if self.mirrored:
            lines.append("The backgrounds are mirrored with respect to the frames: mend them before you train.")
        return "\n".join(lines)


def propose_layout(root: PathInput, *, missing: Missing = "error", progress: bool = False) -> Proposal:
    """Finds out which layout a data set has.

    Every layout of `list_layouts` is tried on the names, and so are patterns that are read off the names themselves.
    Those stay that give nearly all frames their partners. Then a few pictures decide: outside the mask, a frame and
    its background must be the same.

    Args:
        root: Folder or zip archive of the data.
        missing: ``"drop"`` leaves out frames without a partner, and logs how many.
        progress: Whether long listings show their progress on a terminal.

    Raises:
        ManifestError: If no layout fits, none of those that fit the names fits the pictures, or two that give
            different pairs both do; the message says how to choose.
        MissingFileError: If frames of the layout lack a partner.
        PictureError: If a picture cannot be read.

    >>> import pathlib, tempfile
    >>> from PIL import Image
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name, grey in (("bg/bg_1", 9), ("bg/bg_2", 99), ("fg_bg/fg_bg_9", 9), ("fg_bg/fg_bg_4001", 99),
    ...                    ("mask/fg_bg_mask_9", 0), ("mask/fg_bg_mask_4001", 0)):
    ...     (folder / name).parent.mkdir(exist_ok=True)
    ...     Image.new("L", (8, 8), grey).save(folder / f"{name}.jpg")
    >>> propose_layout(folder).layout.name
    'F'
    """
    with Tree(root, progress) as tree:
        return _propose(tree, missing)


def _propose(tree: Tree, missing: Missing) -> Proposal:
    if not tree.is_folder(""):
        raise MissingFileError(f"no folder or zip archive at {tree.root}; give the one that holds the data")
    finder = Finder(tree)
    candidates = _by_names(finder)
    if not candidates:
        tree.refuse_foreign()
        raise ManifestError(
            f"no layout fits the names below {tree.root}; say which files belong together with patterns "
            "(match_patterns, or --bg, --fg_bg, --mask), or with a table (read_table, or --table)"
        )
    evidence = Evidence(tree)
    fitting = _by_pictures(candidates, evidence)
    if not all(candidate.whole for candidate in fitting):
        everything = [c if c.whole else try_layout(finder, c.layout, None) for c in fitting]
        fitting = _by_pictures([c for c in everything if c is not None], evidence)
    chosen = fitting[0]
    manifest = index_tree(tree, chosen.layout, missing)
    left_out = [] if chosen.layout.table else _left_out(tree, chosen.layout, manifest)
    rows = spread(len(manifest), _SHOWN)
    columns = [manifest.column(name)[rows].tolist() for name in ("bg", "fg_bg", "mask")]
    pairs = [Pair(fg_bg, bg, evidence.residual(bg, fg_bg, mask)) for bg, fg_bg, mask in zip(*columns, strict=True)]
    also = [c.layout.name for c in fitting[1:] if c.layout.name in LAYOUTS]
    return Proposal(chosen.layout, manifest, pairs, also, left_out)


def _left_out(tree: Tree, layout: Layout, manifest: Manifest) -> list[str]:
    """Pictures that are called like frames and that a layout passes over; an error where they are many."""
    left_out = frames_left_out(tree, {path for name in ("fg_bg", *PARTNERS) for path in manifest.column(name).tolist()})
    if len(left_out) > max(1, (1 - MIN_COVERAGE) * len(manifest)):
        raise ManifestError(
            f"{command_options(layout)} fits {len(manifest)} frames such as {manifest.column('fg_bg')[0]}, but leaves "
            f"out {len(left_out)} pictures that are called like frames, too, such as {left_out[0]}. Give patterns that "
            "match all of them, start from a folder that holds no others, or, if these frames are all, index with "
            "these options"
        )
    return left_out


def _by_names(finder: Finder) -> list[Candidate]:
    """Layouts that give nearly all frames their partners, each with about as many frames as the best of them."""
    tried = [try_layout(finder, layout, None) for layout in LAYOUTS.values()]
    tried += [try_layout(finder, layout, _THINNED) for layout in shape_layouts(finder.tree)]
    candidates = [candidate for candidate in tried if candidate is not None]
    most = max((candidate.frames for candidate in candidates), default=0)
    return [candidate for candidate in candidates if candidate.frames >= MIN_COVERAGE * most]


def _by_pictures(candidates: list[Candidate], evidence: Evidence) -> list[Candidate]:
    """Layouts whose pairs are alike in pictures; all of them give the same pairs."""
    looked = {str(path) for c in candidates for path in c.files["fg_bg"][spread(len(c), _LOOKED_AT)]}
    while True:
        scores = [_score(candidate, looked, evidence) for candidate in candidates]
        best = min(scores)
        if not best <= MAX_RESIDUAL:
            raise ManifestError(_no_fit(candidates[scores.index(best)], best))
        limit = min(MAX_RESIDUAL, 3 * best + 2)
        candidates = [c for c, score in zip(candidates, scores, strict=True) if score <= limit]
        rivals = ((other, _differing(candidates[0], other)) for other in candidates[1:])
        rival, frames = next(((other, frames) for other, frames in rivals if frames), (None, []))
        if rival is None:
            return candidates
        if set(frames) <= looked:
            raise ManifestError(_ambiguous(candidates[0], rival, frames[0]))
        looked |= set(frames)


def _rows_of(candidate: Candidate, frames: Iterable[str]) -> Indices:
    """Positions of some frames; those that the layout does not have are left out."""
    return np.flatnonzero(np.isin(candidate.files["fg_bg"], to_strings(sorted(frames))))


def _score(candidate: Candidate, frames: set[str], evidence: Evidence) -> float:
    """Mean residual of some frames, backgrounds mirrored or not; a mean, since a rule may be wrong for a part only."""
    rows = _rows_of(candidate, frames)
    triples = zip(*(candidate.files[layer][rows].tolist() for layer in ("bg", "fg_bg", "mask")), strict=True)
    residuals = np.array([evidence.residual(*paths) for paths in triples]).reshape(-1, 2)
    residuals = residuals[np.isfinite(residuals).all(axis=1)]
    return float(residuals.mean(axis=0).min()) if len(residuals) else float("inf")


def _differing(one: Candidate, other: Candidate) -> list[str]:
    """A few frames that two layouts pair with other files."""
    shared = np.isin(one.files["fg_bg"], other.files["fg_bg"])
    left = np.flatnonzero(shared)[np.argsort(one.files["fg_bg"][shared])]
    right = np.flatnonzero(np.isin(other.files["fg_bg"], one.files["fg_bg"]))
    right = right[np.argsort(other.files["fg_bg"][right])]
    different = np.zeros(len(left), dtype=np.bool_)
    for layer in PARTNERS:
        if layer in one.files and layer in other.files:
            different |= one.files[layer][left] != other.files[layer][right]
    rows = left[different]
    return [str(path) for path in one.files["fg_bg"][rows[spread(len(rows), _LOOKED_AT)]]] if len(rows) else []


def _no_fit(candidate: Candidate, residual: float) -> str:
    if residual == float("inf"):
        return (
            f"{command_options(candidate.layout)} fits the names, but the masks leave nothing of the pictures to "
            "compare; correct them, or, if these pairs are meant, index with these options"
        )
    return (
        f"{command_options(candidate.layout)} fits the names, but not the pictures: outside the mask, frames differ "
        f"from their backgrounds by {residual:.0f} of 255 grey levels, where up to {MAX_RESIDUAL:.0f} are "
        "expected. Give the rule for the background; or, if these pairs are meant, index with these options"
    )


def _ambiguous(one: Candidate, other: Candidate, frame: str) -> str:
    pairs = []
    for candidate in (one, other):
        row = int(_rows_of(candidate, [frame])[0])
        partners = [f"{layer} {candidate.files[layer][row]}" for layer in PARTNERS if layer in candidate.files]
        pairs.append(f"{command_options(candidate.layout)} pairs {frame} with {', '.join(partners)}")
    return (
        f"two rules fit the names and the pictures, but give different pairs: {'; '.join(pairs)}. Choose "
        "one of them with these options of fgbgnet index (in Python: index_layout, match_patterns), or give your "
        "own patterns"
    )


__all__ = ["MAX_RESIDUAL", "MIN_COVERAGE", "Pair", "Proposal", "propose_layout"]
