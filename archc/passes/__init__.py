"""Transformations graph -> graph, one for each file; `run` is the only place that runs them."""

from archc.passes.drop_training_only import drop_training_only
from archc.passes.fold_batch_norm import fold_batch_norm
from archc.passes.fold_weight_standardization import fold_weight_standardization
from archc.passes.inference_graph import inference_graph
from archc.passes.run import Pass, run_passes

__all__ = [
    "Pass",
    "drop_training_only",
    "fold_batch_norm",
    "fold_weight_standardization",
    "inference_graph",
    "run_passes",
]
