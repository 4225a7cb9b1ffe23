-- What people look at.
comment on schema analytics is 'Gold: marts and work lists.';
