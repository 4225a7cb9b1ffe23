-- one row per support ticket. key: ticket_id. reads: staging.stg_tickets
-- :stg_tickets_since = the build consumed last time; 0 = everything
select
    ticket_id,
    warehouse.key(student_id) as student_key,
    warehouse.date_key(created_date) as created_date_key,
    warehouse.date_key(resolved_date) as resolved_date_key,
    priority,
    status,
    category,
    case when resolved_date >= created_date then (resolved_date - created_date) * 24.0 end as resolution_hours
from staging.stg_tickets
where _build > :stg_tickets_since
