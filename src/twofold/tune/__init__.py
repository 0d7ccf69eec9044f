"""From a model of text to an assistant: conversations, adapters, comparisons; each a loss and its batches."""
