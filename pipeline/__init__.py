"""EduFlow: messy school files in, star schema out, every row accounted for.

    data/**/<dataset>.csv          one look at the folder when the process starts
      Raw*        ingest.py        raw.<dataset>: every record as text, by drop and line
      Staged*     staging/         staging.stg_*: cleaned by rules/, one current row per key; rejects in etl.rejects
      Dim* Fact*  warehouse.py     warehouse.*: one SELECT each (sql/)
      TicketAnalysis, StudentRisk, QualityAnalysis  enrich.py  warehouse.ai_*, analytics.ai_quality: opinions of agents
      ReviewQueue, Student360, Insights, ...  marts.py  analytics.*
      RejectFiles, MartFiles, ReportPage, RunSummary, Intake  outputs/  output/*, the last word on refused files
      EduFlow     outputs/intake.py  the root

Goals that run alone: Ingest, Clean, Warehouse, Opinions, Marts, Outputs, EduFlow. Importing this
package declares the tasks, replaces Luigi's worker (worker.py) and says what the placeholders in DDL stand for, so
`python -m luigi --module pipeline EduFlow --local-scheduler` works.
"""

import init_db
from pipeline import definitions
from pipeline.enrich import Opinions
from pipeline.ingest import Ingest
from pipeline.marts import Marts
from pipeline.outputs.intake import EduFlow, Outputs
from pipeline.scheduler import RemoteScheduler
from pipeline.staging import Clean
from pipeline.warehouse import Warehouse
from pipeline.worker import Worker

init_db.define(definitions.filled)

__all__ = ["Clean", "EduFlow", "Ingest", "Marts", "Opinions", "Outputs", "RemoteScheduler", "Warehouse", "Worker"]
