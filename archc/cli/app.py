"""The Typer application, and the options that several commands share."""

from __future__ import annotations

import ast
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.models import CommandFunctionType

from archc.cli.output import print_lines
from archc.diagnostics import UsageError

# In the order in which `archc --help` lists them. Each is a module of its name in `archc.cli.commands`.
COMMANDS = (
    "check", "fmt", "build", "export", "lift", "eject", "verify", "summary", "diff", "view", "schema", "list", "explain"
)  # fmt: skip


Misuse = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[1])
"""Click's UsageError, of the click that typer has: arguments that no command takes."""


class _InOrder(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(self.commands, key=COMMANDS.index)


class _OneMeaning(TyperCommand):
    """A command that refuses an option that is given twice, where click would keep the last value."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _, _, given = self.make_parser(ctx).parse_args(args=list(args))
        for option in given:
            repeatable = getattr(option, "multiple", False) or option.nargs < 0
            says_one_thing = getattr(option, "is_flag", False) and not option.secondary_opts
            if given.count(option) > 1 and not repeatable and not says_one_thing:
                name = " or ".join((option.opts[-1], *option.secondary_opts))
                raise UsageError(f"{name} is given twice", code="bad-option", help="keep the one that is meant")
        return super().parse_args(ctx, args)


class _App(typer.Typer):
    def __init__(self) -> None:
        super().__init__(
            cls=_InOrder,
            help="Compiles YAML descriptions of vision networks into PyTorch modules and verified ONNX files.",
            rich_markup_mode=None,
            pretty_exceptions_enable=False,
            no_args_is_help=True,
            context_settings={"help_option_names": ["-h", "--help"]},
        )
        self.callback()(_root)

    def command(self, name: str | None = None, **settings: Any) -> Callable[[CommandFunctionType], CommandFunctionType]:
        return super().command(name, cls=_OneMeaning, **settings)


def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        from archc.version import VERSION

        print_lines(f"archc {VERSION}")
        raise typer.Exit


app = _App()


def listing() -> typer.Typer:
    """An application that can only list the commands: their modules, which import more, stay unread as programs."""
    listed = _App()
    for name in COMMANDS:
        listed.command(name, help=_summary(name))(lambda: None)
    return listed


def _summary(command: str) -> str:
    """The help of a command: the docstring of the function that its module registers."""
    source = (Path(__file__).parent / "commands" / f"{command}.py").read_text(encoding="utf-8")
    functions = (node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef))
    return next(ast.get_docstring(function) or "" for function in functions if function.decorator_list)


class Format(StrEnum):
    """How a command prints its result."""

    text = "text"
    json = "json"


TargetArgument = Annotated[str, typer.Argument(help="A spec's file, a build's folder, or the name of a bundled spec.")]
WeightsOption = Annotated[
    Path | None, typer.Option("--weights", help="Weights: .safetensors, or .pt / .pth (tensors only).")
]
SeedOption = Annotated[int | None, typer.Option("--seed", min=0, help="Seed of the initial weights. [default: 0]")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Set a parameter of the spec; repeatable."),
]
IgnoreOption = Annotated[
    list[str] | None,
    typer.Option(
        "--ignore", metavar="GLOB", help="Skip these keys of the weights; parameters of this name are initialised."
    ),
]
RenameOption = Annotated[
    list[str] | None,
    typer.Option("--rename", metavar="REGEX=TEXT", help="Rename keys of the weights, such as '^backbone[.]='."),
]
OutputsOption = Annotated[
    str | None,
    typer.Option(
        "--outputs", metavar="PATHS", help="Cut the network: these module paths or marks are its outputs (a,b)."
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="DIR", help="The build's folder. [default: build/NAME]"),
]
FormatOption = Annotated[Format, typer.Option("--format", help="How to print the result.")]


def examples(*lines: str) -> str:
    """The end of a command's help."""
    # A backspace alone on a line keeps click from joining the lines that follow.
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
