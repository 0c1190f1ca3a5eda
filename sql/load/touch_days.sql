-- Days whose rows were stored where there were none.
insert into dataflow.touched_days (layer, connector, account_id, stream, day, sync_id)
select
    'raw',
    %(connector)s,
    %(account)s,
    %(stream)s,
    changed.day,
    %(sync_id)s::uuid
from unnest(%(days)s::date[]) as changed (day)
