"""Puts the parts together, for the command line and for Python alike: the only place that knows all of them."""
