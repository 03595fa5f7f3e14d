"""One ml-collections config a benchmark: overrides of `base`."""
