-- Columns outside a contract: their names once per drop, and which of them are never stored.
-- State: only ever migrated forward (a later state_NN file), never dropped.

comment on column etl.drops.format is 'how the file was read: header, fields (contract column per header name), delimiter, encoding, extra (what the keys in _extra are: place in the header, from 1), never_stored (columns that hold passwords or tokens, whose cells were left out)';
