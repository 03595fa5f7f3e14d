"""Who gives labels: the pool, a classifier as a stand-in, a person."""
