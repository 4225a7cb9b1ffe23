create table analytics.ai_quality (
    dataset text collate "C" primary key,
    rows_read bigint not null check (rows_read >= 0),
    rejected bigint not null check (rejected >= 0),
    duplicates bigint not null check (duplicates >= 0),
    severity text not null check (severity in ('ok', 'watch', 'act')),
    summary text not null,
    root_causes text not null,
    recommendations text not null,
    source text not null check (source in ('rules', 'llm')),
    reason text not null,
    model text,
    prompt_version text,
    _input text not null,
    check ((source = 'llm') = (reason = '')),
    check ((source = 'llm') = (model is not null and prompt_version is not null))
);
comment on table analytics.ai_quality is 'one row per dataset: why rows went wrong, and what to mend';
comment on column analytics.ai_quality.dataset is 'name of the dataset';
comment on column analytics.ai_quality.rows_read is 'rows of all accepted drops';
comment on column analytics.ai_quality.rejected is 'of these, rejected';
comment on column analytics.ai_quality.duplicates is 'of these, repeated within their drop';
comment on column analytics.ai_quality.severity is 'ok; watch: look at it some time; act: before the next file is sent';
comment on column analytics.ai_quality.summary is 'in a few sentences; a language model may word it';
comment on column analytics.ai_quality.root_causes is 'why, and in which column; what touches most rows first';
comment on column analytics.ai_quality.recommendations is 'what to do at the source; a language model may word it';
comment on column analytics.ai_quality.source is 'rules, or llm: a language model, whose answer the rules accepted';
comment on column analytics.ai_quality.reason is 'why it is the rules'': llm_off, no_key, or what went wrong with the model''s answer; empty for llm';
comment on column analytics.ai_quality.model is 'which model; null for rules';
comment on column analytics.ai_quality.prompt_version is 'version of the prompt in agents/prompts; null for rules';
comment on column analytics.ai_quality._input is 'digest of what was analysed, and by what: equal, it is not analysed again';
