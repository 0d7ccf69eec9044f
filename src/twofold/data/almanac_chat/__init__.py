"""The built-in conversations: questions on the facts of the factbook, sums, spelling and small talk, by templates."""
