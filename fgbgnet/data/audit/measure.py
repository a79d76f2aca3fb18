"""Measures samples, one after the other."""

from collections import OrderedDict
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import cv2
import numpy as np

from fgbgnet.data.arrays import BoolArray, ByteArray, FloatArray
from fgbgnet.data.assemble import DepthDeclaration
from fgbgnet.data.audit.backgrounds import BackgroundPool, shift_between, shifted
from fgbgnet.data.audit.change import Change, Exposure, find_change, match_exposure
from fgbgnet.data.audit.depth_signals import Contour, depth_thumbs, has_frame, nearer_below, spread_out
from fgbgnet.data.audit.facts import (
    GOOD_SUPPORT,
    LEAST_RESIDUAL,
    BackgroundFacts,
    DepthFacts,
    MaskFacts,
    Measurement,
    is_doubtful,
    judge_background,
    moves_background,
)
from fgbgnet.data.audit.findings import Edit
from fgbgnet.data.audit.mask_signals import (
    SOLID,
    Fit,
    best_shift,
    dither_share,
    edited,
    fit_of,
    grey_share,
    largest_piece,
    moved,
)
from fgbgnet.data.audit.reading import File, Layer, read_depth_layer, read_mask_layer, read_picture, read_valid_layer
from fgbgnet.data.audit.views import small_depth, small_mask, small_picture, working_size
from fgbgnet.data.layers import same_aspect
from fgbgnet.data.manifest import Manifest
from fgbgnet.data.manifest_checks import DECLARATION, LAYERS
from fgbgnet.data.similar import THUMBNAIL, thumbnail

EDITS: tuple[Edit, ...] = ("mirror", "flip", "turn")

_REFERENCES = 4  # depth maps of others with which one's own is compared
_LEAST_FOREGROUND = 0.2  # of the pixels: a mask that leaves fewer says nothing about what is beside it


