"""TensorBoard's event files, written record by record: no thread, and nothing is lost if the process dies."""

import os
import secrets
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lrrange.errors import MissingExtra

__all__ = ["EventFile", "need_tensorboard"]


def need_tensorboard() -> None:
    """Raise MissingExtra if tensorboard is not installed."""
    try:
        import tensorboard  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "TensorBoardWatcher needs tensorboard. Run: pip install 'lrrange[tensorboard]'", extra="tensorboard"
        ) from error


class EventFile:
    """An event file in a folder, which is a run in TensorBoard. It can be read while it is written.

    tensorboard's own writer is not used, because it writes from a thread, which would be alive when a data loader forks
    its workers, and loses what it has not written when the process dies.

    Args:
        folder: made if it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        folder.mkdir(parents=True, exist_ok=True)
        name = (
            f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}"
        )
        self._file = open(folder / name, "xb")  # noqa: SIM115  closed by `close`
        self._records = RecordWriter(self._file)
        self._write(file_version="brain.Event:2")

    def add_scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Write the scalars of a step, by tag."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        numbers = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        self._write(step=step, summary=Summary(value=numbers))

    def add_text(self, tag: str, text: str) -> None:
        """Write a text in Markdown."""
        from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
        from tensorboard.compat.proto.tensor_pb2 import TensorProto
        from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto

        metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
        shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
        tensor = TensorProto(dtype="DT_STRING", string_val=[text.encode()], tensor_shape=shape)
        self._write(summary=Summary(value=[Summary.Value(tag=tag, metadata=metadata, tensor=tensor)]))

    def add_png(self, tag: str, png: bytes) -> None:
        """Write a picture."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        width, height = struct.unpack(">II", png[16:24])  # of the header that every PNG begins with
        image = Summary.Image(height=height, width=width, colorspace=4, encoded_image_string=png)
        self._write(summary=Summary(value=[Summary.Value(tag=tag, image=image)]))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, **fields: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._records.write(Event(wall_time=time.time(), **fields).SerializeToString())
        self._file.flush()
