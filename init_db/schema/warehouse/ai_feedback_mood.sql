create table warehouse.ai_feedback_mood (
    feedback_id text collate "C" primary key references warehouse.fact_feedback on delete cascade,
    student_key bigint not null references warehouse.dim_students on delete cascade,
    sentiment text not null check (sentiment in ('Positive', 'Neutral', 'Negative', 'Very Negative')),
    sentiment_score numeric(3, 2) not null check (sentiment_score between -1 and 1),
    language text not null check (language in ('en', 'other', 'none')),
    rule_sentiment text not null check (rule_sentiment in ('Positive', 'Neutral', 'Negative', 'Very Negative')),
    source text not null check (source in ('rules', 'llm')),
    reason text not null,
    model text,
    prompt_version text,
    _input text not null
);
create index on warehouse.ai_feedback_mood (student_key);
comment on table warehouse.ai_feedback_mood is 'one row per feedback: the mood of its comment';
comment on column warehouse.ai_feedback_mood.sentiment is 'Positive, Neutral, Negative or Very Negative';
comment on column warehouse.ai_feedback_mood.sentiment_score is '-1 (very negative) to 1';
comment on column warehouse.ai_feedback_mood.language is 'en; other: not read, so Neutral; none: no comment';
comment on column warehouse.ai_feedback_mood.rule_sentiment is 'sentiment by the rules alone: what the mart counts, so that it is the same with and without a language model';
comment on column warehouse.ai_feedback_mood.source is 'rules, or llm: a language model, whose answer the rules accepted';
comment on column warehouse.ai_feedback_mood.reason is 'why it is the rules''; empty for llm (see ai_ticket_analysis)';
comment on column warehouse.ai_feedback_mood.model is 'which model; null for rules';
comment on column warehouse.ai_feedback_mood.prompt_version is 'version of the prompt; null for rules';
comment on column warehouse.ai_feedback_mood._input is 'digest of what was analysed: equal, it is not analysed again';
