-- Events happened once: an id that is stored stays as it is.
with staged as (
    select distinct on ({key}) *
    from {stage}
    order by {key}, _position
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
    on conflict (_account_id, {key}) do nothing
    returning {key_of_stored}
),

touched as (
    insert into dataflow.touched_days (layer, connector, account_id, stream, day, sync_id)
    select distinct
        'raw',
        %(connector)s,
        %(account)s,
        %(stream)s,
        changed.day,
        %(sync_id)s::uuid
    from ({days_of_changes}) as changed
    where changed.day is not null
    returning day
)

select
    (select count(*) from written) as inserted,
    0 as updated,
    0 as deleted,
    (select count(*) from staged) as distinct_rows,
    (select array_agg(day order by day) from touched) as touched_days
