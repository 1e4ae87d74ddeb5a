"""`archc list`: the bundled specs."""

from __future__ import annotations

from archc.cli.app import Format, FormatOption, app, examples
from archc.cli.output import print_json, print_table


@app.command("list", epilog=examples("archc list", "archc list --format json"))
def list_specs(format: FormatOption = Format.text) -> None:
    """List the bundled specs."""
    from archc.spec.bundled import bundled_specs
    from archc.spec.loading import load_spec

    specs = {name: load_spec(path) for name, path in bundled_specs().items()}
    if format is Format.json:
        print_json([{"name": name, "source": spec.citation} for name, spec in specs.items()])
        return
    print_table(["name", "source"], [[name, spec.citation or ""] for name, spec in specs.items()])
