"""The transformer: its shape, its parts, and what they count."""
