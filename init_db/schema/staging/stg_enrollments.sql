create table staging.stg_enrollments (
    student_id text collate "C" primary key,
    full_name text,
    first_name text,
    last_name text,
    email text,
    phone text,
    dob date,
    gender text not null,
    city text,
    state text,
    enrollment_date date,
    program_id text collate "C",
    fee_paid numeric(14, 2),
    payment_status text not null,
    flags text [] not null,
    quality_score smallint not null generated always as (greatest(0, 100 - 10 * cardinality(flags))) stored,
    _drop_id bigint not null,
    _line bigint not null,
    _build bigint not null
);
create index on staging.stg_enrollments (_build) where _build > 1;
create index on staging.stg_enrollments (program_id);
create index on staging.stg_enrollments (student_id) where flags <> '{}';
comment on table staging.stg_enrollments is 'one enrolled student: the newest accepted record of students_enrollment';
comment on column staging.stg_enrollments.student_id is 'letters, then at least three digits';
comment on column staging.stg_enrollments.full_name is 'digits stripped, title case';
comment on column staging.stg_enrollments.first_name is 'first word of full_name';
comment on column staging.stg_enrollments.last_name is 'the other words of full_name';
comment on column staging.stg_enrollments.email is 'lower case; null when missing or invalid';
comment on column staging.stg_enrollments.phone is '+91-XXXXXXXXXX; null when missing or invalid';
comment on column staging.stg_enrollments.dob is 'date of birth';
comment on column staging.stg_enrollments.gender is 'Male, Female or Other';
comment on column staging.stg_enrollments.city is 'as in city_master where it matched';
comment on column staging.stg_enrollments.state is 'full name';
comment on column staging.stg_enrollments.enrollment_date is 'day of enrolment';
comment on column staging.stg_enrollments.program_id is 'upper case';
comment on column staging.stg_enrollments.fee_paid is 'fee in rupees; 0 when missing';
comment on column staging.stg_enrollments.payment_status is 'COMPLETED, PENDING, PARTIAL, REFUNDED, FAILED or UNKNOWN';
