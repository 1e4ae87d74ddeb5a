"""Transformations graph -> graph, one for each file. Each states what it ensures, and the verifier runs after each."""

from archc.passes.drop_training_only import drop_training_only
from archc.passes.fold_batch_norm import fold_batch_norm

__all__ = ["drop_training_only", "fold_batch_norm"]
