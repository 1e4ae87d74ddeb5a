"""Reads inputs of the user's own, on which an artefact is compared as well."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from archc.diagnostics import MissingDependency, UsageError
from archc.files import open_regular
from archc.ir.graph import Value
from archc.ir.types import SymbolicDim, nominal
from archc.verification.images import Sample
from archc.version import DISTRIBUTION
from archc.weights import Array
from archc.weights.network import Network

MOST_IMAGES = 64
TOGETHER = 8  # images in a batch
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


def given_samples(path: Path, network: Network) -> list[Sample]:
    """The samples that a `.npz` file or a folder holds, by size.

    A `.npz` has an array [N, …] for each input, under its name (any name for the only one). A folder has `.npy` files
    of one image each, as the network takes them, and pictures: those are resized to its usual size, and scaled to
    [0, 1].
    Raises: UsageError: they cannot be read, or do not fit the network; MissingDependency: Pillow, for pictures.
    """
    found = list(_from_folder(path, network) if path.is_dir() else _from_archive(path, network))
    if not found:
        help = f"it may hold .npy files and pictures ({', '.join(PICTURES)})"
        raise UsageError(f"{path} holds no images", code="bad-images", help=help)
    return found


def _from_archive(path: Path, network: Network) -> Iterator[Sample]:
    try:
        with open_regular(path) as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except Exception as error:  # whatever a damaged archive raises
        raise UsageError(f"{path} cannot be read as .npz: {error}", code="bad-images") from None
    values = network.inference.inputs
    if len(values) == 1 == len(arrays):
        arrays = {values[0].name: next(iter(arrays.values()))}
    missing = [value.name for value in values if value.name not in arrays]
    if missing:
        message = f"{path} has no array {missing[0]}, which the network takes"
        raise UsageError(message, code="bad-images", help=f"it has {', '.join(arrays) or 'none'}")
    inputs = tuple(_fitting(arrays[value.name], value, f"{path}, {value.name}") for value in values)
    if len({len(x) for x in inputs}) > 1:
        raise UsageError(f"{path} has arrays of different lengths", code="bad-images")
    _refuse_other_sizes(inputs, values, path)
    names = tuple(str(index) for index in range(min(len(inputs[0]), MOST_IMAGES)))
    if names:
        yield _sample(tuple(x[:MOST_IMAGES] for x in inputs), names, path)


def _refuse_other_sizes(inputs: Sequence[Array], values: Sequence[Value], path: Path) -> None:
    """Raise UsageError if axes with one symbol have several sizes."""
    found: dict[str, tuple[str, int]] = {}
    for x, value in zip(inputs, values, strict=True):
        for size, dim in zip(x.shape[1:], value.type.shape[1:], strict=True):
            if isinstance(dim, SymbolicDim):
                name, other = found.setdefault(dim.symbol, (value.name, size))
                if size != other:
                    sizes = f"{other} for {name} and {size} for {value.name}"
                    message = f"{path} has the {dim.symbol} {sizes}, which are equal in the network"
                    raise UsageError(message, code="bad-images")


def _from_folder(path: Path, network: Network) -> Iterator[Sample]:
    value, *others = network.inference.inputs
    if others:
        message = f"a folder holds images for one input, and the network has {len(others) + 1}: {path}"
        names = ", ".join(each.name for each in (value, *others))
        raise UsageError(message, code="bad-images", help=f"give a .npz file with the arrays {names}")
    files = [each for each in sorted(path.iterdir()) if each.suffix.lower() in (".npy", *PICTURES)][:MOST_IMAGES]
    by_shape: dict[tuple[int, ...], dict[str, Array]] = {}
    for file in files:
        read: Callable[[Path, Value], Array] = _array if file.suffix.lower() == ".npy" else _picture
        image = _fitting(read(file, value)[None], value, str(file))[0]
        by_shape.setdefault(image.shape, {})[file.name] = image
    for images in by_shape.values():
        yield _sample((np.stack(list(images.values())),), tuple(images), path)


def _array(file: Path, value: Value) -> Array:
    try:
        with open_regular(file) as opened:
            image: Array = np.load(opened, allow_pickle=False)
    except Exception as error:  # whatever a damaged file raises
        raise UsageError(f"{file} cannot be read as .npy: {error}", code="bad-images") from None
    return image


def _picture(file: Path, value: Value) -> Array:
    """A picture [C, H, W] from 0 to 1."""
    try:
        from PIL import Image
    except ImportError:
        help = f"pip install '{DISTRIBUTION}[images]', or save arrays as .npy"
        raise MissingDependency(
            "Pillow, which reads pictures, is not installed", code="missing-dependency", help=help
        ) from None
    if value.type.ndim != 4:
        message = f"{file} is a picture, and the network takes {value.type}"
        raise UsageError(message, code="bad-images", help="save arrays as .npy")
    channels, height, width = (nominal(dim) for dim in value.type.shape[1:])
    try:
        with open_regular(file) as opened, Image.open(opened) as picture:
            pixels = picture.convert("L" if channels == 1 else "RGB").resize((width, height))
    except Exception as error:  # whatever a damaged picture raises
        raise UsageError(f"{file} cannot be read as a picture: {error}", code="bad-images") from None
    return np.asarray(pixels, np.float32).reshape(height, width, -1).transpose(2, 0, 1) / np.float32(255)


def _fitting(x: Array, value: Value, where: str) -> Array:
    """The array in float32. Raises UsageError: its type or shape is not one that the network takes."""
    shape = value.type.shape
    if x.dtype.kind != "f":
        message = f"{where} is of type {x.dtype}; the network takes numbers as they are after preprocessing"
        raise UsageError(message, code="bad-images", help="save it as float32")
    fits = x.ndim == len(shape) and all(
        dim.takes(size) if isinstance(dim, SymbolicDim) else size == dim
        for size, dim in zip(x.shape[1:], shape[1:], strict=True)
    )
    if not fits:
        wanted = ", ".join(map(str, shape))
        raise UsageError(f"{where} has the shape {list(x.shape)}, and the network takes [{wanted}]", code="bad-images")
    return np.ascontiguousarray(x, np.float32)


def _sample(inputs: tuple[Array, ...], names: tuple[str, ...], path: Path) -> Sample:
    size = "x".join(map(str, inputs[0].shape[2:]))
    return Sample(inputs, (min(len(names), TOGETHER),), names, f" on {path.name} {size}".rstrip(), fixed=True)
