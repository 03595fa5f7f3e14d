"""What a run leaves for people: statistics, tables, figures, pictures."""
