"""The method: scores, synthesis, strategies."""
