create table staging.stg_tickets (
    ticket_id text collate "C" primary key,
    student_id text collate "C" not null,
    subject text,
    description text,
    priority text,
    status text,
    category text,
    created_date date,
    resolved_date date,
    flags text [] not null,
    quality_score smallint not null generated always as (greatest(0, 100 - 10 * cardinality(flags))) stored,
    _drop_id bigint not null,
    _line bigint not null,
    _build bigint not null
);
create index on staging.stg_tickets (_build) where _build > 1;
create index on staging.stg_tickets (ticket_id) where flags <> '{}';
comment on table staging.stg_tickets is 'one support ticket: the newest accepted record of support_tickets';
comment on column staging.stg_tickets.ticket_id is 'id of the ticket in the source';
comment on column staging.stg_tickets.student_id is 'who asked';
comment on column staging.stg_tickets.subject is 'as written';
comment on column staging.stg_tickets.description is 'as written';
comment on column staging.stg_tickets.priority is 'Low, Medium, High or Critical';
comment on column staging.stg_tickets.status is 'Open, In Progress, Resolved or Closed';
comment on column staging.stg_tickets.category is 'subject area';
comment on column staging.stg_tickets.created_date is 'day it was opened';
comment on column staging.stg_tickets.resolved_date is 'day it was resolved; null while open';
