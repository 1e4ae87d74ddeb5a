"""TorchScript archives without what tells about the machine that wrote them.

TorchScript keeps the stack trace of every operation in records that end in `.debug_pkl`, and names the
archive's root folder after the file. Neither is needed to load or to run it. PyTorch's own reader and writer
copy the rest, which keeps the alignment that mapping a file needs; the root folder becomes `archive`.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

STACK_TRACES = ".debug_pkl"
VERSIONS = {"version", ".data/version"}  # the second from version 6 on
WRITTEN_BY_THE_WRITER = {*VERSIONS, "byteorder", ".data/serialization_id"}


def copy_without_traces(source: Path, target: BinaryIO) -> None:
    """Copy an archive, leaving out the stack traces. Memory holds one record at a time."""
    import torch

    reader = torch._C.PyTorchFileReader(str(source))
    writer = torch._C.PyTorchFileWriter(target)
    names = reader.get_all_records()
    # Operators whose signature once changed (gelu) are read as they were at the archive's version.
    (version,) = VERSIONS.intersection(names)
    writer.set_min_version(int(reader.get_record(version)))
    for name in names:
        if not name.endswith(STACK_TRACES) and name not in WRITTEN_BY_THE_WRITER:
            record = reader.get_record(name)
            writer.write_record(name, record, len(record))
    writer.write_end_of_file()
