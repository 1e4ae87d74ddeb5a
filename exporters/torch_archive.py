"""PyTorch's archives without what tells about the machine that wrote them.

TorchScript records the stack trace of every operation in files that end in `.debug_pkl`; nothing needs them to load or run.
Records are copied one by one by PyTorch's own reader and writer, which keep the alignment that mapping a file needs.
"""

from __future__ import annotations

from typing import BinaryIO

DEBUG_SUFFIX = ".debug_pkl"
OF_THE_WRITER = ("version", "byteorder", ".data/version", ".data/serialization_id")


def copy_without_traces(source: BinaryIO, target: BinaryIO) -> None:
    """Copy an archive, leaving out the stack traces. `source` is read from its beginning."""
    import torch

    source.seek(0)
    reader = torch._C.PyTorchFileReader(source)
    writer = torch._C.PyTorchFileWriter(target)
    for name in reader.get_all_records():
        if not name.endswith(DEBUG_SUFFIX) and name not in OF_THE_WRITER:
            record = reader.get_record(name)
            writer.write_record(name, record, len(record))
    writer.write_end_of_file()
