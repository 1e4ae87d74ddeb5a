"""What can be asked of an ONNX file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from pydantic import Field

from archc.exporting import Options

from .opset import DEFAULT_OPSET

if TYPE_CHECKING:
    from archc.passes import Pass


class OnnxOptions(Options):
    """Fields in the order of the command line's help."""

    opset: int | None = Field(default=None, description=f"ONNX opset: this one or an error. [default: {DEFAULT_OPSET}]")
    fold_batch_norm: bool = Field(
        default=True, description="Fold batch norms into convolutions.", json_schema_extra={"flag": "fold"}
    )
    external_data: bool = Field(
        default=False,
        description="ONNX: weights in a file beside it; always so above 1.5 GiB.",
        exclude=True,  # the manifest names the files beside an artefact
    )

    def effective(self) -> Self:
        """The same, with the opset that is written unasked."""
        return self if self.opset is not None else self.model_copy(update={"opset": DEFAULT_OPSET})

    def passes(self) -> Sequence[Pass]:
        """Without what does nothing at inference, with plain filters, and batch norms folded if asked for."""
        from archc.passes import drop_training_only, fold_batch_norm, fold_weight_standardization, inference_graph

        always = (inference_graph, drop_training_only, fold_weight_standardization)
        return *always, *([fold_batch_norm] if self.fold_batch_norm else [])
