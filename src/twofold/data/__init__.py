"""Text to rows of tokens: read, clean, deduplicate, hold out, tokenise, batch."""
