create table warehouse.dim_programs (
    program_key bigint primary key,
    program_id text collate "C" not null unique
);
comment on table warehouse.dim_programs is 'one row per program named in an enrolment';
