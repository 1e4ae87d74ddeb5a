"""The typed graph that everything is derived from, its operators, and what can be computed from it alone."""
