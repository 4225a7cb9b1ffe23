"""Agents: text in, opinion out. No Luigi, no database; deterministic by default. They come with enrichment."""
