create table warehouse.fact_support_tickets (
    ticket_id text collate "C" primary key,
    student_key bigint not null references warehouse.dim_students on delete cascade,
    created_date_key integer not null references warehouse.dim_date,
    resolved_date_key integer not null references warehouse.dim_date,
    priority text,
    status text,
    category text,
    resolution_hours numeric(14, 2) check (resolution_hours >= 0)
);
create index on warehouse.fact_support_tickets (student_key);
comment on table warehouse.fact_support_tickets is 'one row per support ticket';
comment on column warehouse.fact_support_tickets.resolved_date_key is '0 while unresolved';
comment on column warehouse.fact_support_tickets.resolution_hours is '24 per day from created to resolved; null while open, or when the dates contradict each other';
