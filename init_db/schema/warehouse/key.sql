create function warehouse.key(natural_key text) returns bigint
language sql immutable strict parallel safe
return ('x' || left(md5(natural_key), 16))::bit(64)::bigint;
comment on function warehouse.key is 'surrogate key of a natural key: the first 64 bits of its md5';
