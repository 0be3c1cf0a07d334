"""What a database is made of and what is in it, as sorted lines of text, so that two states can be compared."""

from __future__ import annotations

import psycopg
from psycopg import sql

from tests.support.postgres import Database

_LINES = """
with mine as (select oid, nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema')
select 'schema ' || n.nspname || ' ' || coalesce(n.nspacl::text, '') from pg_namespace n join mine m on m.oid = n.oid
union all
select 'table ' || c.relname || ' ' || m.nspname || ' ' || c.relkind::text || ' rls=' || c.relrowsecurity || ' '
    || coalesce(c.relacl::text, '') || coalesce(c.reloptions::text, '')
from pg_class c join mine m on m.oid = c.relnamespace where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
union all
select 'column ' || c.relname || '.' || a.attname || ' ' || m.nspname || ' ' || format_type(a.atttypid, a.atttypmod)
    || ' notnull=' || a.attnotnull || ' ' || a.attidentity::text || coalesce(pg_get_expr(d.adbin, d.adrelid), '')
from pg_attribute a join pg_class c on c.oid = a.attrelid join mine m on m.oid = c.relnamespace
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'v', 'm')
union all
select 'constraint ' || c.conrelid::regclass || ' ' || m.nspname || ' ' || c.conname || ' ' || pg_get_constraintdef(c.oid)
from pg_constraint c join mine m on m.oid = c.connamespace
union all
select 'index ' || m.nspname || ' ' || pg_get_indexdef(i.indexrelid)
from pg_index i join pg_class c on c.oid = i.indexrelid join mine m on m.oid = c.relnamespace
union all
select 'function ' || m.nspname || ' ' || pg_get_functiondef(p.oid) || coalesce(p.proacl::text, '')
from pg_proc p join mine m on m.oid = p.pronamespace where p.prokind in ('f', 'p')
union all
select 'trigger ' || m.nspname || ' ' || pg_get_triggerdef(t.oid)
from pg_trigger t join pg_class c on c.oid = t.tgrelid join mine m on m.oid = c.relnamespace where not t.tgisinternal
union all
select 'policy ' || schemaname || ' ' || tablename || ' ' || policyname || ' ' || coalesce(qual, '') from pg_policies
union all
select 'type ' || m.nspname || ' ' || t.typname || ' ' || coalesce((select string_agg(e.enumlabel, ',' order by e.enumsortorder)
    from pg_enum e where e.enumtypid = t.oid), '')
from pg_type t join mine m on m.oid = t.typnamespace where t.typtype in ('e', 'd')
"""
_TABLES = """
select schemaname, tablename from pg_tables where schemaname !~ '^pg_' and schemaname <> 'information_schema'
"""


def snapshot(database: Database, schema: str = "") -> list[str]:
    """List everything in the schemas that are not PostgreSQL's own, or in one of them."""
    return sorted(line for (line,) in database.run(_LINES) if not schema or f" {schema} " in f" {line} ")


def contents(database: Database) -> list[str]:
    """List every row of every table in these schemas."""
    look = "select {} || to_jsonb(r)::text from {} r"
    with psycopg.connect(database.admin_dsn) as connection:
        tables = connection.execute(_TABLES).fetchall()
        looks = [sql.SQL(look).format(f"row {'.'.join(table)} ", sql.Identifier(*table)) for table in tables]
        rows = connection.execute(sql.SQL(" union all ").join(looks)).fetchall() if looks else []
    return sorted(line for (line,) in rows)
