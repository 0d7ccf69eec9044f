"""Tools that a model may call, and the loop in which it calls them."""
