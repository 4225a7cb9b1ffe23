-- What agents think, made from the facts: see pipeline/enrich.py.
create table warehouse.ai_ticket_analysis (
    ticket_id text collate "C" primary key references warehouse.fact_support_tickets on delete cascade,
    student_key bigint not null references warehouse.dim_students on delete cascade,
    sentiment text not null check (sentiment in ('Positive', 'Neutral', 'Negative', 'Very Negative')),
    sentiment_score numeric(3, 2) not null check (sentiment_score between -1 and 1),
    category text not null,
    priority text not null check (priority in ('Low', 'Medium', 'High', 'Critical')),
    key_issues text [] not null,
    response_template text not null,
    response text not null,
    language text not null check (language in ('en', 'other', 'none')),
    rule_sentiment text not null check (rule_sentiment in ('Positive', 'Neutral', 'Negative', 'Very Negative')),
    source text not null check (source in ('rules', 'llm')),
    reason text not null,
    model text,
    prompt_version text,
    _input text not null,
    check ((source = 'llm') = (reason = '')),
    check ((source = 'llm') = (model is not null and prompt_version is not null))
);
create index on warehouse.ai_ticket_analysis (student_key);
comment on table warehouse.ai_ticket_analysis is 'one row per support ticket: mood, subject and urgency of its text';
comment on column warehouse.ai_ticket_analysis.sentiment is 'Positive, Neutral, Negative or Very Negative';
comment on column warehouse.ai_ticket_analysis.sentiment_score is '-1 (very negative) to 1';
comment on column warehouse.ai_ticket_analysis.category is 'what it is about, of the categories of support_tickets';
comment on column warehouse.ai_ticket_analysis.priority is 'how soon somebody should look at it';
comment on column warehouse.ai_ticket_analysis.key_issues is 'what is wrong or asked for, as codes (agents/tickets)';
comment on column warehouse.ai_ticket_analysis.response_template is 'code of the answer that fits';
comment on column warehouse.ai_ticket_analysis.response is 'text of that answer';
comment on column warehouse.ai_ticket_analysis.language is 'en; other: not read, so Neutral; none: no words';
comment on column warehouse.ai_ticket_analysis.rule_sentiment is 'sentiment by the rules alone: what the risk counts, so that it is the same with and without a language model';
comment on column warehouse.ai_ticket_analysis.source is 'rules, or llm: a language model, whose answer the rules accepted';
comment on column warehouse.ai_ticket_analysis.reason is 'why it is the rules'': llm_off, no_key, or what went wrong with the model''s answer; empty for llm';
comment on column warehouse.ai_ticket_analysis.model is 'which model; null for rules';
comment on column warehouse.ai_ticket_analysis.prompt_version is 'version of the prompt in agents/prompts; null for rules';
comment on column warehouse.ai_ticket_analysis._input is 'digest of what was analysed, and by what: equal, it is not analysed again';