class Measurer:
    """Measures the samples of a manifest.

    Args:
        manifest: The table.
        pool: Its backgrounds.
        references: A few depth maps of the manifest by row, in shares of their range, of any size.
    """

    def __init__(self, manifest: Manifest, pool: BackgroundPool, references: Mapping[int, FloatArray]) -> None:
        self.manifest = manifest
        self.pool = pool
        self.references = references
        self._recent: OrderedDict[str, tuple[ByteArray | None, File]] = OrderedDict()

    def __call__(self, row: int) -> Measurement:
        """Measures one sample."""
        cells = {name: self.manifest.value(name, row) for name in (*LAYERS, *DECLARATION)}
        layers = Layer()
        layers.background, layers.files["bg"] = self._background(cells["bg"])
        layers.frame, layers.files["fg_bg"] = read_picture(self.manifest, cells["fg_bg"])
        read_mask_layer(self.manifest, cells["mask"], layers)
        if cells["mask_valid"]:
            read_valid_layer(self.manifest, cells["mask_valid"], layers)
        if cells["depth"]:
            read_depth_layer(self.manifest, cells["depth"], DepthDeclaration.from_row(cells), layers)
        result = _file_facts(row, layers)
        if layers.frame is None:
            return result
        size = working_size(layers.frame.shape)
        mask = None if layers.mask is None or "mask" in result.misshapen else small_mask(layers.mask, size)
        if layers.mask is not None or layers.mask_problem:
            result.mask = _raw_mask_facts(layers, mask)
        change = None
        if layers.background is not None and "bg" not in result.misshapen:
            result.background, change = self._compare(cells["bg"], layers.frame, layers.background, size, mask)
        if change is not None and mask is not None and result.mask is not None:
            known = np.ones(size, np.bool_)
            if layers.mask_valid is not None and "mask_valid" not in result.misshapen:
                known = small_mask(layers.mask_valid, size)
            change = change.within(known)
            _fit_mask(result.mask, mask & known, change)
        if change is not None and result.background is not None:
            result.background.differs = largest_piece(change.solid > SOLID) / change.solid.size
        if layers.depth_levels is not None or layers.depth_colour:
            result.depth = self._depth_facts(row, layers, mask, size, "depth" in result.misshapen)
        return result

    def _background(self, path: str) -> tuple[ByteArray | None, File]:
        """A background; the last few are kept, since rows of one come together."""
        if path in self._recent:
            self._recent.move_to_end(path)
        else:
            self._recent[path] = read_picture(self.manifest, path)
            if len(self._recent) > 8:
                self._recent.popitem(last=False)
        return self._recent[path]

    def _compare(
        self, path: str, frame: ByteArray, background: ByteArray, size: tuple[int, int], mask: BoolArray | None
    ) -> tuple[BackgroundFacts, Change | None]:
        """Facts, and the change between a frame and its background, or the one that is proven to be right."""
        thumb, beside = _floats(thumbnail(frame)), None if mask is None else _beside(mask)
        facts = BackgroundFacts(self.pool.match(path, _floats(thumbnail(background)), thumb, beside))
        small = small_picture(frame, size)
        right = self._right_background(facts, small_picture(background, size), small, mask)
        if right is None:
            return facts, None
        scale = frame.shape[1] / size[1]
        facts.columns, facts.rows = facts.columns * scale, facts.rows * scale
        exposure = _exposure(thumb, _floats(thumbnail(right)), beside)
        return facts, find_change(small, right, exposure.gain[0], exposure.offset[0])

    def _right_background(
        self, facts: BackgroundFacts, own: ByteArray, frame: ByteArray, mask: BoolArray | None
    ) -> ByteArray | None:
        """The background that lies on the frame, at its size; None if there is none."""
        match = facts.match
        if match.own > LEAST_RESIDUAL:
            facts.columns, facts.rows, facts.left_after_shift = shift_between(frame, own, mask)
            if moves_background(facts):
                return shifted(own, facts.columns, facts.rows)
        verdict = judge_background(match)
        if verdict == "other":
            picture, _ = self._background(match.other_path)
            if picture is None:
                return None
            own = small_picture(picture, frame.shape[:2])
        if verdict == "mirrored" or (verdict == "other" and match.other_is_mirrored):
            own = edited(own, "mirror")
        return None if verdict == "none" or (verdict == "own" and is_doubtful(match)) else own

    def _depth_facts(
        self, row: int, layers: Layer, mask: BoolArray | None, size: tuple[int, int], misshapen: bool
    ) -> DepthFacts:
        facts = DepthFacts(coloured=layers.depth_colour)
        levels = layers.depth_levels
        if levels is not None:
            facts.framed = has_frame(levels)
        if layers.depth is None or layers.depth_valid is None or misshapen:
            return facts
        values = layers.depth[layers.depth_valid]
        facts.constant = bool(values.size) and float(np.ptp(values)) == 0
        facts.in_unit_range = bool(values.size) and float(values.min()) >= 0 and float(values.max()) <= 1
        depth, valid = small_depth(layers.depth, layers.depth_valid, size)
        spread = spread_out(depth, valid)
        if spread is None or facts.constant:
            return facts
        hidden = np.zeros(size, np.bool_) if mask is None else mask
        facts.below = nearer_below(spread, valid & ~hidden)
        facts.thumbs = depth_thumbs(spread, valid, hidden)
        if mask is not None:
            facts.covered = float(mask.mean())
            contour = Contour(mask)
            facts.steps = contour.steps(spread, valid)
            chosen = [number for number in self.references if number != row]
            start = row % max(1, len(chosen))
            chosen = (chosen[start:] + chosen[:start])[:_REFERENCES]
            facts.others = tuple(self._steps_of_another(number, contour, size) for number in chosen)
        return facts

    def _steps_of_another(self, number: int, contour: Contour, size: tuple[int, int]) -> float:
        depth: Any = self.references[number]
        if depth.shape != size:
            depth = cv2.resize(depth, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        return contour.steps(depth, np.ones(size, np.bool_)).height


def _exposure(frame: FloatArray, background: FloatArray, beside: BoolArray | None) -> Exposure:
    everywhere = match_exposure(frame, background[None])
    if beside is None or beside.mean() < _LEAST_FOREGROUND:
        return everywhere
    apart = match_exposure(frame, background[None], beside)
    return apart if apart.residual[0] < 0.7 * everywhere.residual[0] else everywhere


def _floats(thumb: ByteArray) -> FloatArray:
    return thumb.reshape(-1, 3).astype(np.float32)


def _beside(mask: BoolArray) -> BoolArray:
    share = np.asarray(cv2.resize(mask.astype(np.float32), (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA))
    return (share < 0.1).ravel()


def _file_facts(row: int, layers: Layer) -> Measurement:
    result = Measurement(row)
    pictures = {
        "bg": layers.background,
        "fg_bg": layers.frame,
        "mask": layers.mask,
        "mask_valid": layers.mask_valid,
        "depth": layers.depth_levels,
    }
    result.sizes = {name: (p.shape[0], p.shape[1]) for name, p in pictures.items() if p is not None}
    result.modes = {name: file.mode for name, file in layers.files.items() if file.mode}
    result.rotated = tuple(name for name, file in layers.files.items() if file.rotated)
    result.digest = blake2b(layers.files["fg_bg"].content, digest_size=16).digest()
    result.problems = {
        name: File(mode=file.mode, problem=file.problem, missing=file.missing)
        for name, file in layers.files.items()
        if file.problem
    }
    frame = result.sizes.get("fg_bg")
    if frame is not None:
        result.misshapen = tuple(name for name, size in result.sizes.items() if not same_aspect(size, frame))
    return result


def _raw_mask_facts(layers: Layer, mask: BoolArray | None) -> MaskFacts:
    facts = MaskFacts(problem=layers.mask_problem)
    if layers.mask_levels is not None:
        facts.grey = grey_share(layers.mask_levels)
    if layers.mask is not None:
        facts.area = float(layers.mask.mean())
        facts.dithered = dither_share(layers.mask)
    if mask is not None:
        facts.pixels = int(mask.sum())
    return facts


def _fit_mask(facts: MaskFacts, mask: BoolArray, change: Change) -> None:
    facts.fit = fit_of(mask, change)
    if mask.any() and not mask.all():
        facts.amount_inside = float(change.amount[mask].mean())
        facts.amount_outside = float(change.amount[~mask].mean())
    if facts.fit.support >= GOOD_SUPPORT or not facts.pixels:
        return
    facts.inverted = fit_of(~mask, change)
    fits = {edit: fit_of(edited(mask, edit), change) for edit in EDITS}
    best = max(fits, key=lambda edit: np.nan_to_num(fits[edit].support, nan=-1.0))
    if _clearly_better(fits[best], facts.fit):
        facts.better = best
        return
    rows, columns = best_shift(mask, change)
    if (rows, columns) != (0, 0) and _clearly_better(fit_of(moved(mask, rows, columns), change), facts.fit):
        facts.better_shift = (rows, columns)


def _clearly_better(fit: Fit, than: Fit) -> bool:
    return (
        fit.support >= GOOD_SUPPORT
        and fit.support > np.nan_to_num(than.support, nan=0.0) + 0.25
        and min(fit.precision, fit.recall) > 0.5
    )


__all__ = ["EDITS", "Measurer"]
