"""Keeps a failed proof: a folder that shows what was wrong, and says how to see it again."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING

from archc.builds.json_text import json_text
from archc.cli.output import print_notice

if TYPE_CHECKING:
    from archc.builds.options import WeightOptions
    from archc.verification import Report

FAILED = ".failed"
README = """\
{verdict}

{name} is the file; report.json says what was compared.{evidence}
This proves it again, with the same inputs:

  {command}
"""
EVIDENCE = """
inputs.npz, expected.npz and actual.npz hold what was run by {runner}, what it
ought to have given, and what it gave. With a twin in the report, both are of
the twin's weights."""


def keep_failure(
    artefact: Path,
    name: Path,
    report: Report,
    against: str | None,
    weights: WeightOptions,
    settings: Mapping[str, str],
    outputs: Sequence[str] = (),
) -> None:
    """Put what failed into a folder beside the artefact's name, in place of an older failure of it.

    Side effect: a notice says where; where nothing can be written, it says that.
    """
    folder = name.with_name(name.name + FAILED)
    try:
        if (folder / "report.json").is_file():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        shutil.copyfile(artefact, folder / name.name)
        (folder / "report.json").write_text(json_text(report.as_json()), encoding="utf-8")
        if report.evidence:
            report.evidence.save(folder)
        command = _command(folder / name.name, report, against, weights, settings, outputs)
        evidence = EVIDENCE.format(runner=report.evidence.runner) if report.evidence else ""
        text = README.format(verdict=report.verdict.value, name=name.name, evidence=evidence, command=command)
        (folder / "README.txt").write_text(text, encoding="utf-8")
    except OSError as error:
        print_notice(f"the failed proof could not be kept in {folder}: {error.strerror or error}")
        return
    print_notice(f"{folder} keeps the file, its report, and the command that proves it again")


def _command(
    file: Path,
    report: Report,
    against: str | None,
    weights: WeightOptions,
    settings: Mapping[str, str],
    outputs: Sequence[str],
) -> str:
    """A command line that proves the kept file again, from the same folder."""
    words: list[str] = ["archc", "verify", str(file)]
    words += ["--against", against or str(file.parent.parent)]
    words += ["--weights", str(weights.file)] if weights.file else []
    words += ["--seed", str(weights.seed)] if weights.seed is not None else []
    words += _repeated("--ignore", weights.ignore)
    words += _repeated("--rename", [f"{pattern}={text}" for pattern, text in weights.rename])
    words += _repeated("--set", [f"{key}={value}" for key, value in settings.items()])
    words += ["--outputs", ",".join(outputs)] if outputs else []
    words += ["--inputs-seed", str(report.seed)] if report.seed is not None else []
    return join(words)


def _repeated(flag: str, values: Sequence[str]) -> list[str]:
    return [word for value in values for word in (flag, value)]
