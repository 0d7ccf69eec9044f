"""Looking inside: what the numbers of a model say about what it does."""
