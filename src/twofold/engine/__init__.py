"""Generation and scoring: a model that is open, its cache, and how the next token is drawn."""
