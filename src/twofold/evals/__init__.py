"""Measures of a model, each with what it means and what chance would give."""
