"""YAML text -> a tree with positions, and plain data -> text."""
