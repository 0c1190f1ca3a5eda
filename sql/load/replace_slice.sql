-- A report slice: what is stored for one account and days becomes exactly what was fetched. Rows that did not change are
-- not rewritten, so the days that come back are the days that changed.
with staged as (
    select distinct on ({key}) *
    from {stage}
    order by {key}, _position desc
),

vanished as (
    delete from {target} as stored
    where
        stored._account_id = %(account)s
        and stored.{day} >= %(start)s
        and stored.{day} < %(end)s
        and not exists (select from staged where {same_key})
    returning stored.{day} as day
),

written as (
    insert into {target} as stored ({columns}, _account_id, _extra, _sync_id, _synced_at)
    select
        {columns},
        %(account)s,
        _extra,
        %(sync_id)s,
        %(synced_at)s
    from staged
    order by {key}
    on conflict ({key}) do update
        set {assignments}, _extra = excluded._extra, _sync_id = excluded._sync_id, _synced_at = excluded._synced_at
        where ({stored_columns}, stored._extra) is distinct from ({excluded_columns}, excluded._extra)
    returning stored.{day} as day, (stored.xmax = 0) as is_new
),

touched as (
    insert into dataflow.touched_days (layer, connector, account_id, stream, day, sync_id)
    select
        'raw',
        %(connector)s,
        %(account)s,
        %(stream)s,
        changed.day,
        %(sync_id)s
    from (
        select day from vanished
        union
        select day from written
    ) as changed
    returning day
)

select
    (select count(*) from written where is_new) as inserted,
    (select count(*) from written where not is_new) as updated,
    (select count(*) from vanished) as deleted,
    (select count(*) from staged) as distinct_rows,
    (select array_agg(day order by day) from touched) as touched_days
