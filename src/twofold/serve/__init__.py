"""The server: models behind an HTTP API that OpenAI's clients speak, and the pages in the browser."""
