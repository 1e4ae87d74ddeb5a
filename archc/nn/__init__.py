"""Graph -> torch.nn.Module: nested modules named by path, with the forward methods that a person would have written."""

from archc.nn.build import assemble_module, build_module, give_weights

__all__ = ["assemble_module", "build_module", "give_weights"]
