"""The language, described from the models that validate it: as a page for people and as a JSON Schema for editors."""
