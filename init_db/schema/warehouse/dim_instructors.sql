create table warehouse.dim_instructors (
    instructor_key bigint primary key,
    instructor_name text not null -- not indexed: an index takes 2,700 bytes, a cell may hold more
);
comment on table warehouse.dim_instructors is 'one row per instructor named in the course catalogue';
