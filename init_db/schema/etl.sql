comment on schema etl is 'The ledger. With raw it is the only state: everything else can be dropped and comes back.';
