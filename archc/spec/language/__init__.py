"""A tree -> the validated document: its grammar and expressions, not yet its calls."""
