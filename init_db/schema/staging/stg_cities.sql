create table staging.stg_cities (
    city_name text collate "C" primary key,
    state_name text,
    state_code text,
    common_misspellings text [],
    flags text [] not null,
    quality_score smallint not null generated always as (greatest(0, 100 - 10 * cardinality(flags))) stored,
    _drop_id bigint not null,
    _line bigint not null,
    _build bigint not null
);
create index on staging.stg_cities (city_name) where flags <> '{}';
comment on table staging.stg_cities is 'one city: the newest accepted record of city_master';
comment on column staging.stg_cities.city_name is 'title case';
comment on column staging.stg_cities.state_name is 'full name';
comment on column staging.stg_cities.state_code is 'two letters';
comment on column staging.stg_cities.common_misspellings is 'other spellings that mean this city';
