"""Sources: what schools send, in whatever form -> batches of text columns, and which files of a folder are such."""
