-- Entities: the newest version of each id wins. A version is (cursor, time of reading): an older one never overwrites a
-- newer one, and one that says nothing new rewrites nothing.
with staged as (
    select distinct on ({key}) *
    from {stage}
    order by {key}, {version} desc nulls last, _position desc
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
    on conflict (_account_id, {key}) do update
        set
            _extra = excluded._extra,
            _sync_id = excluded._sync_id,
            _synced_at = excluded._synced_at,
            _deleted_at = null,
            {assignments}
        where
        ({stored_columns}, stored._extra, stored._deleted_at)
        is distinct from ({excluded_columns}, excluded._extra, null::timestamptz)
        and {excluded_is_not_older}
    returning {key_of_stored}, (stored.xmax = 0) as is_new
),

vanished as (
    update {target} as stored
    set _deleted_at = %(synced_at)s, _sync_id = %(sync_id)s, _synced_at = %(synced_at)s
    where
        %(is_sweep)s
        and stored._account_id = %(account)s
        and stored._deleted_at is null
        and stored._synced_at < %(synced_at)s
        and not exists (select from staged where {same_key})
    returning {key_of_stored}
),

-- Days that facts are counted on: those a changed record had (every part of this statement sees the table as it was
-- before), and those it has now.
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
    (select count(*) from written where is_new) as inserted,
    (select count(*) from written where not is_new) as updated,
    (select count(*) from vanished) as deleted,
    (select count(*) from staged) as distinct_rows,
    (select array_agg(day order by day) from touched) as touched_days
