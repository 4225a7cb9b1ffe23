"""Metrics: what a run did, for Prometheus, as the node exporter's textfile collector reads it.

Counters count over all runs in the ledger, so that they never go back; gauges say how things stand after this run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from sqlalchemy import Connection, text

from pipeline.datasets import DATASETS
from pipeline.engine import used
from pipeline.enrich import opinions

BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # seconds of a call
OUTCOMES = ("read", "current", "superseded", "duplicate", "rejected")


def exposition(db: Connection, run: str) -> str:
    """The metrics after this run, in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected([*_run(db, run), *_data(db), *_enrichment(db)]))
    return generate_latest(registry).decode()


class _Collected:
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        return self._metrics


def _gauge(name: str, said: str, labels: tuple[str, ...], rows: Iterator[tuple[Any, ...]]) -> Metric:
    """rows: the values of the labels, and the number."""
    family = GaugeMetricFamily(f"eduflow_{name}", said, labels=labels)
    for *names, number in rows:
        family.add_metric([str(each) for each in names], float(number))
    return family


def _counter(name: str, said: str, labels: tuple[str, ...], counts: Counter[tuple[str, ...]]) -> Metric:
    family = CounterMetricFamily(f"eduflow_{name}", said, labels=labels)
    for names, count in sorted(counts.items()):
        family.add_metric(list(names), float(count))
    return family


def _run(db: Connection, run: str) -> Iterator[Metric]:
    query = """
        select extract(epoch from started_at), extract(epoch from clock_timestamp() - started_at) from etl.runs
        where run_id = :run
    """
    started, seconds = db.execute(text(query), {"run": run}).one()
    yield _gauge("run_start_timestamp_seconds", "When the last run that built something began.", (), iter([(started,)]))
    yield _gauge("run_duration_seconds", "How long it took so far, when this was written.", (), iter([(seconds,)]))
    made = db.execute(
        text("select target, rows, seconds from etl.targets where fingerprint is not null order by target")
    )
    targets = made.all()
    yield _gauge("target_rows", "Rows of a target.", ("target",), ((t.target, t.rows) for t in targets))
    built = ((t.target, t.seconds) for t in targets)
    yield _gauge("target_build_seconds", "Seconds that its last build took.", ("target",), built)


def _data(db: Connection) -> Iterator[Metric]:
    query = f"""
        select dataset, {", ".join(f"coalesce(sum({name}), 0) as {name}" for name in OUTCOMES)} from etl.drops
        where status = 'staged' group by dataset order by dataset
    """
    rows = [row._mapping for row in db.execute(text(query))]
    counted = ((row["dataset"], outcome, row[outcome]) for row in rows for outcome in OUTCOMES)
    yield _gauge("rows", "Rows of the accepted drops by what became of them.", ("dataset", "outcome"), counted)
    found = db.execute(text("select status, count(*) from etl.drops group by status order by status"))
    yield _gauge("drops", "Files that arrived, by status.", ("status",), ((*row,) for row in found))
    scores = " union all ".join(
        f"select '{dataset.name}' as dataset, avg(quality_score) as score from staging.{dataset.table}"
        for dataset in DATASETS.values()
    )
    quality = db.execute(text(f"select dataset, score from ({scores}) as s where score is not null order by dataset"))
    said = "Mean quality score of the current rows, 0 to 100."
    yield _gauge("quality_score", said, ("dataset",), ((*row,) for row in quality))
    checks = db.execute(text("select name, severity, offending from etl.checks order by name"))
    yield _gauge("check_offending_rows", "Rows that a check found.", ("check", "severity"), ((*row,) for row in checks))


def _enrichment(db: Connection) -> Iterator[Metric]:
    labels = ("agent", "source", "reason")
    known = ((*(row[name] for name in labels), row["records"]) for row in opinions(db))
    yield _gauge("opinions", "Records with an opinion, by whose it is and why.", labels, known)
    usage = used(db)
    calls: Counter[tuple[str, ...]] = Counter()
    tokens: Counter[tuple[str, ...]] = Counter()
    hits: Counter[tuple[str, ...]] = Counter()
    fallbacks: Counter[tuple[str, ...]] = Counter()
    seconds = HistogramMetricFamily(
        "eduflow_llm_call_seconds", "How long a request to the model took.", labels=["agent"]
    )
    for agent, tally in sorted(usage.agents.items()):
        calls.update({(agent, result): count for result, count in tally.calls.items()})
        tokens.update({(agent, "prompt"): tally.prompt_tokens, (agent, "completion"): tally.completion_tokens})
        hits[(agent,)] += tally.cached
        fallbacks.update({(agent, reason): count for reason, count in tally.fallbacks.items()})
        upto = [(str(top), sum(each <= top for each in tally.seconds)) for top in BUCKETS]
        seconds.add_metric([agent], [*upto, ("+Inf", len(tally.seconds))], sum(tally.seconds))
    yield _counter("llm_calls", "Requests to the model by result.", ("agent", "result"), calls)
    yield seconds
    yield _counter("llm_tokens", "Tokens paid for.", ("agent", "kind"), tokens)
    yield _counter("llm_cache_hits", "Records answered without asking.", ("agent",), hits)
    yield _counter("llm_fallbacks", "Records left to the rules, by reason.", ("agent", "reason"), fallbacks)
    state = iter([(usage.breaker,)])
    yield _gauge("llm_breaker_state", "Circuit breaker: 0 closed, 1 half open, 2 open.", (), state)
