-- What the ledger says of the language model: what left the machine is counted, and a mask removes what it recognises.

comment on column etl.llm_cache.answer is 'what it said of the masked text; the mask removes what it recognises';
comment on column etl.llm_usage.usage is 'per agent: calls by result, seconds of each, tokens, texts sent, records answered, answered from the cache, and left to the rules by reason; host and model that texts went to; state of the circuit breaker';
