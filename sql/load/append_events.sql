-- Events happened once: an id that is stored stays as it is.
with staged as (
    select distinct on ({key}) *
    from {stage}
    order by {key}, _position
),

written as (
    insert into {target} ({columns}, _account_id, _extra, _sync_id, _synced_at)
    select
        {columns},
        %(account)s,
        _extra,
        %(sync_id)s,
        %(synced_at)s
    from staged
    on conflict (_account_id, {key}) do nothing
    returning 1
)

select
    (select count(*) from written) as inserted,
    0 as updated,
    0 as deleted,
    (select count(*) from staged) as distinct_rows,
    null::date[] as touched_days,
    (select max({version}) from {stage}) as newest
