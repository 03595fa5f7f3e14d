"""The page on which people label: served from a workdir alone, by the running job or by `python -m asal_jax.label`."""
