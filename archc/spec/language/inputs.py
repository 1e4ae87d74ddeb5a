"""What a network takes: an image, a signal, a volume or a vector, each a form with keys of its own."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from archc.diagnostics import SpecError, nearest
from archc.spec.language.validation import validate
from archc.spec.tree import Mapping, Tree

Size = Annotated[int, Field(gt=0, lt=2**31)]


class Range(BaseModel):
    """A dynamic size: what it can be at least, usually is, and can be at most."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    min: Size
    opt: Size
    max: Size

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if not self.min <= self.opt <= self.max:
            raise ValueError(f"min (={self.min}), opt (={self.opt}) and max (={self.max}) must be in this order")
        return self


def _kind(value: object) -> str:
    return "Range" if isinstance(value, dict | Range) else "int"


# The kind is chosen by what was written, so that a mistake is told once.
SizeOrRange = Annotated[Annotated[Size, Tag("int")] | Annotated[Range, Tag("Range")], Discriminator(_kind)]


class Input(BaseModel):
    """What the network takes; lengths are in pixels or samples. A Range makes a size dynamic. The batch always is."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    if TYPE_CHECKING:  # the last field of each form
        batch: Range | None

    def sizes(self) -> MappingType[str, int | Range]:
        """The size of each axis after the batch, by its name."""
        return {name: getattr(self, name) for name in type(self).model_fields if name != "batch"}


class Image(Input):
    """Shape [N, C, H, W]."""

    channels: Size
    height: SizeOrRange
    width: SizeOrRange
    batch: Range | None = None


class Signal(Input):
    """Shape [N, C, L]."""

    channels: Size
    length: SizeOrRange
    batch: Range | None = None


class Volume(Input):
    """Shape [N, C, D, H, W]."""

    channels: Size
    depth: SizeOrRange
    height: SizeOrRange
    width: SizeOrRange
    batch: Range | None = None


class Vector(Input):
    """Shape [N, F]."""

    features: Size
    batch: Range | None = None


FORMS: tuple[type[Input], ...] = (Image, Signal, Volume, Vector)
HELP = "it is {channels, height, width}, {channels, length}, {channels, depth, height, width} or {features}"
UNKNOWN_INPUT = Image(channels=1, height=1, width=1)
"""Stands for an input that is wrong."""


def parse_input(tree: Tree) -> Input:
    """The input of a spec. Raises SpecError."""
    return validate(_form(tree) if isinstance(tree, Mapping) else Image, tree, "input")


def _form(tree: Mapping) -> type[Input]:
    """The form that has all keys, as they are meant, and lacks the fewest. Raises SpecError: there is none."""
    known = dict.fromkeys(key for form in FORMS for key in form.model_fields)
    meant = {key if key in known else nearest(key, known) for key in tree.entries} - {None, "batch"}
    forms = [form for form in FORMS if meant <= form.model_fields.keys()]
    if not forms:
        mixed = ", ".join(key for key in tree.entries if key in meant)
        raise SpecError(f"input mixes keys of several forms: {mixed}", code="several-keys", span=tree.span, help=HELP)
    if meant - {"channels"}:
        return min(forms, key=lambda form: len(form.model_fields.keys() - meant))
    if tree.entries.keys() <= known.keys() and not tree.lacks_keys:
        raise SpecError("input needs its sizes", code="missing-key", span=tree.span, help=HELP)
    return Image
