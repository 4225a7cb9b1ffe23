create table warehouse.ai_student_risk (
    student_key bigint primary key references warehouse.dim_students on delete cascade,
    as_of date,
    days_since_activity integer check (days_since_activity >= 0),
    mean_completion numeric(5, 2) check (mean_completion between 0 and 100),
    payment_status text,
    negative_tickets integer not null check (negative_tickets >= 0),
    low_scores integer not null check (low_scores >= 0),
    score smallint not null check (score between 0 and 100),
    category text not null check (category in ('Low', 'Medium', 'High', 'Critical')),
    factors text [] not null,
    interventions text [] not null,
    explanation text not null,
    source text not null check (source in ('rules', 'llm')),
    reason text not null,
    model text,
    prompt_version text,
    _input text not null,
    check ((source = 'llm') = (reason = '')),
    check ((source = 'llm') = (model is not null and prompt_version is not null))
);
comment on table warehouse.ai_student_risk is 'one row per student: how likely to drop out, and why (`eduflow explain STU007`)';
comment on column warehouse.ai_student_risk.days_since_activity is 'days from the last learning event, assessment or presence in class to as_of; null: never active';
comment on column warehouse.ai_student_risk.mean_completion is 'percent, mean over the student''s courses; null: no course';
comment on column warehouse.ai_student_risk.payment_status is 'of the enrolment; null: not enrolled';
comment on column warehouse.ai_student_risk.negative_tickets is 'tickets of negative sentiment (by the rules) in the {risk_ticket_days} days that end with as_of';
comment on column warehouse.ai_student_risk.low_scores is 'assessments and scored events under {risk_low_score} percent in the {risk_score_days} days that end with as_of';
comment on column warehouse.ai_student_risk.score is '0 to 100, always by the rule in agents/risk.py';
comment on column warehouse.ai_student_risk.category is 'Low under {risk_medium}, Medium under {risk_high}, High under {risk_critical}, else Critical';
comment on column warehouse.ai_student_risk.factors is 'the factors that gave points, in the order of the rule';
comment on column warehouse.ai_student_risk.interventions is 'what to do, the most urgent first';
comment on column warehouse.ai_student_risk.explanation is 'score and factors in a sentence: the one thing here that a language model may word';
comment on column warehouse.ai_student_risk.source is 'rules, or llm: a language model, whose answer the rules accepted';
comment on column warehouse.ai_student_risk.reason is 'why it is the rules'': llm_off, no_key, or what went wrong with the model''s answer; empty for llm';
comment on column warehouse.ai_student_risk.model is 'which model; null for rules';
comment on column warehouse.ai_student_risk.prompt_version is 'version of the prompt in agents/prompts; null for rules';
comment on column warehouse.ai_student_risk._input is 'digest of what was analysed, and by what: equal, it is not analysed again';
