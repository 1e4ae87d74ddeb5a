"""YAML text -> data with positions -> the validated document: its grammar, not yet its calls.

yaml/        text -> tree
repair/      what was probably meant by a mistake
language/    tree -> Spec: expressions, items, signatures, the document
loading      files -> Spec, with the shared files that they use
"""
