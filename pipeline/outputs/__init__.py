"""Outputs: the files that a run leaves in `output/`, and the pages of docs/ that are made of what the code says."""
