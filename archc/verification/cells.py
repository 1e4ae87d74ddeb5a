"""Cuts an output into the parts that are judged: each image's channels of one scale.

One number for a whole output would hide a wrong part: boxes in pixels the scores beside them, a bright image a dark
one. A cell may be as far off as PyTorch's float32 run is for these channels, or for the output, in other images, since
its own error is a sample of a few values. It may also be off by a rounding of the largest values beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from archc.verification.rounding import FACTOR, FLOOR, ROUNDING, rms
from archc.weights import Array

NOTHING = 1e-4  # of the outputs of all images
SCALE = 100.0  # channels of one group differ in size by less


@dataclass(frozen=True)
class Cells:
    """The channels of one scale, image by image: arrays [N] of the artefact's error, PyTorch's own, bound and size.

    `where` names the channels; empty for all of an output.
    """

    error: Array
    own: Array
    bound: Array
    size: Array
    where: str

    @property
    def excess(self) -> Array:
        """The error in units of the bound."""
        ratio: Array = np.where(self.error == 0, 0, self.error / self.bound)
        return np.where(np.isnan(ratio), np.inf, ratio)


def cells(a: Array, e: Array, t: Array, share: float) -> list[Cells]:
    """Every cell of an output [N, …]; a table of rows and columns [N, R, C] is cut both ways.

    `a` is the artefact's, `e` in float64, `t` PyTorch's in float32; `share` is the error of t as a share of e.
    """
    axes = {1: (0,), 3: (1, 2)}.get(e.ndim, (1,))
    return [part for axis in axes for part in _along(axis, a, e, t, share)]


def _along(axis: int, a: Array, e: Array, t: Array, share: float) -> Iterator[Cells]:
    errors, owns, sizes = (_by_channel(x, axis) for x in (a - e, t - e, e))
    images = np.sqrt(sizes.mean(axis=1))
    # An image that gives next to nothing, such as all that a ReLU cuts, has no scale of its own.
    images = np.where(images < NOTHING * rms(images), rms(images), images)
    for group in _groups(sizes):
        error, own, size = (np.sqrt(x[:, group].mean(axis=1)) for x in (errors, owns, sizes))
        # A value may be small by chance, as a sum of large terms: its size is that of its channels in other images.
        usual = _typical(size / images) * images
        own = np.maximum(own, np.maximum(_typical(own / images) * images, share * usual))
        bound = FACTOR * own + FLOOR * usual + 2 * ROUNDING * images
        where = "" if group.size == sizes.shape[1] else f"the {_noun(axis, e.ndim)} {_ranges(group)}"
        yield Cells(error, own, bound, usual, where)


def _typical(shares: Array) -> float:
    """The root mean square of what the images have in common; an image of zeros has nothing."""
    return float(np.sqrt(np.nanmean(np.square(shares)))) if np.isfinite(shares).any() else 0.0


def _by_channel(x: Array, axis: int) -> Array:
    """Mean squares [N, channels]."""
    channels = x.reshape(len(x), 1, -1) if axis == 0 else np.moveaxis(x, axis, 1).reshape(len(x), x.shape[axis], -1)
    squares: Array = np.square(channels).mean(axis=-1)
    return squares


def _groups(sizes: Array) -> list[Array]:
    """Indices of the channels of each scale; `sizes` [N, channels] are mean squares."""
    share = sizes / np.maximum(sizes.max(axis=1, keepdims=True), 1e-300)
    scales = np.floor(np.log(np.maximum(share.mean(axis=0), 1e-300)) / (2 * np.log(SCALE)) + 0.5)
    return [np.flatnonzero(scales == scale) for scale in np.unique(scales)]


def _noun(axis: int, ndim: int) -> str:
    """What the indices along an axis of an output number."""
    return "channels" if ndim > 3 else "columns" if axis == ndim - 1 else "rows"


def _ranges(group: Array) -> str:
    """`0-3, 7` for the indices 0, 1, 2, 3 and 7; only the first few."""
    runs = np.split(group, np.flatnonzero(np.diff(group) > 1) + 1)
    named = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs[:3]]
    return ", ".join(named) + (", …" if len(runs) > 3 else "")


def which_are_wrong(found: Sequence[Cells], parts: Sequence[Array], kinds: Sequence[str]) -> str:
    """Which channels are wrong, and for which images or at which batches; empty where all are.

    `parts` numbers the images of each batch, and `kinds` names the images.
    """
    wrong = dict.fromkeys(each.where for each in found if each.where and (each.excess > 1).any())
    some = len(wrong) < sum(bool(each.where) for each in found)
    return (f" in {' and '.join(wrong)}" if wrong and some else "") + _which_images(found, parts, kinds)


def _which_images(found: Sequence[Cells], parts: Sequence[Array], kinds: Sequence[str]) -> str:
    wrong = wrong_images(found, parts)
    images = set[int]().union(*wrong)
    if any(each != images & set(part.tolist()) for each, part in zip(wrong, parts, strict=True)):
        at = dict.fromkeys(len(part) for each, part in zip(wrong, parts, strict=True) if each)
        return f" at batch {', '.join(map(str, at))}"
    if images == set(np.concatenate(parts).tolist()):
        return ""
    return f" for the images {', '.join(kinds[image] if kinds else str(image) for image in sorted(images))}"


def wrong_images(found: Sequence[Cells], parts: Sequence[Array]) -> list[set[int]]:
    """The images of each part that are wrong."""
    wrong = np.logical_or.reduce([each.excess > 1 for each in found])
    ends = np.cumsum([len(part) for part in parts])
    return [set(part[wrong[end - len(part) : end]].tolist()) for part, end in zip(parts, ends, strict=True)]
