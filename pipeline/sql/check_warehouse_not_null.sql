-- error: no fact lacks the student, the day or what its dataset always has
-- one row per row that does. reads: warehouse.facts_lacking. Costs nothing while the columns are NOT NULL
select fact, key from warehouse.facts_lacking
