"""A run: what is made once, the loop, all strategies side by side."""
