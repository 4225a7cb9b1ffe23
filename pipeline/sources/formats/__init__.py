"""Formats: one kind of file a module; no Luigi, no database, no configuration."""
