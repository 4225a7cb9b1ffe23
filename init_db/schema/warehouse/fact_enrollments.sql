create table warehouse.fact_enrollments (
    student_key bigint primary key references warehouse.dim_students on delete cascade,
    program_key bigint references warehouse.dim_programs on delete cascade,
    date_key integer not null references warehouse.dim_date,
    enrollment_date date,
    fee_paid numeric(14, 2) check (fee_paid >= 0),
    payment_status text not null
);
create index on warehouse.fact_enrollments (program_key);
comment on table warehouse.fact_enrollments is 'one row per enrolled student';
comment on column warehouse.fact_enrollments.enrollment_date is 'day of enrolment';
comment on column warehouse.fact_enrollments.fee_paid is 'fee in rupees; 0 when missing';
comment on column warehouse.fact_enrollments.payment_status is 'COMPLETED, PENDING, PARTIAL, REFUNDED, FAILED or UNKNOWN';
