"""What is wrong with a person's input, where it stands, and how it is shown.

Every complaint is a `Diagnostic` with a stable code and a `Span`; `ArchcError` carries one or more of them
and knows the exit status of the command line. Nothing here knows about YAML, graphs or weights.
"""

from archc.diagnostics.diagnostic import Diagnostic, Note
from archc.diagnostics.errors import (
    MAX_PROBLEMS,
    ArchcError,
    BuildError,
    ExportError,
    Inconclusive,
    LiftError,
    MissingDependency,
    SpecError,
    SpecWarning,
    UsageError,
    VerificationFailed,
)  # fmt: skip
from archc.diagnostics.options import option, options_spelled
from archc.diagnostics.rendering import MAX_EXCERPT, as_annotation, as_json, diagnostic_lines, printable, render
from archc.diagnostics.spans import Source, Span
from archc.diagnostics.suggestions import did_you_mean, nearest, with_part
from archc.diagnostics.values import as_written

__all__ = [
    "MAX_EXCERPT",
    "MAX_PROBLEMS",
    "ArchcError",
    "BuildError",
    "Diagnostic",
    "ExportError",
    "Inconclusive",
    "LiftError",
    "MissingDependency",
    "Note",
    "Source",
    "Span",
    "SpecError",
    "SpecWarning",
    "UsageError",
    "VerificationFailed",
    "as_annotation",
    "as_json",
    "as_written",
    "diagnostic_lines",
    "did_you_mean",
    "nearest",
    "option",
    "options_spelled",
    "printable",
    "render",
    "with_part",
]
