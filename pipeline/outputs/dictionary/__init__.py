"""The data dictionary in `docs/`: `catalogue` reads the DDL, `lineage` the graph, `pages` writes."""
