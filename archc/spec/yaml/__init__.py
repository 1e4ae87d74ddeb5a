"""YAML text -> a tree with positions."""
