-- What asking a language model left behind: answers that were paid for, calls counted against the budget of a run, and
-- what each analysis used. State: only ever migrated forward (a later state_NN file), never dropped.

create table if not exists etl.llm_cache (
    key text primary key,
    agent text not null,
    model text not null,
    prompt_version text not null,
    answer jsonb not null,
    answered_at timestamptz not null default clock_timestamp()
);
comment on table etl.llm_cache is 'answers of language models, each accepted by its agent: no input is paid for twice, and a rerun replays offline';
comment on column etl.llm_cache.key is 'sha256 of agent, model, prompt version, form of the answer and the masked input';
comment on column etl.llm_cache.agent is 'which agent asked';
comment on column etl.llm_cache.model is 'which model answered';
comment on column etl.llm_cache.prompt_version is 'version of the prompt in agents/prompts';
comment on column etl.llm_cache.answer is 'what it said; nothing that identifies a person was asked';
comment on column etl.llm_cache.answered_at is 'when it said so';

create table if not exists etl.llm_budget (
    run_id text primary key,
    calls integer not null check (calls >= 0)
);
comment on table etl.llm_budget is 'HTTP requests to a language model per run, counted before each is made';
comment on column etl.llm_budget.run_id is 'the run';
comment on column etl.llm_budget.calls is 'requests so far; `llm_max_calls` at most';

create table if not exists etl.llm_usage (
    usage_id bigint generated always as identity primary key,
    run_id text not null,
    usage jsonb not null,
    noted_at timestamptz not null default clock_timestamp()
);
comment on table etl.llm_usage is 'what each analysis by a language model used: calls, seconds, tokens, cache hits, fallbacks';
comment on column etl.llm_usage.usage_id is 'counts up';
comment on column etl.llm_usage.run_id is 'the run that analysed';
comment on column etl.llm_usage.usage is 'per agent: calls by result, seconds of each, tokens, records answered, answered from the cache, and left to the rules by reason; state of the circuit breaker';
comment on column etl.llm_usage.noted_at is 'when the analysis ended';
