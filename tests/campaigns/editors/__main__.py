"""Asks yaml-language-server what an editor offers at places of a spec: `python -m tests.campaigns.editors SERVER...`.

SERVER is the command that starts it, for example `npx yaml-language-server`; it is told to speak over its standard
input. `|` marks the cursor in each document below. What the server completes and shows there is printed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archc.spec.bundled import specs_folder

HEAD = "name: net\ninput: {channels: 3, height: 32, width: 32}\n"
PLACES = {
    "after '- ' under layers": HEAD + "layers:\n  - |",
    "after '- ' with blocks of its own": HEAD + "blocks:\n  mine:\n    layers:\n      - relu\nlayers:\n  - |",
    "after '- ' in a branch of a sum": HEAD + "layers:\n  - sum:\n      - |",
    "among the fields of conv2d": HEAD + "layers:\n  - conv2d:\n      kernel_size: 3\n      |",
    "the value of a field with choices": HEAD + "layers:\n  - basic:\n      width: 8\n      shortcut: |",
    "the value of a layer": HEAD + "layers:\n  - basic:\n      width: 8\n      norm: |",
    "in the definition of a block": HEAD + "blocks:\n  mine:\n    |\nlayers:\n  - relu",
    "after '- ' in the definition of a block": HEAD + "blocks:\n  mine:\n    layers:\n      - |\nlayers:\n  - relu",
    "under init": HEAD + "init:\n  |\nlayers:\n  - relu",
    "an initializer": HEAD + "init:\n  linear:\n    weight: |\nlayers:\n  - relu",
    "under when": HEAD + "layers:\n  - when: true\n    |",
    "on the name of the network": "na|me: net\ninput: {channels: 3, height: 32, width: 32}\nlayers:\n  - relu",
    "on an operator": HEAD + "layers:\n  - con|v2d:\n      out_channels: 3\n      kernel_size: 3",
    "on a field": HEAD + "layers:\n  - conv2d:\n      out_ch|annels: 3\n      kernel_size: 3",
    "on a word alone": HEAD + "layers:\n  - re|lu",
}
SHOWN = 6


class Server:
    """A language server that is spoken to over pipes."""

    def __init__(self, command: list[str], schema: Path) -> None:
        self.process = subprocess.Popen([*command, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.settings = {"schemas": {schema.as_uri(): "*.yaml"}, "completion": True, "hover": True, "validate": True}
        self.number = 0
        self.ask(
            "initialize", {"processId": None, "rootUri": None, "capabilities": {"workspace": {"configuration": True}}}
        )
        self.send({"method": "initialized", "params": {}})
        self.send({"method": "workspace/didChangeConfiguration", "params": {"settings": {"yaml": self.settings}}})

    def ask(self, method: str, params: Mapping[str, Any]) -> Any:
        """The result of a request; questions of the server are answered meanwhile."""
        self.number += 1
        asked = self.number
        self.send({"id": asked, "method": method, "params": params})
        while True:
            message = self.receive()
            if message.get("id") == asked and "method" not in message:
                return message.get("result")
            if "id" in message:
                items = message.get("params", {}).get("items", [])
                answer = [self.settings if item.get("section") == "yaml" else {} for item in items]
                self.send(
                    {"id": message["id"], "result": answer if message["method"].endswith("configuration") else None}
                )

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message with its length before it."""
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def receive(self) -> Any:
        """The next message. Raises EOFError: the server has ended."""
        assert self.process.stdout
        length = 0
        while line := self.process.stdout.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        if not length:
            raise EOFError("the language server has ended")
        return json.loads(self.process.stdout.read(length))


def offered(server: Server, number: int, text: str) -> tuple[list[str], str]:
    """What is completed at the cursor, and what is shown of the word there."""
    before, _, after = text.partition("|")
    uri = f"file:///spec{number}.yaml"
    document = {"uri": uri, "languageId": "yaml", "version": 1, "text": before + after}
    server.send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
    place = {"line": before.count("\n"), "character": len(before) - before.rfind("\n") - 1}
    asked = {"textDocument": {"uri": uri}, "position": place}
    completions = server.ask("textDocument/completion", asked) or {"items": []}
    hover = server.ask("textDocument/hover", asked) or {"contents": ""}
    contents = hover["contents"]
    items = completions["items"] if isinstance(completions, dict) else completions
    return [item["label"] for item in items], contents["value"] if isinstance(contents, dict) else str(contents)


def main(command: list[str]) -> None:
    """Print what is offered at every place."""
    server = Server(command, specs_folder() / "archc.schema.json")
    offered(server, len(PLACES), HEAD + "|")  # after which it has read the schema
    for number, (place, text) in enumerate(PLACES.items()):
        labels, hover = offered(server, number, text)
        more = f" … ({len(labels)})" if len(labels) > SHOWN else ""
        print(f"{place}\n  completes: {', '.join(labels[:SHOWN]) or '-'}{more}")
        print(f"  shows: {' / '.join(hover.splitlines()[:3]) or '-'}")
    server.process.kill()


if __name__ == "__main__":
    main(sys.argv[1:])
