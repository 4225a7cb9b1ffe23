-- warning: no ticket was resolved before it was opened
-- one row per such ticket. reads: warehouse.fact_support_tickets
select ticket_id, created_date_key, resolved_date_key
from warehouse.fact_support_tickets
where resolved_date_key > 0 and created_date_key > resolved_date_key
