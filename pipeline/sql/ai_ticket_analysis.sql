-- one row per support ticket: the text to be read. key: ticket_id. reads: staging.stg_tickets
-- :stg_tickets_since = the build consumed last time; 0 = everything
select
    ticket_id,
    warehouse.key(student_id) as student_key,
    subject,
    description
from staging.stg_tickets
where _build > :stg_tickets_since
