-- Joins a freshly stored stretch to the stretch known complete. A stretch that does not touch it changes nothing, so a
-- gap is never passed; nothing moves back. Settled days grow the same way.
insert into dataflow.watermarks as known (
    connector, account_id, stream, complete_from, watermark, settled_through
)
values (
    %(connector)s,
    %(account)s,
    %(stream)s,
    %(complete_from)s,
    %(complete_to)s,
    case when %(settled_through)s::date >= %(first_day)s::date then %(settled_through)s::date end
)
on conflict (connector, account_id, stream) do update
    set
        complete_from = case
            when excluded.complete_from <= known.watermark and excluded.watermark >= known.complete_from
                then least(known.complete_from, excluded.complete_from)
            else known.complete_from
        end,
        watermark = case
            when excluded.complete_from <= known.watermark
                then greatest(known.watermark, excluded.watermark)
            else known.watermark
        end,
        settled_through = case
            when
                %(settled_through)s::date >= %(first_day)s::date
                and (
                    %(first_day)s::date <= known.settled_through + 1
                    or (
                        known.settled_through is null
                        and excluded.complete_from <= known.complete_from
                        and excluded.watermark >= known.complete_from
                    )
                )
                then greatest(known.settled_through, %(settled_through)s::date)
            else known.settled_through
        end,
        updated_at = now()
returning complete_from, watermark, settled_through
