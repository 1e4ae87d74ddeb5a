"""What a network takes: an image, a signal, a volume or a vector; one without a name, or several by name."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from archc.diagnostics import Span, SpecError, nearest
from archc.spec.language.names import is_input_name
from archc.spec.language.reports import Refused, Reports
from archc.spec.language.validation import validate
from archc.spec.tree import Entry, Mapping, Tree, Unreadable

ONLY = "input"
"""The name of an input that a spec gives none."""

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


class SizeRange(Range):
    """A dynamic height, width, depth or length: a multiple of a number, so that it can be halved and doubled."""

    multiple_of: Size = 1

    @model_validator(mode="after")
    def _multiples(self) -> SizeRange:
        for name, size in (("min", self.min), ("opt", self.opt), ("max", self.max)):
            if size % self.multiple_of:
                raise ValueError(f"{name} (={size}) must be a multiple of multiple_of (={self.multiple_of})")
        return self


def _kind(value: object) -> str:
    return "Range" if isinstance(value, dict | Range) else "int"


# The kind is chosen by what was written, so that a mistake is told once.
SizeOrRange = Annotated[Annotated[Size, Tag("int")] | Annotated[SizeRange, Tag("Range")], Discriminator(_kind)]


class Input(BaseModel):
    """What the network takes; lengths are in pixels or samples. A Range makes a size dynamic. The batch always is."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    if TYPE_CHECKING:  # the last field of each form
        batch: Range | None

    def sizes(self) -> MappingType[str, int | SizeRange]:
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
SUBSTITUTE = Image(channels=1, height=1, width=1)
"""Stands for an input that is wrong."""


class Inputs(NamedTuple):
    """The inputs by name, the first one first, and where each stands. `whole` tells that none is a substitute."""

    models: dict[str, Input]
    spans: dict[str, Span]
    whole: bool = True


def read_inputs(document: Mapping, head: Span, reports: Reports) -> Inputs:
    """What a spec says under `input` or `inputs`; what is wrong goes to `reports`. `head` stands for the document."""
    single, several = document.entries.get("input"), document.entries.get("inputs")
    try:
        if single and several:
            reports.refuse("several-keys", "a spec has 'input' or 'inputs', not both", several.key.span)
        if several:
            return _several(several, reports)
        if single:
            model = _input(single.value, "input", reports)
            return Inputs({ONLY: model}, {ONLY: single.value.span}, whole=_is_whole(single.value))
        help = "such as input: {channels: 3, height: 224, width: 224}"
        reports.refuse("missing-key", "a spec needs the key 'input'", head, help)
    except Refused:
        return Inputs({ONLY: SUBSTITUTE}, {ONLY: head}, whole=False)


def _several(entry: Entry, reports: Reports) -> Inputs:
    """The inputs under `inputs`. Raises Refused: there are none."""
    tree = entry.value
    if not isinstance(tree, Mapping) or not (tree.entries or tree.lost):
        help = "such as inputs: {image: {channels: 3, height: 224, width: 224}}"
        reports.refuse("wrong-kind", "'inputs' maps names to inputs", tree, help)
    found, whole = Inputs({}, {}), not tree.lost
    for name, each in tree.entries.items():
        try:
            if not is_input_name(name):
                help = "it has letters, digits and '_', begins with a letter, and is no word of Python or of its code"
                reports.refuse("bad-name", f"'{name}' cannot be the name of an input", each.key.span, help)
            found.models[name] = _input(each.value, f"inputs.{name}", reports)
        except Refused:
            found.models[name], whole = SUBSTITUTE, False
        found.spans[name] = each.key.span
        whole = whole and _is_whole(each.value)
    if not found.models:  # they could not be read
        raise Refused
    _check_batches(tree, found, reports)
    return found._replace(whole=whole)


def _input(tree: Tree, what: str, reports: Reports) -> Input:
    """One input. Raises Refused: it is wrong."""
    try:
        return validate(_form(tree, what) if isinstance(tree, Mapping) else Image, tree, what)
    except SpecError as error:
        if not isinstance(tree, Unreadable):
            reports.add(*error.diagnostics)
        raise Refused from None


def _check_batches(tree: Mapping, inputs: Inputs, reports: Reports) -> None:
    """Report a range of the batch that differs from an earlier input's."""
    given = {name: model.batch for name, model in inputs.models.items() if model.batch}
    first = next(iter(given), "")
    for name, batch in given.items():
        value = tree.entries[name].value
        if batch != given[first] and isinstance(value, Mapping):
            message = f"the batch is one for all inputs, and {first} has another range"
            reports.report("invalid-value", message, value.entries["batch"].value)


def _is_whole(tree: Tree) -> bool:
    return not (isinstance(tree, Mapping) and tree.lost)


def _form(tree: Mapping, what: str) -> type[Input]:
    """The form that has all keys, as they are meant, and lacks the fewest. Raises SpecError: there is none."""
    known = dict.fromkeys(key for form in FORMS for key in form.model_fields)
    meant = {key if key in known else nearest(key, known) for key in tree.entries} - {None, "batch"}
    forms = [form for form in FORMS if meant <= form.model_fields.keys()]
    if not forms:
        mixed = ", ".join(key for key in tree.entries if key in meant)
        raise SpecError(f"{what} mixes keys of several forms: {mixed}", code="several-keys", span=tree.span, help=HELP)
    if meant - {"channels"}:
        return min(forms, key=lambda form: len(form.model_fields.keys() - meant))
    if tree.entries.keys() <= known.keys() and not tree.lacks_keys:
        raise SpecError(f"{what} needs its sizes", code="missing-key", span=tree.span, help=HELP)
    return Image
