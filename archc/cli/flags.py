"""How the command line spells options: those of exporters as flags, and all of them in messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any

import typer
from pydantic.fields import FieldInfo

from archc.diagnostics import UsageError
from archc.exporting import all_options, exporters

FLAGS = {
    "allow_inconclusive": "--allow-inconclusive",
    "against": "--against",
    "ignore": "--ignore",
    "images": "--images",
    "inputs_seed": "--inputs-seed",
    "output": "-o",
    "outputs": "--outputs",
    "parameters": "--set",
    "rename": "--rename",
    "seed": "--seed",
    "weights": "--weights",
}
"""The options that messages name, by their names in Python. Those of exporters have flags of their own."""


def spelled(name: str, value: str = "") -> str:
    """An option in a message. A flag is enough to say that something is true."""
    flag = FLAGS.get(name) or _flags(name, all_options()[name])[-1]
    return f"{flag} {value}" if value not in ("", "True") else flag


def format_flags() -> list[Parameter]:
    """One flag for each exporter: `--onnx`."""
    return [
        _parameter(name, bool, False, typer.Option(f"--{name}", help=exporter.summary))
        for name, exporter in exporters().items()
    ]


def option_flags() -> list[Parameter]:
    """One flag for each option of an exporter."""
    return [
        _parameter(
            name, field.annotation, field.default, typer.Option("/".join(_flags(name, field)), help=field.description)
        )
        for name, field in all_options().items()
    ]


def expanded(**groups: Sequence[Parameter]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Has a command take these options of the command line in place of one parameter, which gets them by name.

    Raises UsageError: two options have one name.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        written = signature(command, eval_str=True)
        parameters = [each for own in written.parameters.values() for each in groups.get(own.name, [own])]
        counts = Counter(each.name for each in parameters)
        if taken := sorted(name for name, count in counts.items() if count > 1):
            message = f"an exporter of another package has the option '{taken[0]}', which archc has itself"
            raise UsageError(message, code="bad-option", help="its package has to give it another name")

        @wraps(command)
        def run(**given: Any) -> None:
            taken = {group: {each.name: given.pop(each.name) for each in members} for group, members in groups.items()}
            command(**given, **taken)

        run.__signature__ = written.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        return run

    return decorate


def _flags(name: str, field: FieldInfo) -> tuple[str, ...]:
    """`--opset`; `--fold` and `--no-fold` for what is true unless a person says no."""
    extra = field.json_schema_extra
    word = str(extra.get("flag", name) if isinstance(extra, dict) else name).replace("_", "-")
    return (f"--{word}", f"--no-{word}") if field.default is True else (f"--{word}",)


def _parameter(name: str, annotation: Any, default: object, option: Any) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[annotation, option])
