"""Data: where images and labels come from, and passes over them."""
