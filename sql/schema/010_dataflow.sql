-- What DataFlow itself remembers: how far each account's stream is known, what every sync did, what it set aside.

create schema if not exists dataflow;

create table if not exists dataflow.watermarks (
    connector text not null,
    account_id text not null,
    stream text not null,
    complete_from timestamptz,
    watermark timestamptz not null,
    settled_through date,
    swept_at timestamptz,
    updated_at timestamptz not null default now(),
    primary key (connector, account_id, stream)
);
comment on table dataflow.watermarks is
'The one unbroken stretch of time that is known complete, per account and stream: from complete_from to watermark.';
comment on column dataflow.watermarks.complete_from is
'Reports: the instant at which the first known report day begins in the account''s time zone. Null: since ever.';
comment on column dataflow.watermarks.watermark is
'Everything before this instant is stored. Comes from what was fetched, never from the clock; never moves back.';
comment on column dataflow.watermarks.settled_through is
'The last report day that was read after the vendor had stopped changing it.';
comment on column dataflow.watermarks.swept_at is
'Entities: when everything was last listed, so that vanished ones were seen. Time of the vendor.';

create table if not exists dataflow.sync_attempts (
    attempt_id uuid primary key,
    connector text not null,
    account_id text not null,
    stream text not null,
    window_start date not null,
    window_end date not null,
    started_at timestamptz not null,
    finished_at timestamptz
);
comment on table dataflow.sync_attempts is
'One read of a window of report days. An unfinished one is taken up again by the next run, less the days it has done.';
comment on column dataflow.sync_attempts.started_at is 'By the vendor''s clock.';
create index if not exists sync_attempts_unfinished
on dataflow.sync_attempts (connector, account_id, stream) where finished_at is null;

create table if not exists dataflow.unfinished_listings (
    listing_id uuid primary key,
    connector text not null,
    account_id text not null,
    stream text not null,
    sync_window text not null,
    read_at timestamptz not null,
    started_at timestamptz not null,
    resume_after text not null,
    newest timestamptz,
    all_good boolean not null
);
comment on table dataflow.unfinished_listings is
'Long listings of which parts are stored. One that broke off is taken up again by the next run, where it was.';
comment on column dataflow.unfinished_listings.read_at is 'When it began, by the vendor''s clock.';
comment on column dataflow.unfinished_listings.started_at is 'When it began, by this database''s clock.';
comment on column dataflow.unfinished_listings.resume_after is 'Where it goes on, in the words of its connector.';

create table if not exists dataflow.sync_ledger (
    sync_id uuid primary key,
    attempt_id uuid references dataflow.sync_attempts,
    connector text not null,
    account_id text not null,
    stream text not null,
    sync_window text not null,
    window_start date,
    window_end date,
    outcome text not null,
    error text,
    fetch_started_at timestamptz not null,
    recorded_at timestamptz not null default now(),
    rows_read bigint not null default 0,
    rows_inserted bigint not null default 0,
    rows_updated bigint not null default 0,
    rows_deleted bigint not null default 0,
    rows_unchanged bigint not null default 0,
    rows_quarantined bigint not null default 0,
    rows_duplicate bigint not null default 0,
    requests bigint not null default 0,
    retries bigint not null default 0,
    response_bytes bigint not null default 0,
    wait_seconds double precision not null default 0,
    run_id text
);
comment on table dataflow.sync_ledger is 'One row per slice: what was asked, what came, what it cost, how it ended.';
comment on column dataflow.sync_ledger.outcome is
'Unreadable: no record kept its contract, all are in quarantine, and what was stored stays. Superseded: a later reading '
'was published first.';
alter table dataflow.sync_ledger drop constraint if exists sync_ledger_outcome_check;
alter table dataflow.sync_ledger add constraint sync_ledger_outcome_check
check (outcome in ('published', 'superseded', 'unreadable', 'failed'));
create index if not exists sync_ledger_slices
on dataflow.sync_ledger (connector, account_id, stream, window_start, window_end);
create index if not exists sync_ledger_recent on dataflow.sync_ledger (recorded_at);

create table if not exists dataflow.learned_sizes (
    connector text not null,
    account_id text not null,
    stream text not null,
    days integer not null,
    field_groups integer not null,
    page_rows integer not null,
    learned_at timestamptz not null default now(),
    primary key (connector, account_id, stream)
);
comment on table dataflow.learned_sizes is
'How much of a stream an account''s vendor gives at once, where that is less than declared; tried anew after some days.';

create table if not exists dataflow.quarantine (
    quarantine_id bigint generated always as identity primary key,
    connector text not null,
    account_id text not null,
    stream text not null,
    sync_id uuid not null,
    reason text not null,
    payload text not null,
    quarantined_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    replayed_at timestamptz
);
comment on table dataflow.quarantine is
'Records that do not keep their stream''s contract, as they came. They can be replayed once the contract is mended.';
-- A trailing window reads the same bad record night after night: it is kept once.
create unique index if not exists quarantine_open
on dataflow.quarantine (connector, stream, account_id, md5(payload)) where replayed_at is null;

create table if not exists dataflow.notices (
    connector text not null,
    stream text not null,
    subject text not null,
    message text not null,
    first_seen_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    primary key (connector, stream, subject)
);
comment on table dataflow.notices is 'Things a person should know once, such as a field the vendor has begun to send.';

create table if not exists dataflow.touched_days (
    touch_id bigint generated always as identity primary key,
    layer text not null check (layer in ('raw', 'facts')),
    connector text not null,
    account_id text not null,
    stream text not null,
    day date not null,
    sync_id uuid not null,
    touched_at timestamptz not null default now()
);
comment on table dataflow.touched_days is
'Days whose rows changed in a layer and have not yet been carried to the next one. Written with the rows they tell of.';
create index if not exists touched_days_layer on dataflow.touched_days (layer, day);

create table if not exists dataflow.aggregates (
    name text primary key,
    definition_hash text not null,
    backend text not null,
    created_at timestamptz not null default now(),
    refreshed_at timestamptz,
    verified_at timestamptz
);
alter table dataflow.aggregates add column if not exists ratios_hash text;
alter table dataflow.aggregates add column if not exists filled_at timestamptz;
alter table dataflow.aggregates add column if not exists between_hash text;
comment on table dataflow.aggregates is 'Which definition each aggregate in the schema metrics was made from.';
comment on column dataflow.aggregates.ratios_hash is 'Definition of the view with its ratios. Null: it has none.';
comment on column dataflow.aggregates.between_hash is
'Definition of the function that adds up its family between two days. With the aggregate by month; null: not made.';
comment on column dataflow.aggregates.filled_at is
'When it was last filled whole. Null: not since it was made. Before that of its parent: the parent was made anew.';

create table if not exists dataflow.dbt_builds (
    step text primary key,
    digest text not null,
    built_at timestamptz not null default now()
);
comment on table dataflow.dbt_builds is 'Which definitions the views were last built from; views change with code, not data.';
