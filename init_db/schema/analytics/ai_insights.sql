create table analytics.ai_insights (
    kind text not null check (kind in ('summary', 'metric', 'anomaly', 'action')),
    place integer not null check (place > 0),
    as_of date,
    name text,
    wording text not null,
    value numeric(20, 2),
    previous numeric(20, 2),
    unit text,
    mart text,
    better text check (better in ('up', 'down')),
    source text not null check (source in ('rules', 'llm')),
    reason text not null,
    model text,
    prompt_version text,
    primary key (kind, place),
    check ((source = 'llm') = (reason = '')),
    check ((source = 'llm') = (model is not null and prompt_version is not null))
);
comment on table analytics.ai_insights is 'one row per line of the executive summary (output/insights.md)';
comment on column analytics.ai_insights.kind is 'summary: a line; metric: a number, now and before; anomaly: what stands out; action: what to do';
comment on column analytics.ai_insights.place is 'order within the kind';
comment on column analytics.ai_insights.name is 'of the metric, or code of the anomaly';
comment on column analytics.ai_insights.wording is 'the line, or what the metric is called; a language model may word summary and actions';
comment on column analytics.ai_insights.value is 'of the metric, in the {insights_days} days that end with as_of';
comment on column analytics.ai_insights.previous is 'of the metric, in the {insights_days} days before; null where it is not known';
comment on column analytics.ai_insights.unit is 'of value and previous: percent, count, hours or points';
comment on column analytics.ai_insights.mart is 'where it was read from';
comment on column analytics.ai_insights.better is 'which direction is good; null = neither';
comment on column analytics.ai_insights.source is 'rules, or llm: a language model, whose answer the rules accepted';
comment on column analytics.ai_insights.reason is 'why it is the rules'': llm_off, no_key, or what went wrong with the model''s answer; empty for llm';
comment on column analytics.ai_insights.model is 'which model; null for rules';
comment on column analytics.ai_insights.prompt_version is 'version of the prompt in agents/prompts; null for rules';
