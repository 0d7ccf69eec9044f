"""The whole craft in one go: from text to a model in two files."""
