"""Puts the parts together, for the command line and for Python alike: the only place that knows all of them."""

from archc.pipeline.api import build, compile, export, verify

__all__ = ["build", "compile", "export", "verify"]
