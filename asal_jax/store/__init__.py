"""What is written and shown while a run goes on: checkpoints, the cache, the journal, stages, progress."""
