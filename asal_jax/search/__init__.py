"""Features of images, nearest-neighbour indices over them, matching."""
