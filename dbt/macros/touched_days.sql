{#- A row of a table can decide about facts of days that are not its own: the contact that is found today tells where the
    payments of last year came from. No raw row of those days changes, so nothing else would rebuild them.

    A table built by `replace_all` names one of the macros below in `meta: {touched_days: ...}`. The days it selects are
    touched in the transaction that replaces the rows. `before` and `after` are relations with the rows as they were and
    as they are going to be. -#}
{% macro touch_days(arg_dict, days_of) -%}
    insert into dataflow.touched_days (layer, connector, account_id, stream, day, sync_id)
    select
        'raw',
        'dbt',
        '',
        '{{ arg_dict["target_relation"].identifier }}',
        day,
        gen_random_uuid()
    from ({{ days_of(arg_dict['target_relation'], arg_dict['temp_relation']) }}) as concerned
    where day is not null
    group by day;
{%- endmacro %}

{#- Rows that differ, as they were and as they are; only in these columns, because facts read no others. -#}
{% macro changed_rows(before, after, columns) -%}
    (
        {%- for one, other in [(before, after), (after, before)] %}
        {% if not loop.first %}union all{% endif %}
        (select {{ columns | join(', ') }} from {{ one }} except select {{ columns | join(', ') }} from {{ other }})
        {%- endfor %}
    ) as changed
{%- endmacro %}

{% macro days_of_contacts(before, after) -%}
    select first_touch_day as day
    from {{ changed_rows(before, after, ['account_id', 'contact_id', 'first_touch_day', 'channel', 'is_deleted']) }}
{%- endmacro %}

{#- The day a deal was created on counts what it was created as; the day it was closed on, how it ended. -#}
{% macro days_of_deals(before, after) -%}
    {%- set counted = ['account_id', 'deal_id', 'pipeline_id', 'channel', 'currency', 'amount'] -%}
    select created_day as day
    from {{ changed_rows(before, after, counted + ['created_day']) }}
    union all
    select closed_day as day
    from {{ changed_rows(before, after, counted + ['closed_day', 'is_won', 'amount_home']) }}
{%- endmacro %}

{% macro days_of_customers(before, after) -%}
    select transactions.date_day as day
    from {{ changed_rows(before, after, ['account_id', 'customer_id', 'channel', 'first_charge_id']) }}
    inner join {{ ref('int_revenue_transactions') }} as transactions
        on changed.account_id = transactions.account_id and changed.customer_id = transactions.customer_id
{%- endmacro %}

{#- Up to today: a newest rate holds for ever. -#}
{% macro days_of_rates(before, after) -%}
    select days.day::date as day
    from {{ changed_rows(before, after, ['currency', 'home_currency', 'valid_from', 'valid_to', 'rate']) }}
    cross join
        generate_series(
            valid_from, least(valid_to - 1, (now() at time zone 'UTC')::date), interval '1 day'
        ) as days (day)
{%- endmacro %}

{#- The days whose MRR is another one: spans that changed are looked at day by day, as they were and as they are. All spans
    that run on do so into the days that have become known since. -#}
{% macro days_of_spans(before, after) -%}
    {%- set counted = [
        'account_id', 'subscription_item_id', 'subscription_id', 'customer_id', 'channel', 'product_id', 'price_id',
        'quantity', 'currency', 'mrr',
    ] -%}
    {%- set spans = counted + ['valid_from', 'valid_to'] -%}
    select day
    from (
        {%- for one, other in [(before, after), (after, before)] %}
        {% if not loop.first %}union all{% endif %}
        (
            {{ days_of_changed_spans(one, other, counted, spans) }}
            except
            {{ days_of_changed_spans(other, one, counted, spans) }}
        )
        {%- endfor %}
    ) as changed
    union all
    select days.day::date as day
    from (select account_id, max(known_through) as known_through from {{ before }} group by account_id) as known
    inner join (select account_id, max(known_through) as known_through from {{ after }} group by account_id) as now_known
        on known.account_id = now_known.account_id
    cross join generate_series(known.known_through + 1, now_known.known_through, interval '1 day') as days (day)
{%- endmacro %}

{#- Each day of the spans that are in one relation and not in the other, with what is counted on it. -#}
{% macro days_of_changed_spans(one, other, counted, spans) -%}
    select {{ counted | join(', ') }}, days.day::date as day
    from (
        select {{ spans | join(', ') }} from {{ one }} where mrr <> 0
        except
        select {{ spans | join(', ') }} from {{ other }}
    ) as changed
    inner join (select account_id, max(known_through) as known_through from {{ one }} group by account_id) as known
        using (account_id)
    cross join {{ days_of_span('changed', 'known') }} as days (day)
{%- endmacro %}

{#- The days at whose end, in UTC, a span holds: from its first to its last one, or to the last one that is known. -#}
{% macro days_of_span(span, known) -%}
    generate_series(
        ({{ span }}.valid_from at time zone 'UTC')::date,
        least(({{ span }}.valid_to at time zone 'UTC')::date - 1, {{ known }}.known_through),
        interval '1 day'
    )
{%- endmacro %}
