"""PostgreSQL: connections, locks, errors, and rows in and out."""
