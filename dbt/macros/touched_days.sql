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

{% macro days_of_deals(before, after) -%}
    select closed_day as day
    from {{ changed_rows(before, after, ['account_id', 'deal_id', 'closed_day', 'channel', 'is_won', 'amount', 'amount_home']) }}
    where is_won
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
