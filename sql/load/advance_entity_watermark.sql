-- The newest change that was read. Nothing moves back; a read that saw nothing leaves the watermark where it was.
insert into dataflow.watermarks as known (connector, account_id, stream, watermark, swept_at)
values (%(connector)s, %(account)s, %(stream)s, %(watermark)s, %(swept_at)s)
on conflict (connector, account_id, stream) do update
    set
        watermark = greatest(known.watermark, excluded.watermark),
        swept_at = greatest(known.swept_at, excluded.swept_at),
        updated_at = now()
returning complete_from, watermark, settled_through
