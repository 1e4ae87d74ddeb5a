"""The targets that a network can be exported to, one package for each family; installed as `archc.exporters`.

The `EXPORTERS` of a package are exporters (see `archc.exporting.Exporter`). Modules import their framework only when
used.
"""
