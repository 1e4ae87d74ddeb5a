"""YAML text -> data with positions -> the validated document: its grammar, not yet its calls.

scalars, tree, commas, loader    text -> tree
arithmetic, expressions          the expressions in scalars
names, items, grammar            tree -> items
signatures, validation           parameters and Pydantic models -> diagnostics
document, parsing, loading       tree -> Spec, and the files that it uses
dump                             data -> text
"""
