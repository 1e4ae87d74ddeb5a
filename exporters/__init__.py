"""The targets that a network can be exported to, one file each; installed as `archc.exporters`.

A module with an `EXPORTER` is an exporter (see `archc.exporting.Exporter`). Modules import their framework only when
used.
"""
