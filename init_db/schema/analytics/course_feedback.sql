create table analytics.course_feedback (
    course_id text collate "C" primary key,
    as_of date,
    course_name text,
    feedbacks bigint not null check (feedbacks > 0),
    avg_rating numeric(4, 2) not null check (avg_rating between 1 and 5),
    positive_comments bigint not null check (positive_comments >= 0),
    negative_comments bigint not null check (positive_comments + negative_comments <= feedbacks),
    last_feedback date
);
comment on table analytics.course_feedback is 'what students say of one course; one row per course with feedback';
comment on column analytics.course_feedback.feedbacks is 'ratings given, with a comment or without';
comment on column analytics.course_feedback.avg_rating is 'mean rating, 1 (worst) to 5';
comment on column analytics.course_feedback.positive_comments is 'comments that sound happy, by the rules (warehouse.ai_feedback_mood)';
comment on column analytics.course_feedback.negative_comments is 'comments that sound unhappy, by the rules';
comment on column analytics.course_feedback.last_feedback is 'day of the newest one (UTC); null when none is dated';
