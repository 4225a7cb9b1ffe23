create table analytics.review_queue (
    kind text not null check (kind in ('duplicate_conflict', 'fuzzy_duplicate', 'contradiction', 'unmapped_code', 'orphan', 'worst_row')),
    dataset text not null,
    item text collate "C" not null,
    other text collate "C" not null,
    reason text not null,
    occurrences bigint not null check (occurrences > 0),
    primary key (kind, dataset, item, other, reason)
);
comment on table analytics.review_queue is 'what a person should look at: one row per finding';
comment on column analytics.review_queue.kind is 'duplicate_conflict: two different rows of one key in one drop; fuzzy_duplicate: a student who may be one with the first of those alike; contradiction: attendance records of one student and day that disagree; unmapped_code: a word outside the vocabulary; orphan: an id that no master data knows; worst_row: a row with {queue_flags} flags or more';
comment on column analytics.review_queue.item is 'the key (or the word) it is about';
comment on column analytics.review_queue.other is 'the other key, the column, the day of the drop, or the quality score';
comment on column analytics.review_queue.reason is 'what was found, or the flags';
comment on column analytics.review_queue.occurrences is 'how many rows say so';
