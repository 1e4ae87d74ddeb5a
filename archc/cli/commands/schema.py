"""`archc schema`: the JSON Schema of the spec language."""

from __future__ import annotations

from archc.cli.app import app, examples
from archc.cli.output import print_json


@app.command(epilog=examples("archc schema > archc.schema.json"))
def schema() -> None:
    """Print the JSON Schema of the spec language, for editors."""
    from archc.reference.schema import json_schema

    print_json(json_schema())
