-- The star schema. Dimensions and facts are each made by one SELECT in pipeline/sql. Surrogate keys are the first 64 bits
-- of md5(natural key): the same on every machine, so everything can be rebuilt.
comment on schema warehouse is 'Silver, modelled: conformed dimensions and facts. Keys are the first 64 bits of md5(natural key).';
